"""Owners with keys, operators, and what they sign: docs/spec/operators.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boa
from coincurve import PrivateKey
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from tests.support.permits import FOREVER, NO_LIMIT, Grant, permit_digest, sign
from tests.support.world import Order, World, account_of

DEPOSIT_ACTION, WITHDRAW_ACTION, TRANSFER_ACTION = 1, 2, 4
USDC = 10**6

_ERC2612 = keccak(
    b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)


def key_of(name: str) -> PrivateKey:
    """Return the key of an owner that exists in tests alone."""
    return PrivateKey(keccak(text=name))


def signer(world: World, name: str) -> str:
    """Return the address of an owner who can sign, made a role of the world."""
    address = str(Account.from_key(key_of(name).secret).address)
    if name not in world.roles:
        boa.env.set_balance(address, 10**24)
        world.roles[name] = address
    return address


def signed(world: World, key: PrivateKey, grant: Grant, nonce: int, deadline: int) -> bytes:
    """Return the signature of a permit for this deployment."""
    contract = str(world.operators.address)
    return sign(key, permit_digest(grant, nonce, deadline, contract))


def token_permit(
    token: Any, key: PrivateKey, spender: str, amount: int, deadline: int
) -> tuple[int, bytes, bytes]:
    """Return v, r, s of an ERC-2612 permit."""
    owner = str(Account.from_key(key.secret).address)
    kinds = ["bytes32", "address", "address", "uint256", "uint256", "uint256"]
    parts = [_ERC2612, owner, spender, amount, token.nonces(owner), deadline]
    body = keccak(encode(kinds, parts))
    signature = sign(key, keccak(b"\x19\x01" + token.DOMAIN_SEPARATOR() + body))
    return signature[64], signature[:32], signature[32:64]


def give(
    world: World,
    account: int,
    operator: str,
    scope: int,
    expiry: int = FOREVER,
    uses: int = NO_LIMIT,
) -> Grant:
    """Grant by the account's owner."""
    grant = Grant(account, operator, scope, expiry, uses)
    with world.as_owner(account):
        world.operators.grant(tuple(grant))
    return grant


def commit(world: World, sender: str, *orders: Order, value: int | None = None) -> None:
    """Commit through Operators, with the sum of the reserves unless told otherwise."""
    due = sum(order.reserve for order in orders) if value is None else value
    world.operators.commit([tuple(order) for order in orders], value=due, sender=sender)


def isolate(world: World, parent: int, symbol: str, amount: int, order: Order, **call: Any) -> None:
    """Fund the order's account out of a parent and commit the order, by the parent's owner."""
    with world.as_owner(parent):
        world.operators.isolate(
            parent,
            world.tokens[symbol].address,
            amount,
            tuple(order),
            *call.pop("reports", ()),
            value=call.pop("value", order.reserve),
            **call,
        )


def fold(world: World, child: int, parent: int, *reports: bytes) -> None:
    """Fold a child back, by its owner."""
    with world.as_owner(child):
        world.operators.fold(child, parent, *reports)


def move(
    world: World,
    sender: int,
    receiver: int,
    sizes: Sequence[int] = (),
    amounts: Sequence[int] = (),
    *reports: bytes,
) -> None:
    """Move legs and collateral by the sender's owner, in the order in which he holds them."""
    legs = list(zip(world.legs(sender), sizes, strict=False))
    parts = list(zip(world.amounts(sender), amounts, strict=False))
    with world.as_owner(sender):
        world.operators.move(sender, receiver, legs, parts, *reports)


def events_of(contract: Any, name: str) -> list[Any]:
    """Return the events of this name of the last call of a contract, whoever logged them."""
    return [event for event in contract.get_logs() if type(event).__name__ == name]


def second(account: int, index: int = 1) -> int:
    """Return another account of the same owner."""
    return account_of(hex(account >> 96), index)
