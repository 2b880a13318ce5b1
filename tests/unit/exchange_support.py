"""The Exchange on stubs of Clearinghouse, Markets, Surfaces and Options, and owners with keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import boa
from coincurve import PrivateKey
from eth_account import Account
from eth_utils.crypto import keccak

from keepers.domain.exchange_orders import ANYONE, Leg, Order, order_digest
from tests.reference.instruments import CALL, FUTURE, PERP, PUT, Instrument, lowest_terms
from tests.reference.units import TICKS_PER_USD, WAD
from tests.reference.words import price_word
from tests.support.chains import Clocked
from tests.support.permits import CHAIN_ID, sign
from tests.unit.pool_chain import GENESIS, account_of, deployer_of, lots, market_at, usd

ETH, BTC = 1, 2
ACT = 4
HOURS = GENESIS // 3_600 + 24 * 30
PRICE = {ETH: usd(3_000), BTC: usd(60_000)}
BAND = WAD // 50
# of the pool in ETH: scale and most skew [USD WAD], least half spread; it trades no BTC
CURVE = (2 * 10**9 * WAD, 10**7 * WAD, 4 * WAD // 10**4)
RATES = (200, 500, 300, 400, 100_000)
MAX_RATE, MAX_SHARE = 1_000, 125_000


def instrument(kind: int, dollars: int = 0, market: int = ETH) -> int:
    """Return a perp, or a future or option that expires in a month."""
    mantissa, exponent = lowest_terms(dollars * TICKS_PER_USD) if dollars else (0, 0)
    return Instrument(market, kind, HOURS if kind else 0, mantissa, exponent).id


ETH_PERP = instrument(PERP)
ETH_FUTURE = instrument(FUTURE)
ETH_CALL = instrument(CALL, 3_200)
ETH_PUT = instrument(PUT, 2_800)
BTC_CALL = instrument(CALL, 64_000, BTC)
BTC_PERP = instrument(PERP, market=BTC)
MARK = {ETH_FUTURE: usd(3_010), ETH_CALL: usd(120), ETH_PUT: usd(90), BTC_CALL: usd(2_500)}


def key_of(name: str) -> PrivateKey:
    """Return the key of an owner that exists in tests alone."""
    return PrivateKey(keccak(text=name))


def address_of(name: str) -> str:
    """Return the address of such an owner."""
    return str(Account.from_key(key_of(name).secret).address)


MAKER, TAKER = address_of("maker"), address_of("taker")


def pairs(sizes: Mapping[int, int]) -> list[int]:
    """Return legs two a word."""
    entries = [each << 64 | size % 2**64 for each, size in sizes.items() if size]
    entries += [0] * (len(entries) % 2)
    return [low | high << 128 for low, high in zip(entries[::2], entries[1::2], strict=True)]


@dataclass
class Desk(Clocked):
    """The Exchange with its stubs."""

    core: Any
    surfaces: Any
    options: Any
    clocks: Any
    curves: Any
    exchange: Any
    owner: str
    keeper: str
    nonce: int = field(default=0)

    @classmethod
    def deployed(cls) -> Desk:
        """Deploy everything, prices and marks published."""
        boa.env.evm.patch.timestamp = GENESIS
        boa.env.evm.patch.chain_id = CHAIN_ID
        owner, keeper = (str(boa.env.generate_address(role)) for role in ("owner", "keeper"))
        core = deployer_of("mocks/PoolStub").deploy(owner, 10**12)
        surfaces = deployer_of("mocks/MarksStub").deploy()
        options = deployer_of("mocks/OptionsStub").deploy()
        clocks = deployer_of("mocks/ClockStub").deploy()
        curves = deployer_of("mocks/CurveStub").deploy()
        with boa.env.prank(owner):
            exchange = deployer_of("Exchange").deploy(
                core.address,
                options.address,
                surfaces.address,
                clocks.address,
                curves.address,
                RATES,
            )
        curves.set_curve(ETH, *CURVE)
        options.set_venue(exchange.address)
        surfaces.set_band(BAND)
        for each, mark in MARK.items():
            surfaces.set_mark(each, mark)
        desk = cls(core, surfaces, options, clocks, curves, exchange, owner, keeper)
        for market, price in PRICE.items():
            desk.publish(market, price)
        return desk

    def publish(self, market: int, price: int, **changes: Any) -> None:
        """Store a price of now [ticks]."""
        facts = market_at(price, publish=self.now)
        self.core.set_price(market, price_word(replace(facts, **changes)), 0)

    # ---- orders ------------------------------------------------------------------------------

    def rest(self, *legs: Leg, owner: str = MAKER, **changes: Any) -> Order:
        """Return a maker's order, with a nonce of its own."""
        self.nonce += 1
        order = Order(
            account=account_of(owner),
            legs=tuple(sorted(legs, key=lambda leg: leg.instrument)),
            nonce=self.nonce,
            deadline=self.now + 600,
            fee_cap=MAX_RATE,
        )
        return replace(order, **changes)

    def take(self, order: Order, owner: str = TAKER, **changes: Any) -> Order:
        """Return the order that takes all of another one."""
        self.nonce += 1
        mirrored = order.mirrored(account_of(owner), self.nonce, self.now + 60, MAX_RATE)
        return replace(mirrored, **changes)

    def signature(self, order: Order, key: str, **domain: Any) -> bytes:
        """Return what a key signs, for this deployment unless told otherwise."""
        contract = domain.get("contract", str(self.exchange.address))
        digest = order_digest(order, domain.get("chain_id", CHAIN_ID), contract)
        return sign(key_of(key), digest)

    def signed(self, order: Order, signature: bytes | None = None) -> tuple[Any, ...]:
        """Return an order with its owner's signature, as the ABI takes it."""
        key = "maker" if not order.takes else "taker"
        by = self.signature(order, key) if signature is None else signature
        return order.struct, by

    def fill(
        self,
        maker: Order,
        taker: Order | None = None,
        size: int | None = None,
        prices: Sequence[int] = (),
        **call: Any,
    ) -> bytes:
        """Match two orders as a keeper, both signed unless signatures are given."""
        other = self.take(maker) if taker is None else taker
        args = [
            self.signed(maker, call.pop("maker_signature", None)),
            self.signed(other, call.pop("taker_signature", None)),
            maker.size if size is None else size,
            list(prices),
            *call.pop("reports", ()),
        ]
        return bytes(self.exchange.fill(*args, **({"sender": self.keeper} | call)))

    def close(self, maker: Order, account: int, size: int | None = None, **call: Any) -> bytes:
        """Fill an order against an account under MM, as a keeper."""
        signed = self.signed(maker, call.pop("maker_signature", None))
        size = maker.size if size is None else size
        args = (account, signed, size, *call.pop("reports", ()))
        return bytes(self.exchange.close(*args, **({"sender": self.keeper} | call)))

    def held(self, owner: str, instrument: int) -> int:
        """Return the lots that the stub of Options has for an owner's account."""
        return int(self.options.sizes(account_of(owner), instrument))

    def hold(self, account: int, sizes: Mapping[int, int]) -> None:
        """Let an account have these legs before a fill: perps in the core, the rest at Options."""
        perps = {each: size for each, size in sizes.items() if not each << 8 & 2**64 - 1}
        dated = {each: size for each, size in sizes.items() if each not in perps}
        words = pairs(perps)
        self.core.set_account(account, len(perps) << 57, words + [0] * (8 - len(words)))
        self.options.set_legs(account, pairs(dated))

    def spent(self, order: Order) -> bool:
        """Return whether an order's nonce is spent."""
        owner = f"0x{order.account >> 96:040x}"
        word = int(self.exchange.nonces(owner, order.nonce // 256))
        return bool(word >> order.nonce % 256 & 1)


def limit(desk: Desk, **changes: Any) -> Order:
    """Return a maker's order to sell ten calls."""
    return desk.rest(Leg(ETH_CALL, -lots(10), usd(120)), **changes)


def package(desk: Desk, **changes: Any) -> Order:
    """Return a maker's order of four legs of two markets."""
    legs = (
        Leg(ETH_PERP, lots(3), usd(3_000)),
        Leg(ETH_CALL, -lots(10), usd(121)),
        Leg(ETH_PUT, lots(10), usd(89)),
        Leg(BTC_CALL, -lots(1), usd(2_510)),
    )
    return desk.rest(*legs, **changes)


def the_event(desk: Desk, name: str) -> Any:
    """Return the one event of this name in the last call."""
    (event,) = [e for e in desk.exchange.get_logs() if type(e).__name__ == name]
    return event


__all__ = [
    "ACT",
    "ANYONE",
    "BAND",
    "BTC",
    "BTC_CALL",
    "BTC_PERP",
    "CHAIN_ID",
    "ETH",
    "ETH_CALL",
    "ETH_FUTURE",
    "ETH_PERP",
    "ETH_PUT",
    "HOURS",
    "MAKER",
    "MARK",
    "MAX_RATE",
    "MAX_SHARE",
    "PRICE",
    "RATES",
    "TAKER",
    "Desk",
    "Leg",
    "Order",
    "account_of",
    "address_of",
    "deployer_of",
    "instrument",
    "key_of",
    "limit",
    "lots",
    "order_digest",
    "package",
    "sign",
    "the_event",
    "usd",
]


def spread(desk: Desk, net: int, **changes: Any) -> Order:
    """Return a maker's order to sell 2 calls and 3 puts for a net price."""
    legs = (Leg(ETH_CALL, -lots(2)), Leg(ETH_PUT, -lots(3)))
    return desk.rest(*legs, by_net=True, net=net, **changes)
