"""Deposits by permit, and into accounts of others: docs/spec/operators.md."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_utils.crypto import keccak

from scripts.deployment.artifacts import load
from tests.support.permits import FOREVER
from tests.support.world import WAD, World, account_of, owner_of
from tests.unit.ledger_support import deployer
from tests.unit.operators_support import (
    USDC,
    key_of,
    signer,
    token_permit,
)


def trader(world: World, usd: int = 10_000) -> int:
    """Return an account with cash."""
    return world.open_account("trader", USDC=usd * USDC)


def withdraw(world: World, sender: str, account: int, amount: int = USDC) -> None:
    """Withdraw USDC through Operators."""
    world.operators.withdraw(account, world.tokens["USDC"].address, amount, sender=sender)


# ---- deposit with permit -------------------------------------------------------------------------


def permit_token(world: World, to: str, amount: int) -> Any:
    """Return a listed collateral with ERC-2612, of which somebody holds atoms."""
    with boa.env.prank(world.role("owner")):
        token = deployer("mocks/PermitToken").deploy(18)
        token.mint(to, amount)
        world.clearinghouse.list_collateral(token.address, 1, WAD // 5, WAD // 10, 10_000, 10_000)
    return token


def deposit(world: World, token: Any, account: int, amount: int, signature: Any) -> None:
    """Deposit with a permit, by the account's owner."""
    world.operators.deposit_with_permit(
        account, token.address, amount, FOREVER, *signature, sender=owner_of(account)
    )


def signed_deposit(world: World, amount: int) -> tuple[Any, int, tuple[int, bytes, bytes]]:
    """Return a token, an account of its holder, and his permit for the Clearinghouse."""
    owner = signer(world, "signing owner")
    token = permit_token(world, owner, amount)
    spender = str(world.clearinghouse.address)
    return (
        token,
        account_of(owner),
        token_permit(token, key_of("signing owner"), spender, amount, FOREVER),
    )


def test_deposit_with_permit__fresh_permit__credits_the_account(world: World) -> None:
    token, account, signature = signed_deposit(world, 3 * WAD)

    deposit(world, token, account, 3 * WAD, signature)

    assert list(world.amounts(account).values()) == [3 * WAD]
    assert token.balanceOf(world.clearinghouse.address) == 3 * WAD
    assert token.allowance(owner_of(account), world.clearinghouse.address) == 0


def test_deposit_with_permit__brought_by_somebody_else_first__goes_through(world: World) -> None:
    token, account, signature = signed_deposit(world, 3 * WAD)
    core = world.clearinghouse.address
    attacker = world.role("attacker")
    token.permit(owner_of(account), core, 3 * WAD, FOREVER, *signature, sender=attacker)

    deposit(world, token, account, 3 * WAD, signature)

    assert list(world.amounts(account).values()) == [3 * WAD]


def test_deposit_with_permit__twice__reverts(world: World) -> None:
    token, account, signature = signed_deposit(world, 3 * WAD)
    deposit(world, token, account, 3 * WAD, signature)
    token.mint(owner_of(account), 3 * WAD, sender=world.role("owner"))

    with boa.reverts("erc20: invalid signature"):
        deposit(world, token, account, 3 * WAD, signature)


def test_deposit_with_permit__allowance_is_there__asks_for_no_signature(world: World) -> None:
    token, account, _ = signed_deposit(world, 3 * WAD)
    token.approve(world.clearinghouse.address, 3 * WAD, sender=owner_of(account))

    deposit(world, token, account, 3 * WAD, (0, b"", b""))

    assert list(world.amounts(account).values()) == [3 * WAD]


# ---- into somebody else's account


def gift(world: World, receiver: int, held: int = WAD) -> tuple[Any, str, tuple[int, bytes, bytes]]:
    """Return a token of which `receiver` holds some, a giver, and his permit for Operators."""
    giver = signer(world, "signing owner")
    token = permit_token(world, giver, 3 * WAD)
    if held:
        owner = owner_of(receiver)
        token.mint(owner, held, sender=world.role("owner"))
        token.approve(world.clearinghouse.address, held, sender=owner)
        world.clearinghouse.deposit(receiver, token.address, held, sender=owner)
    spender = str(world.operators.address)
    return token, giver, token_permit(token, key_of("signing owner"), spender, 3 * WAD, FOREVER)


def give_by_permit(
    world: World, token: Any, to: int, amount: int, signature: Any, sender: str
) -> None:
    """Deposit into an account with the sender's permit."""
    world.operators.deposit_with_permit(
        to, token.address, amount, FOREVER, *signature, sender=sender
    )


def assert_nothing_stays(world: World, token: Any) -> None:
    """Assert that Operators holds nothing of a token and has nothing of it approved."""
    desk = world.operators.address
    assert token.balanceOf(desk) == 0
    assert token.allowance(desk, world.clearinghouse.address) == 0


def test_deposit_with_permit__foreign_account_that_holds_it__is_credited(world: World) -> None:
    receiver = trader(world)
    token, giver, signature = gift(world, receiver)

    give_by_permit(world, token, receiver, 3 * WAD, signature, giver)

    assert list(world.amounts(receiver).values()) == [4 * WAD]
    assert (token.balanceOf(giver), token.allowance(giver, world.operators.address)) == (0, 0)
    assert token.balanceOf(world.clearinghouse.address) == 4 * WAD
    assert_nothing_stays(world, token)


def test_deposit_with_permit__settlement_token_into_a_foreign_account__is_cash(
    world: World,
) -> None:
    receiver, giver, usdc = trader(world), world.role("giver"), world.tokens["USDC"]
    usdc.mint(giver, 5 * USDC)
    usdc.approve(world.operators.address, 5 * USDC, sender=giver)
    cash = world.cash(receiver)

    give_by_permit(world, usdc, receiver, 5 * USDC, (0, b"", b""), giver)

    assert world.cash(receiver) == cash + 5 * WAD
    assert_nothing_stays(world, usdc)
    world.assert_books_balance()


def test_deposit_with_permit__foreign_account_that_holds_none__reverts(world: World) -> None:
    receiver = trader(world)
    token, giver, signature = gift(world, receiver, held=0)

    with boa.reverts("custody: not held"):
        give_by_permit(world, token, receiver, 3 * WAD, signature, giver)

    assert world.amounts(receiver) == {}
    assert token.balanceOf(giver) == 3 * WAD
    assert_nothing_stays(world, token)


def test_deposit_with_permit__gift_brought_by_somebody_else_first__goes_through(
    world: World,
) -> None:
    receiver, attacker = trader(world), world.role("attacker")
    token, giver, signature = gift(world, receiver)
    desk = world.operators.address
    token.permit(giver, desk, 3 * WAD, FOREVER, *signature, sender=attacker)

    give_by_permit(world, token, receiver, 3 * WAD, signature, giver)

    assert list(world.amounts(receiver).values()) == [4 * WAD]


@pytest.mark.parametrize("own", [True, False])
def test_deposit_with_permit__permit_of_somebody_else_for_operators__pays_nothing(
    world: World, own: bool
) -> None:
    receiver, attacker = trader(world), world.role("attacker")
    token, giver, signature = gift(world, receiver)
    desk = world.operators.address
    to = account_of(attacker) if own else receiver

    with boa.reverts("erc20: invalid signature"):
        give_by_permit(world, token, to, 3 * WAD, signature, attacker)
    # with the allowance there, and none of his own but one that he has no tokens for
    token.permit(giver, desk, 3 * WAD, FOREVER, *signature, sender=attacker)
    for spender in (desk, world.clearinghouse.address):
        token.approve(spender, 3 * WAD, sender=attacker)
    with boa.reverts("erc20: transfer amount exceeds balance"):
        give_by_permit(world, token, to, 3 * WAD, signature, attacker)

    assert token.balanceOf(giver) == 3 * WAD
    assert_nothing_stays(world, token)


def test_deposit_with_permit__unlisted_token_into_a_foreign_account__reverts(
    world: World,
) -> None:
    receiver, giver = trader(world), world.role("giver")
    with boa.env.prank(world.role("owner")):
        token = deployer("mocks/PermitToken").deploy(18)
        token.mint(giver, WAD)
    token.approve(world.operators.address, WAD, sender=giver)

    with boa.reverts("custody: unlisted token"):
        give_by_permit(world, token, receiver, WAD, (0, b"", b""), giver)

    assert token.balanceOf(giver) == WAD


def test_deposit_with_permit__fee_on_the_way_to_a_foreign_account__reverts(world: World) -> None:
    receiver, giver = trader(world), world.role("giver")
    with boa.env.prank(world.role("owner")):
        token = deployer("mocks/FeeToken").deploy(18)
    token.set_fee(100, 0)
    token.mint(giver, 2 * WAD)
    # whatever lies about in Operators pays for nobody's fee
    token.mint(world.operators.address, WAD)
    token.approve(world.operators.address, WAD, sender=giver)

    with boa.reverts("custody: inexact transfer"):
        give_by_permit(world, token, receiver, WAD, (0, b"", b""), giver)


def test_deposit_with_permit__of_somebody_else__takes_nothing_from_him(world: World) -> None:
    token, account, signature = signed_deposit(world, 3 * WAD)
    attacker = world.role("attacker")

    with boa.reverts("erc20: invalid signature"):
        world.operators.deposit_with_permit(
            account_of(attacker), token.address, 3 * WAD, FOREVER, *signature, sender=attacker
        )

    assert token.balanceOf(owner_of(account)) == 3 * WAD


def test_deposit_with_permit__unlisted_token__reverts(world: World) -> None:
    owner = world.role("trader")
    with boa.env.prank(world.role("owner")):
        token = deployer("mocks/PermitToken").deploy(18)
    token.approve(world.clearinghouse.address, WAD, sender=owner)

    with boa.reverts("custody: unlisted token"):
        deposit(world, token, account_of(owner), WAD, (0, b"", b""))


def test_deposit_with_permit__token_is_one_of_ours__reaches_nothing(world: World) -> None:
    """Whatever address is named is asked for an allowance first, which no contract of ours has."""
    asked = [keccak(text="allowance(address,address)")[:4]]
    asked.append(keccak(text="permit(address,address,uint256,uint256,uint8,bytes32,bytes32)")[:4])
    answers = {
        keccak(text=f"{item['name']}({','.join(part['type'] for part in item['inputs'])})")[:4]
        for name, artifact in load().items()
        if name != "LiquidityPool"
        for item in artifact.abi
        if item["type"] == "function"
    }
    assert not answers & set(asked)
    account = trader(world)
    for name in ("clearinghouse", "markets", "orders", "operators", "liquidator"):
        for sender in (owner_of(account), world.role("giver")):
            with boa.reverts():
                give_by_permit(world, getattr(world, name), account, 1, (0, b"", b""), sender)
