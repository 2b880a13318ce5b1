"""Orders of the Exchange: limit orders, quotes and packages, and what an owner signs of them.

docs/spec/exchange.md fixes every byte of this module. Sizes are lots and prices ticks, as signed;
`limit`, `package` and `told` go between them and what people write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from keepers.domain import instruments
from keepers.domain.amounts import LOT_DECIMALS, lots, ticks, written, written_ticks
from keepers.domain.grants import DOMAIN_TYPE, checked_address
from keepers.errors import BadInput

MAX_LEGS: Final = 8
RATE_ONE: Final = 1_000_000
ANYONE: Final = "0x" + "00" * 20
LEG: Final = "Leg(uint256 instrument,int256 size,uint256 price)"
LEG_TYPE: Final = keccak(text=LEG)
ORDER_TYPE: Final = keccak(
    text="Order(uint256 account,address counterparty,bool takes,Leg[] legs,bool byNet,int256 net,"
    f"uint256 feeCap,uint256 nonce,uint256 deadline,bool reduceOnly){LEG}"
)
HINT: Final = "pass on the line that was signed as it is"


@dataclass(frozen=True, slots=True)
class Leg:
    """One instrument of an order, as `IExchange.Leg`."""

    instrument: int
    size: int  # lots, > 0 the signer buys
    price: int = 0  # ticks, the worst that he takes; 0 under a net price


@dataclass(frozen=True, slots=True)
class Order:
    """What an account's owner signs, as `IExchange.Order`."""

    account: int
    legs: tuple[Leg, ...]  # in the order of their ids
    nonce: int
    deadline: int  # unix s, the last one that counts
    fee_cap: int  # 1e-6
    counterparty: str = ANYONE
    takes: bool = False
    by_net: bool = False
    net: int = 0  # WAD, the most that all legs together may cost
    reduce_only: bool = False

    @property
    def struct(self) -> tuple[Any, ...]:
        """Return the order as the ABI takes it."""
        return (
            self.account,
            self.counterparty,
            self.takes,
            [(leg.instrument, leg.size, leg.price) for leg in self.legs],
            self.by_net,
            self.net,
            self.fee_cap,
            self.nonce,
            self.deadline,
            self.reduce_only,
        )

    @property
    def size(self) -> int:
        """Return the lots of the first leg, in which fills are counted."""
        return abs(self.legs[0].size)

    def mirrored(self, account: int, nonce: int, deadline: int, fee_cap: int) -> Order:
        """Return the order of another account that takes all of this one, at its price."""
        legs = tuple(Leg(leg.instrument, -leg.size, leg.price) for leg in self.legs)
        return replace(
            self,
            account=account,
            legs=legs,
            nonce=nonce,
            deadline=deadline,
            fee_cap=fee_cap,
            counterparty=ANYONE,
            takes=True,
            net=-self.net,
            reduce_only=False,
        )


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order with its owner's signature."""

    order: Order
    signature: bytes  # r | s | v, or what a contract wallet takes

    @property
    def struct(self) -> tuple[tuple[Any, ...], bytes]:
        """Return it as the ABI takes it."""
        return self.order.struct, self.signature


def checked(order: Order) -> Order:
    """Return an order that the Exchange may fill, its legs sorted.

    Raises:
        BadInput: it has no legs, too many, one twice, one of no size, or a net price for one.
    """
    legs = tuple(sorted(order.legs, key=lambda leg: leg.instrument))
    for leg in legs:
        instruments.decode(leg.instrument)
    if not 0 < len(legs) <= MAX_LEGS:
        raise BadInput(f"an order has no {len(legs)} legs", f"name one to {MAX_LEGS}")
    if len({leg.instrument for leg in legs}) < len(legs):
        raise BadInput("an instrument stands in the order twice", "add its sizes up")
    if not all(leg.size for leg in legs):
        raise BadInput("a leg of the order has no size", "leave it out")
    if order.by_net and len(legs) == 1:
        raise BadInput("one leg has no net price", "give it a price of its own")
    return replace(order, legs=legs)


# ---- what is signed


def domain_separator(chain_id: int, exchange: str) -> bytes:
    """Return the EIP-712 domain of one deployment."""
    parts = [DOMAIN_TYPE, keccak(b"Plimsoll Exchange"), keccak(b"1"), chain_id, exchange]
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], parts))


def order_digest(order: Order, chain_id: int, exchange: str) -> bytes:
    """Return the 32 bytes that the account's owner signs for one deployment."""
    kinds = ["bytes32", "uint256", "int256", "uint256"]
    legs = b"".join(
        keccak(encode(kinds, [LEG_TYPE, leg.instrument, leg.size, leg.price])) for leg in order.legs
    )
    parts = list(order.struct)
    parts[3] = keccak(legs)
    kinds = ["uint256", "address", "bool", "bytes32", "bool", "int256"]
    body = encode(["bytes32", *kinds, *["uint256"] * 3, "bool"], [ORDER_TYPE, *parts])
    return keccak(b"\x19\x01" + domain_separator(chain_id, exchange) + keccak(body))


def typed_data(order: Order, chain_id: int, exchange: str) -> dict[str, Any]:
    """Return the same as wallets take it (eth_signTypedData_v4)."""
    names = [part.split(" ") for part in _ORDER_FIELDS]
    legs = [
        {"instrument": leg.instrument, "size": leg.size, "price": leg.price} for leg in order.legs
    ]
    fields = dict(zip((name for _, name in names), order.struct, strict=True)) | {"legs": legs}
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Order": [{"name": name, "type": kind} for kind, name in names],
            "Leg": [
                {"name": "instrument", "type": "uint256"},
                {"name": "size", "type": "int256"},
                {"name": "price", "type": "uint256"},
            ],
        },
        "primaryType": "Order",
        "domain": {
            "name": "Plimsoll Exchange",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": exchange,
        },
        "message": fields,
    }


_ORDER_FIELDS: Final = (
    "uint256 account",
    "address counterparty",
    "bool takes",
    "Leg[] legs",
    "bool byNet",
    "int256 net",
    "uint256 feeCap",
    "uint256 nonce",
    "uint256 deadline",
    "bool reduceOnly",
)


# ---- nonces


def nonce_place(nonce: int) -> tuple[int, int]:
    """Return the word and the mask by which `cancel` spends a nonce."""
    return nonce // 256, 1 << nonce % 256


def cancel_places(nonces: Sequence[int]) -> dict[int, int]:
    """Return the masks by word that spend all of these nonces: one call a word."""
    found: dict[int, int] = {}
    for word, mask in map(nonce_place, nonces):
        found[word] = found.get(word, 0) | mask
    return found


# ---- prices and fees


def net_cost(legs: Sequence[Leg]) -> int:
    """Return what all legs cost the signer together [WAD]; negative: he gets it."""
    return sum(leg.size * leg.price for leg in legs)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a fill pays, as `IExchange.Fees` [1e-6]."""

    maker: int
    taker: int
    option_maker: int
    option_taker: int
    premium_share: int

    def rate(self, leg: Leg, takes: bool) -> int:
        """Return the rate of a leg."""
        if instruments.decode(leg.instrument).strike:
            return self.option_taker if takes else self.option_maker
        return self.taker if takes else self.maker

    def fee(self, leg: Leg, price: int, takes: bool) -> int:
        """Return the fee of a leg at a price of its market [ticks], up, in WAD."""
        size, rate = abs(leg.size), self.rate(leg, takes)
        if not instruments.decode(leg.instrument).strike:
            return _up(size * leg.price * rate)
        return min(_up(size * price * rate), _up(size * leg.price * self.premium_share))


def _up(parts: int) -> int:
    return -(-parts // RATE_ONE)


# ---- as people write them


def leg_of(text: str, markets: Mapping[str, int]) -> Leg:
    """Return a leg written as instrument:size or instrument:size@price, size < 0 to sell."""
    named, _, rest = text.partition(":")
    size, _, price = rest.partition("@")
    if not size:
        raise BadInput(f"{text} is no leg", "write such as ETH-27MAR26-3000-C:-10@120.5")
    count = lots(size.lstrip("+-"), named)
    signed = -count if size.startswith("-") else count
    return Leg(instruments.parse(named, markets), signed, ticks(price) if price else 0)


def told(leg: Leg, symbols: Mapping[int, str]) -> str:
    """Return a leg as `leg_of` reads it."""
    sign = "-" if leg.size < 0 else ""
    text = (
        f"{instruments.name(leg.instrument, symbols)}:{sign}{written(abs(leg.size), LOT_DECIMALS)}"
    )
    return f"{text}@{written_ticks(leg.price)}" if leg.price else text


# ---- as text, to be handed over


def line(signed: SignedOrder) -> str:
    """Return a signed order as one line of JSON."""
    order = signed.order
    said = {
        name.split(" ")[1]: part for name, part in zip(_ORDER_FIELDS, order.struct, strict=True)
    }
    said |= {
        "account": hex(order.account),
        "legs": [[hex(leg.instrument), leg.size, leg.price] for leg in order.legs],
        "signature": "0x" + signed.signature.hex(),
    }
    return json.dumps(said)


def read(text: str) -> SignedOrder:
    """Return the signed order that a line of JSON holds; the inverse of `line`."""
    try:
        said = json.loads(text)
        return SignedOrder(
            order=Order(
                account=int(said["account"], 16),
                legs=tuple(Leg(int(i, 16), int(size), int(p)) for i, size, p in said["legs"]),
                nonce=int(said["nonce"]),
                deadline=int(said["deadline"]),
                fee_cap=int(said["feeCap"]),
                counterparty=checked_address(said["counterparty"]),
                takes=said["takes"] is True,
                by_net=said["byNet"] is True,
                net=int(said["net"]),
                reduce_only=said["reduceOnly"] is True,
            ),
            signature=bytes.fromhex(said["signature"].removeprefix("0x")),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"that is no signed order ({error!s:.60})", HINT) from error
