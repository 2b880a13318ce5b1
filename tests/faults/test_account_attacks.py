"""Rows 2, 25 and 91 of the fault list: batches, and whoever acts for somebody else."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_utils.crypto import keccak

from tests.support.attack import attempt, commons, hedged, no_gain, walk
from tests.support.permits import FOREVER, NO_LIMIT, TRADE, WITHDRAW, Grant, permit_digest, sign
from tests.support.world import LOTS, TICKS, WAD, World, account_of, owner_of

USDC = 10**6
DEPOSIT_ACTION, WITHDRAW_ACTION, TRANSFER_ACTION = 1, 2, 4
HOUR = 3_600
CHAIN_ID = 31337
KEY = PrivateKey(keccak(text="victim"))


def action(
    world: World, kind: int, account: int, symbol: str, amount: int, other: int = 0
) -> tuple[Any, ...]:
    """Return an element of a batch; a withdrawal goes to the owner."""
    target = other or (account >> 96 if kind == WITHDRAW_ACTION else 0)
    return (kind, account, target, str(world.tokens[symbol].address), amount)


def batch(world: World, *actions: tuple[Any, ...]) -> str | None:
    """Run a batch of the attacker; return why it was refused."""
    attacker = world.role("attacker")
    core = world.clearinghouse
    return attempt(core.batch, b"", attacker, list(actions), sender=attacker)


# ---- a flag that is reset ------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["deposit", "transfer", "withdraw"])
def test_fault_002_batch__check_pending_from_an_earlier_action__is_not_forgotten(
    world: World, last: str
) -> None:
    # Abracadabra, 2025: a later action of the same batch cleared "needs a solvency check"
    debtor = world.open_account("attacker", USDC=400 * USDC, WETH=WAD)
    other = world.account("attacker", 1)
    world.open_position(debtor, "ETH", LOTS)
    walk(world, "ETH", 2_700 * TICKS)
    world.fund(other, "USDC", 100 * USDC)
    world.mint("USDC", world.role("attacker"), USDC)
    harmless = {
        "deposit": action(world, DEPOSIT_ACTION, debtor, "USDC", USDC),
        "transfer": action(world, TRANSFER_ACTION, other, "USDC", USDC, debtor),
        "withdraw": action(world, WITHDRAW_ACTION, other, "USDC", USDC),
    }
    # without its collateral the debtor keeps about 100 USD for a leg of 2,700
    away = action(world, TRANSFER_ACTION, debtor, "WETH", WAD, other)

    assert batch(world, away, harmless[last]) == "ledger: margin"
    assert batch(world, harmless[last], away, harmless[last]) == "ledger: margin"
    assert world.amounts(debtor) == {1: WAD}


# ---- whoever acts for somebody else --------------------------------------------------------------


def victim(world: World) -> tuple[int, Grant]:
    """Return an account of an owner with a key, and a grant of his for an hour."""
    owner = str(Account.from_key(KEY.secret).address)
    world.roles["victim"] = owner
    boa.env.set_balance(owner, 10**20)
    account = account_of(owner)
    world.fund(account, "USDC", 10_000 * USDC)
    return account, Grant(account, world.role("attacker"), WITHDRAW, world.now + HOUR, 1)


def signature(world: World, grant: Grant, nonce: int, deadline: int, **domain: Any) -> bytes:
    """Return what the victim signs, for this deployment unless told otherwise."""
    contract = domain.get("contract", str(world.operators.address))
    chain_id = domain.get("chain_id", CHAIN_ID)
    return sign(KEY, permit_digest(grant, nonce, deadline, contract, chain_id))


def bring(world: World, grant: Grant, signed: bytes, deadline: int) -> str | None:
    """Bring a permit with nonce 0."""
    permit = world.operators.permit
    return attempt(permit, tuple(grant), 0, deadline, signed, sender=world.role("attacker"))


def draw(world: World, account: int, amount: int = USDC) -> str | None:
    """Withdraw as the operator; return why it was refused."""
    usdc, attacker = world.tokens["USDC"].address, world.role("attacker")
    return attempt(world.operators.withdraw, account, usdc, amount, sender=attacker)


def test_fault_025_permit__replayed__grants_once(world: World) -> None:
    account, grant = victim(world)
    signed = signature(world, grant, 0, FOREVER)
    assert bring(world, grant, signed, FOREVER) is None
    assert draw(world, account) is None

    assert bring(world, grant, signed, FOREVER) == "operators: nonce used"
    assert draw(world, account) == "operators: not granted"
    assert world.cash(account) == 9_999 * WAD


def test_fault_025_permit__cancelled__grants_nothing(world: World) -> None:
    account, grant = victim(world)
    signed = signature(world, grant, 0, FOREVER)
    world.operators.cancel_nonce(0, sender=owner_of(account))

    assert bring(world, grant, signed, FOREVER) == "operators: nonce used"
    assert draw(world, account) == "operators: not granted"


def test_fault_025_permit__late__grants_nothing(world: World) -> None:
    account, grant = victim(world)
    deadline = world.now + 60
    signed = signature(world, grant, 0, deadline)
    world.wait(61)

    assert bring(world, grant, signed, deadline) == "operators: expired"
    assert draw(world, account) == "operators: not granted"


def test_fault_025_permit__of_another_chain_contract_or_owner__grants_nothing(
    world: World,
) -> None:
    account, grant = victim(world)
    other = PrivateKey(keccak(text="attacker's key"))
    digest = permit_digest(grant, 0, FOREVER, str(world.operators.address))
    foreign = (
        signature(world, grant, 0, FOREVER, chain_id=CHAIN_ID + 1),
        signature(world, grant, 0, FOREVER, contract=str(world.orders.address)),
        sign(other, digest),
    )

    for signed in foreign:
        assert bring(world, grant, signed, FOREVER) == "operators: bad signature"
    assert draw(world, account) == "operators: not granted"


def test_fault_025_session_key__expired_or_used_up__can_do_nothing(world: World) -> None:
    account, grant = victim(world)
    owner = owner_of(account)
    world.operators.grant(tuple(grant), sender=owner)
    assert draw(world, account) is None
    assert draw(world, account) == "operators: not granted"

    world.operators.grant(tuple(grant._replace(uses=NO_LIMIT)), sender=owner)
    world.wait(HOUR + 1)
    assert draw(world, account) == "operators: not granted"


def test_fault_025_session_key__for_trading__cannot_withdraw(world: World) -> None:
    account, grant = victim(world)
    world.operators.grant(tuple(grant._replace(scope=TRADE)), sender=owner_of(account))

    assert draw(world, account) == "operators: not granted"
    assert world.cash(account) == 10_000 * WAD


# ---- batches against the fund --------------------------------------------------------------------


def test_fault_091_batch__withdrawal_that_only_the_end_would_bear__is_refused(
    world: World,
) -> None:
    # the tokens are out of the account while the actions that follow count on them
    debtor, _ = hedged(world, "ETH", 20 * LOTS, 12_000)
    world.mint("USDC", world.role("attacker"), 9_000 * USDC)
    out = action(world, WITHDRAW_ACTION, debtor, "USDC", 9_000 * USDC)
    back = action(world, DEPOSIT_ACTION, debtor, "USDC", 9_000 * USDC)

    before = commons(world)
    with no_gain(world, 1, "attacker", "accomplice"):
        assert batch(world, out, back) == "ledger: margin"
        assert batch(world, back, out) is None
    assert commons(world) >= before


@pytest.mark.parametrize("kind", [0, 3, 5, 6, 7])
def test_fault_091_batch__takes_and_write_offs__are_no_actions(world: World, kind: int) -> None:
    debtor = world.open_account("attacker", USDC=12_000 * USDC)
    rest = action(world, kind, debtor, "USDC", USDC, world.account("attacker", 1))

    assert batch(world, rest) == "batch: unknown action"


def test_fault_091_batch__collateral_parked_in_the_middle__lets_no_owed_cash_out(
    world: World,
) -> None:
    # insolvent for the length of two actions, the loss would not be settled out of its cash
    debtor = world.open_account("attacker", USDC=500 * USDC, WETH=WAD)
    other = world.account("attacker", 1)
    world.open_position(debtor, "ETH", 2 * LOTS)
    walk(world, "ETH", 2_700 * TICKS)
    cash = world.cash(debtor) // 10**12
    assert attempt(
        world.clearinghouse.transfer,
        debtor,
        other,
        world.tokens["USDC"].address,
        cash,
        sender=world.role("attacker"),
    ) == ("custody: not enough cash")

    lent = batch(
        world,
        action(world, TRANSFER_ACTION, debtor, "WETH", WAD, other),
        action(world, TRANSFER_ACTION, debtor, "USDC", cash, other),
        action(world, WITHDRAW_ACTION, other, "USDC", cash),
        action(world, TRANSFER_ACTION, other, "WETH", WAD, debtor),
    )

    assert lent == "ledger: margin"
    assert world.cash(debtor) // 10**12 == cash
