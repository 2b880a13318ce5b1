"""Expiries on a stub of Markets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boa

from tests.reference.expiries import WINDOW
from tests.reference.units import HOUR, TICKS_PER_USD
from tests.unit.pool_chain import deployer_of

ETH, BTC = 1, 2
GENESIS = 1_700_000_000
HOURS = GENESIS // HOUR + 3
EXPIRY = HOURS * HOUR
FIRST = EXPIRY - WINDOW
TICK = TICKS_PER_USD
PENDING, UNTRUSTED, ACTIVE = 1, 4, 8
MAX_PRICE = 2**63 - 1


@dataclass
class Desk:
    """Expiries, a stub of Markets and who calls."""

    stub: Any
    expiries: Any
    keeper: str

    @classmethod
    def deployed(cls) -> Desk:
        """Deploy both."""
        boa.env.evm.patch.timestamp = GENESIS
        keeper = str(boa.env.generate_address("keeper"))
        stub = deployer_of("mocks/MarketsStub").deploy(keeper, 120)
        return cls(stub, deployer_of("Expiries").deploy(stub.address), keeper)

    def at(self, now: int) -> None:
        """Go to a time."""
        boa.env.evm.patch.timestamp = now

    def store(self, price: int, publish: int, flags: int = ACTIVE, market: int = ETH) -> None:
        """Let Markets have accepted a price [ticks]."""
        self.stub.set_price_word(market, price, publish, flags)

    def observe(self, hours: int = HOURS, market: int = ETH) -> bool:
        """Observe as anyone."""
        return bool(self.expiries.observe(market, hours, sender=self.keeper))

    def see(self, price: int, publish: int, hours: int = HOURS) -> bool:
        """Accept and observe a price at its time."""
        self.at(publish)
        self.store(price, publish)
        return self.observe(hours)

    def run(self, prices: Sequence[int], start: int = FIRST, step: int = 10) -> None:
        """Accept and observe prices at even distances."""
        for i, price in enumerate(prices):
            self.see(price, start + i * step)

    def price(self, hours: int = HOURS) -> int:
        """Return the settlement price [ticks]."""
        return int(self.expiries.settlement_price(ETH, hours))

    def average(self) -> tuple[int, int]:
        """Return seconds and average."""
        seconds, average = self.expiries.average(ETH, HOURS)
        return int(seconds), int(average)

    @property
    def window(self) -> Any:
        """Return what is noted."""
        return self.expiries.window(ETH, HOURS)
