"""Orders on a stub of the core: what its tests commit, execute and take back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boa

from tests.reference.units import LOT_WAD, WAD
from tests.reference.words import price_word
from tests.support.chains import Clocked
from tests.support.world import Order
from tests.unit.pool_chain import (
    DELAY,
    ETH,
    GENESIS,
    MIN_RESERVE,
    account_of,
    deployer_of,
    lots,
    market_at,
    usd,
)

# IClearinghouse.Role: who answers for an owner's consent
ACT = 4
VENUE = "0x00000000000000000000000000000000000000A1"


@dataclass
class Desk(Clocked):
    """Orders on the stub, with a trader and an executor."""

    stub: Any
    orders: Any
    trader: str
    executor: str
    attacker: str

    @classmethod
    def deployed(cls) -> Desk:
        """Deploy both."""
        boa.env.evm.patch.timestamp = GENESIS
        roles = [str(boa.env.generate_address(role)) for role in ("trader", "keeper", "attacker")]
        for role in roles:
            boa.env.set_balance(role, 100 * WAD)
        stub = deployer_of("mocks/PoolStub").deploy(VENUE, 10**12)
        stub.set_fill_price(usd(3_001))
        orders = deployer_of("Orders").deploy(stub.address, DELAY, MIN_RESERVE)
        desk = cls(stub, orders, *roles)
        desk.publish(GENESIS)
        return desk

    def publish(self, publish: int, gap: int = 10) -> None:
        """Store a price of this time, `gap` after the one before."""
        word = price_word(market_at(usd(3_000), publish=publish, gap=min(255, gap)))
        self.stub.set_price(ETH, word, 0)

    def order(self, **changes: Any) -> Order:
        """Return a valid order of the trader."""
        return Order(
            account=account_of(self.trader),
            venue=VENUE,
            instrument=ETH << 56,
            size=lots(2) * LOT_WAD,
            limit_price=3_100 * WAD,
            deadline=self.now + 60,
            reduce_only=False,
            reserve=MIN_RESERVE,
            salt=1,
        )._replace(**changes)

    def commit(self, order: Order, **call: Any) -> bytes:
        """Commit as the trader, with the reserve."""
        call = {"value": order.reserve, "sender": self.trader} | call
        return bytes(self.orders.commit(tuple(order), **call))

    def committed(self, **changes: Any) -> Order:
        """Return an order that stands."""
        order = self.order(**changes)
        self.commit(order)
        return order

    def execute(self, order: Order, *reports: bytes) -> None:
        """Execute as the executor."""
        self.orders.execute(tuple(order), *reports, sender=self.executor)

    def is_open(self, order: Order) -> bool:
        """Whether an order stands."""
        return bool(self.orders.commit_time(self.orders.order_id(tuple(order))) != 0)


def the_event(desk: Desk) -> Any:
    """Return the one event of Orders in the last call."""
    (event,) = [e for e in desk.orders.get_logs() if e.address == desk.orders.address]
    return event


def balance(address: Any) -> int:
    """Return the coin of an address."""
    return int(boa.env.get_balance(str(address)))
