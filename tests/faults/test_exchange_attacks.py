"""Rows 25, 27, 33 and 90 of the fault list, on the Exchange: replays, wallets, prices, gifts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import boa
import pytest
from coincurve import PrivateKey
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from keepers.domain.exchange_orders import Leg, Order, order_digest
from tests.support import sources
from tests.support.attack import attempt
from tests.support.permits import CHAIN_ID, sign
from tests.support.world import LOTS, World, account_of, at_address, deployer_of, perp

MAX_RATE = 1_000
BAND = 10**18 // 50
KEYS = {name: PrivateKey(keccak(text=name)) for name in ("victim", "attacker's key")}
ADDRESS = {name: str(Account.from_key(key.secret).address) for name, key in KEYS.items()}


@dataclass
class Venue:
    """The Exchange on the whole protocol's books and prices, with a stub of Options."""

    world: World
    options: Any
    exchange: Any

    def order(self, **changes: Any) -> Order:
        """Return the victim's offer of an ETH at the stored price."""
        price = self.world.prices["ETH"]
        order = Order(
            account=account_of(ADDRESS["victim"]),
            legs=(Leg(perp(1), -LOTS, price),),
            nonce=7,
            deadline=self.world.now + 60,
            fee_cap=MAX_RATE,
        )
        return replace(order, **changes)

    def signature(self, order: Order, key: str = "victim", **domain: Any) -> bytes:
        """Return what a key signs, for this deployment unless told otherwise."""
        contract = domain.get("contract", str(self.exchange.address))
        digest = order_digest(order, domain.get("chain_id", CHAIN_ID), contract)
        return sign(KEYS[key], digest)

    def take(self, order: Order, signature: bytes, size: int = LOTS, **call: int) -> str | None:
        """Take an order as the attacker; return why it was refused."""
        attacker = self.world.role("attacker")
        taker = order.mirrored(account_of(attacker), 1, self.world.now + 60, MAX_RATE)
        signed = (order.struct, signature), (taker.struct, b"")
        return attempt(self.exchange.fill, *signed, size, [], sender=attacker, **call)

    @property
    def fills(self) -> int:
        """How often something moved."""
        return int(self.options.fills())


@pytest.fixture
def venue(world: World) -> Venue:
    options = deployer_of("contracts/mocks/OptionsStub.vy").deploy()
    surfaces = deployer_of("contracts/mocks/MarksStub.vy").deploy()
    surfaces.set_band(BAND)
    made = sources.of("contracts/Exchange.vy")
    neighbours = (world.clearinghouse, options, surfaces, world.liquidator, world.liquidity_pool)
    places = [str(each.address) for each in neighbours]
    kinds = [*5 * ["address"], "(uint256,uint256,uint256,uint256,uint256)"]
    arguments = encode(kinds, [*places, (200, 500, 300, 400, 100_000)])
    address, _ = boa.env.deploy_code(bytecode=bytes.fromhex(made.initcode) + arguments)
    options.set_venue(str(address))
    world.publish()
    return Venue(world, options, at_address(made, str(address)))


def test_fault_025_order__replayed__is_filled_once(venue: Venue) -> None:
    order = venue.order()
    signature = venue.signature(order)
    assert venue.take(order, signature) is None
    assert venue.take(order, signature) == "exchange: nonce used"
    assert venue.fills == 1


def test_fault_025_order__filled_in_part__is_not_filled_beyond(venue: Venue) -> None:
    order = venue.order()
    signature = venue.signature(order)
    assert venue.take(order, signature, LOTS * 3 // 4) is None
    assert venue.take(order, signature, LOTS // 2) == "exchange: too much"
    assert venue.fills == 1


def test_fault_025_order__cancelled__is_not_filled(venue: Venue) -> None:
    order = venue.order()
    signature = venue.signature(order)
    venue.exchange.cancel(ADDRESS["victim"], 0, 1 << order.nonce, sender=ADDRESS["victim"])
    assert venue.take(order, signature) == "exchange: nonce used"
    assert venue.fills == 0


def test_fault_025_order__late__is_not_filled(venue: Venue) -> None:
    order = venue.order()
    signature = venue.signature(order)
    venue.world.wait(61)
    venue.world.publish()
    assert venue.take(order, signature) == "exchange: expired"
    assert venue.fills == 0


def test_fault_025_order__of_another_chain_contract_or_owner__is_not_filled(venue: Venue) -> None:
    order = venue.order()
    foreign = (
        venue.signature(order, chain_id=CHAIN_ID + 1),
        venue.signature(order, contract=str(venue.world.operators.address)),
        venue.signature(order, key="attacker's key"),
    )
    for signature in foreign:
        assert venue.take(order, signature) == "exchange: bad signature"
    assert venue.fills == 0


def test_fault_027_wallet__starved_by_whoever_fills__does_not_look_as_if_it_had_not_signed(
    venue: Venue,
) -> None:
    # a fill that fails for want of a signature could void an order where failures are counted
    wallet = deployer_of("contracts/mocks/OddWallet.vy").deploy()
    order = venue.order(account=account_of(str(wallet.address)))
    for gas in (60_000, 120_000, 200_000):
        assert venue.take(order, b"", gas=gas) == "wallet: too little gas"
    assert venue.take(order, b"") is None
    assert venue.fills == 1


def test_fault_033_pool__by_an_order_at_a_known_price__does_not_trade(venue: Venue) -> None:
    # whoever knows the next price would buy of the pool at the stored one
    order = venue.order(account=account_of(str(venue.world.liquidity_pool.address)))
    assert venue.take(order, b"") == "exchange: bad signature"
    assert venue.take(order, venue.signature(order, key="attacker's key")) is not None
    assert venue.fills == 0


def test_fault_033_order__at_a_price_of_minutes_ago__is_not_filled(venue: Venue) -> None:
    order = venue.order(deadline=venue.world.now + 600)
    signature = venue.signature(order)
    venue.world.wait(61)
    assert venue.take(order, signature) == "exchange: price not trusted"
    assert venue.fills == 0


def test_fault_090_owner__under_mm__agrees_to_no_price_beyond_the_pools(venue: Venue) -> None:
    # who has next to nothing left gives it to a friend inside the band, before a keeper comes
    world = venue.world
    broke = world.open_account("attacker", USDC=20_000 * 10**6)
    world.open_position(broke, "ETH", 100 * LOTS)
    for _ in range(5):
        world.next_price(60, ETH=world.prices["ETH"] * 99 // 100)
    health = world.health(broke)
    assert 0 < health.equity < health.mm
    price = world.prices["ETH"]
    params = world.liquidity_pool.params(1)
    worst = price * (params.max_skew * 10**18 // params.scale + params.spread_min) // 10**18
    gift = venue.order(legs=(Leg(perp(1), LOTS, price - price * BAND // 10**18),))
    assert venue.take(gift, venue.signature(gift)) == "exchange: beyond the pool"
    close = venue.order(legs=(Leg(perp(1), LOTS, price - worst),))
    assert venue.take(close, venue.signature(close)) is None
    assert venue.fills == 1
