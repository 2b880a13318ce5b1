"""Grants by call and by permit: docs/spec/operators.md."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.permits import (
    CHAIN_ID,
    FOREVER,
    NO_LIMIT,
    RECEIVE,
    TRADE,
    WITHDRAW,
    Grant,
    permit_digest,
    sign,
)
from tests.support.world import World, account_of
from tests.unit.ledger_support import deployer
from tests.unit.operators_support import (
    events_of,
    give,
    key_of,
    signed,
    signer,
)

HOUR = 3_600
ZERO = "0x" + "00" * 20


def stored(world: World, grant: Grant) -> Grant:
    """Return what stands for a grant's account and operator."""
    return Grant(*world.operators.granted(grant.account, grant.operator))


def wanted(world: World, **changes: Any) -> Grant:
    """Return a grant that the signing owner may give."""
    account = account_of(signer(world, "signing owner"))
    return Grant(account, world.role("operator"), TRADE, world.now + HOUR, 5)._replace(**changes)


def bring(
    world: World,
    grant: Grant,
    nonce: int = 7,
    deadline: int | None = None,
    signature: bytes | None = None,
) -> None:
    """Bring a permit as somebody else, signed by the owner unless told otherwise."""
    until = world.now + HOUR if deadline is None else deadline
    key = key_of("signing owner")
    by = signed(world, key, grant, nonce, until) if signature is None else signature
    world.operators.permit(tuple(grant), nonce, until, by, sender=world.role("keeper"))


# ---- by call ------------------------------------------------------------------------------------


def test_grant__by_the_owner__stands(world: World) -> None:
    account, operator = world.account("trader"), world.role("operator")

    grant = give(world, account, operator, TRADE | WITHDRAW, world.now + HOUR, 3)
    (event,) = events_of(world.operators, "Granted")

    assert stored(world, grant) == grant
    assert (event.account, event.operator, event.scope) == (account, operator, TRADE | WITHDRAW)
    assert (event.expiry, event.uses) == (grant.expiry, 3)


def test_grant__by_somebody_else__reverts(world: World) -> None:
    grant = Grant(world.account("trader"), world.role("attacker"), TRADE)
    with boa.reverts("operators: not the owner"):
        world.operators.grant(tuple(grant), sender=world.role("attacker"))


def test_grant__again__replaces_the_first(world: World) -> None:
    account, operator = world.account("trader"), world.role("operator")
    give(world, account, operator, TRADE | RECEIVE)

    grant = give(world, account, operator, WITHDRAW, world.now, 1)

    assert stored(world, grant) == grant


def test_grant__empty_scope__revokes(world: World) -> None:
    account, operator = world.account("trader"), world.role("operator")
    give(world, account, operator, TRADE)

    give(world, account, operator, 0, 0, 0)

    token = world.tokens["USDC"].address
    assert world.operators.granted(account, operator) == (account, operator, 0, 0, 0)
    with boa.reverts("operators: not granted"):
        world.operators.withdraw(account, token, 1, sender=operator)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"expiry": FOREVER}, True),
        ({"expiry": FOREVER + 1}, False),
        ({"uses": NO_LIMIT}, True),
        ({"uses": NO_LIMIT + 1}, False),
        ({"expiry": 2**256 - 1}, False),
        ({"uses": 2**256 - 1}, False),
    ],
)
def test_grant__bounds__hold(world: World, changes: dict[str, int], allowed: bool) -> None:
    grant = wanted(world, **changes)
    if allowed:
        world.operators.grant(tuple(grant), sender=world.role("signing owner"))
        assert stored(world, grant) == grant
    else:
        with boa.reverts("operators: out of range"):
            world.operators.grant(tuple(grant), sender=world.role("signing owner"))


def test_grant__unknown_scope__reverts(world: World) -> None:
    with boa.reverts():
        world.operators.grant(tuple(wanted(world, scope=8)), sender=world.role("signing owner"))


# ---- by permit ----------------------------------------------------------------------------------


def test_permit__signed_by_the_owner__grants(world: World) -> None:
    grant = wanted(world, scope=TRADE | WITHDRAW | RECEIVE)

    bring(world, grant)
    (event,) = events_of(world.operators, "Granted")
    (spent,) = events_of(world.operators, "NonceUsed")

    assert stored(world, grant) == grant
    assert (event.account, event.operator) == (grant.account, grant.operator)
    assert (spent.owner, spent.nonce) == (world.role("signing owner"), 7)
    assert world.operators.nonce_used(world.role("signing owner"), 7)


def test_permit__twice__reverts(world: World) -> None:
    grant = wanted(world)
    bring(world, grant)
    with boa.reverts("operators: nonce used"):
        bring(world, grant)


def test_permit__nonces__are_spent_one_by_one(world: World) -> None:
    grant, owner = wanted(world), signer(world, "signing owner")
    nonces = (0, 255, 256, 2**255, 2**256 - 1)

    for nonce in nonces:
        assert not world.operators.nonce_used(owner, nonce)
        bring(world, grant, nonce)

    assert all(world.operators.nonce_used(owner, nonce) for nonce in nonces)
    assert not any(world.operators.nonce_used(owner, nonce) for nonce in (1, 254, 257))
    assert not world.operators.nonce_used(world.role("trader"), 0)


def test_permit__cancelled__reverts(world: World) -> None:
    grant = wanted(world)
    world.operators.cancel_nonce(7, sender=world.role("signing owner"))
    with boa.reverts("operators: nonce used"):
        bring(world, grant)


def test_cancel__spent_nonce__reverts(world: World) -> None:
    bring(world, wanted(world))
    with boa.reverts("operators: nonce used"):
        world.operators.cancel_nonce(7, sender=world.role("signing owner"))


def test_cancel__by_somebody_else__leaves_the_owner_his_nonce(world: World) -> None:
    grant = wanted(world)
    world.operators.cancel_nonce(7, sender=world.role("attacker"))
    bring(world, grant)
    assert stored(world, grant) == grant


def test_permit__at_its_deadline__grants(world: World) -> None:
    grant = wanted(world)
    bring(world, grant, deadline=world.now)
    assert stored(world, grant) == grant


def test_permit__a_second_late__reverts(world: World) -> None:
    with boa.reverts("operators: expired"):
        bring(world, wanted(world), deadline=world.now - 1)


def test_permit__signed_by_somebody_else__reverts(world: World) -> None:
    grant, until = wanted(world), world.now + HOUR
    other = signed(world, key_of("attacker's key"), grant, 7, until)
    with boa.reverts("operators: bad signature"):
        bring(world, grant, deadline=until, signature=other)


@pytest.mark.parametrize(
    "changes",
    [
        {"operator": "0x" + "11" * 20},
        {"scope": TRADE | WITHDRAW},
        {"expiry": FOREVER},
        {"uses": 6},
    ],
)
def test_permit__another_grant_than_signed__reverts(world: World, changes: dict[str, Any]) -> None:
    grant, until = wanted(world), world.now + HOUR
    signature = signed(world, key_of("signing owner"), grant, 7, until)
    with boa.reverts("operators: bad signature"):
        bring(world, grant._replace(**changes), deadline=until, signature=signature)


def test_permit__another_account_nonce_or_deadline__reverts(world: World) -> None:
    grant, until = wanted(world), world.now + HOUR
    signature = signed(world, key_of("signing owner"), grant, 7, until)
    sibling = grant._replace(account=grant.account + 1)

    for changed in ((sibling, 7, until), (grant, 8, until), (grant, 7, until + 1)):
        with boa.reverts("operators: bad signature"):
            bring(world, *changed, signature=signature)


def test_permit__for_another_chain_or_contract__reverts(world: World) -> None:
    grant, until, key = wanted(world), world.now + HOUR, key_of("signing owner")
    here = str(world.operators.address)
    for chain_id, contract in ((CHAIN_ID + 1, here), (CHAIN_ID, str(world.orders.address))):
        foreign = sign(key, permit_digest(grant, 7, until, contract, chain_id))
        with boa.reverts("operators: bad signature"):
            bring(world, grant, deadline=until, signature=foreign)


def test_permit__after_a_fork_of_the_chain__is_worth_nothing(world: World) -> None:
    grant, until = wanted(world), world.now + HOUR
    signature = signed(world, key_of("signing owner"), grant, 7, until)
    chain_id = int(boa.env.evm.patch.chain_id)
    boa.env.evm.patch.chain_id = chain_id + 1
    try:
        with boa.reverts("operators: bad signature"):
            bring(world, grant, deadline=until, signature=signature)
    finally:
        boa.env.evm.patch.chain_id = chain_id


def test_permit__compact_signature__grants(world: World) -> None:
    """EIP-2098: the parity in the highest bit of s."""
    grant, until = wanted(world), world.now + HOUR
    full = signed(world, key_of("signing owner"), grant, 7, until)
    s = int.from_bytes(full[32:64], "big") | (full[64] - 27) << 255
    bring(world, grant, deadline=until, signature=full[:32] + s.to_bytes(32, "big"))
    assert stored(world, grant) == grant


@pytest.mark.parametrize("length", [0, 1, 63])
def test_permit__cut_signature__reverts(world: World, length: int) -> None:
    grant, until = wanted(world), world.now + HOUR
    signature = signed(world, key_of("signing owner"), grant, 7, until)[:length]
    with boa.reverts("operators: bad signature"):
        bring(world, grant, deadline=until, signature=signature)


def test_permit__malformed_signature__reverts(world: World) -> None:
    grant, until = wanted(world), world.now + HOUR
    signature = signed(world, key_of("signing owner"), grant, 7, until)
    with boa.reverts("ecdsa: invalid signature"):
        bring(world, grant, deadline=until, signature=signature[:64] + b"\x1d")


@pytest.mark.parametrize("length", [0, 63])
def test_permit__account_of_nobody__reverts(world: World, length: int) -> None:
    """A signature that recovers to nobody is not that of the owner 0."""
    grant = wanted(world, account=account_of(ZERO, 3))
    with boa.reverts("operators: bad signature"):
        bring(world, grant, signature=b"\x00" * length)


def test_permit__out_of_range__reverts(world: World) -> None:
    with boa.reverts("operators: out of range"):
        bring(world, wanted(world, uses=NO_LIMIT + 1))


def test_permit__refused__leaves_the_nonce(world: World) -> None:
    grant = wanted(world)
    with boa.reverts("operators: bad signature"):
        bring(world, grant, signature=b"")
    bring(world, grant)
    assert stored(world, grant) == grant


def test_permit__held_back_until_after_a_revocation__needs_its_nonce_cancelled(
    world: World,
) -> None:
    grant, until, owner = wanted(world), world.now + HOUR, signer(world, "signing owner")
    signature = signed(world, key_of("signing owner"), grant, 7, until)
    revoked = grant._replace(scope=0, expiry=0, uses=0)
    world.operators.grant(tuple(revoked), sender=owner)

    with boa.env.anchor():
        bring(world, grant, deadline=until, signature=signature)
        assert stored(world, grant) == grant
    world.operators.cancel_nonce(7, sender=owner)
    with boa.reverts("operators: nonce used"):
        bring(world, grant, deadline=until, signature=signature)
    assert stored(world, grant) == revoked


# ---- wallets ------------------------------------------------------------------------------------


def test_permit__wallet_that_approves__grants(world: World) -> None:
    wallet = deployer("mocks/Wallet").deploy()
    grant, until = wanted(world, account=account_of(wallet.address)), world.now + HOUR
    wallet.approve_digest(permit_digest(grant, 7, until, str(world.operators.address)))

    bring(world, grant, deadline=until, signature=b"anything")

    assert stored(world, grant) == grant
    with boa.reverts("operators: nonce used"):
        bring(world, grant, deadline=until, signature=b"anything")


def test_permit__wallet_that_refuses__reverts(world: World) -> None:
    wallet = deployer("mocks/Wallet").deploy()
    grant = wanted(world, account=account_of(wallet.address))
    with boa.reverts("operators: bad signature"):
        bring(world, grant, signature=b"anything")


def test_permit__wallet_that_fails__reverts(world: World) -> None:
    wallet = deployer("mocks/Wallet").deploy()
    grant, until = wanted(world, account=account_of(wallet.address)), world.now + HOUR
    wallet.approve_digest(permit_digest(grant, 7, until, str(world.operators.address)))
    wallet.set_broken(True)
    with boa.reverts("operators: bad signature"):
        bring(world, grant, deadline=until, signature=b"anything")


def test_permit__owner_is_a_contract_without_an_answer__reverts(world: World) -> None:
    grant = wanted(world, account=account_of(str(world.tokens["USDC"].address)))
    with boa.reverts("operators: bad signature"):
        bring(world, grant, signature=b"anything")


def test_domain__as_eip_5267__says_what_is_signed(world: World) -> None:
    answer = world.operators.eip712Domain()
    assert (answer[1], answer[2], answer[3]) == ("Plimsoll Operators", "1", CHAIN_ID)
    assert answer[4] == world.operators.address
