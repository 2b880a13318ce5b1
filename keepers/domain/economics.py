"""What an action costs and brings, in USD WAD."""

from __future__ import annotations

from dataclasses import dataclass

from keepers.domain.units import TICKS_PER_USD, ceil_div


@dataclass(frozen=True, slots=True)
class GasMarket:
    """What gas costs right now."""

    wei_per_gas: int
    native_ticks: int  # price of the native coin

    def usd(self, gas: int) -> int:
        """Return what this much gas costs, rounded up [USD WAD]."""
        return ceil_div(gas * self.wei_per_gas * self.native_ticks, TICKS_PER_USD)

    def value(self, wei: int) -> int:
        """Return what an amount of native coin is worth [USD WAD]."""
        return wei * self.native_ticks // TICKS_PER_USD


# What the actions burn: measured on the shipped contracts, rounded up; the limit is set apart.
GAS_REDUCE = 220_000
GAS_TAKE = 260_000
GAS_TAKE_LEG = 130_000  # more for each leg that the engine keeps, of both sides
GAS_CLOSE = 420_000  # against a maker's signed order
GAS_CLOSE_LEG = 60_000  # more for each leg that the engine keeps, of both sides
GAS_FLAG = 80_000
GAS_SETTLE = 60_000
GAS_WRITE_OFF = 120_000
GAS_EXECUTE = 190_000
GAS_UPDATE = 80_000
GAS_REFUND = 60_000

# What an update of prices may use at most: docs/spec/gas_bounds.md, both variance samples due.
LIMIT_UPDATE = 350_000
LIMIT_OF_FEED = 45_000
# more for each market whose cross-check is asked: modules/price_sources.vy
LIMIT_OF_CHECK = 240_000


def update_limit(feeds: int, checked: int) -> int:
    """Return the gas limit of an update of so many feeds, some of them with a cross-check."""
    return LIMIT_UPDATE + LIMIT_OF_FEED * feeds + LIMIT_OF_CHECK * checked
