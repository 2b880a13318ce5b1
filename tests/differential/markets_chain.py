"""A Markets contract alone, its clearinghouse an outside address, its words written directly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any

from tests.reference import units, words
from tests.reference.facts import Account, Collateral, FeedParams, MarginParams, Market
from tests.stateful.compiled import Compiled, compiled
from tests.stateful.evm import Evm, created, deploy

OWNER = 0x0101
LN_HARNESS = "tests/differential/harness/LnHarness.vy"  # the contracts' own logarithm
CLEARINGHOUSE = 0x0202

TIMING = (
    units.AGE_IM,
    units.AGE_MM,
    units.T_DEAD,
    units.GRACE_MAX,
    units.WINDOW,
    units.TAU_VARIANCE,
)
CHARGES = (
    units.KAPPA_FLAT,
    units.KAPPA_LEG,
    units.KAPPA_COLLATERAL,
    units.VELOCITY,
    units.RATE_MAX,
)


def slots(name: str) -> int:
    """Return the first slot of a variable of market_state."""
    layout: dict[str, Any] = compiled("Markets").layout["storage_layout"]["market_state"]
    return int(layout[name]["slot"])


def margin_tuple(p: MarginParams) -> tuple[int, ...]:
    return tuple(astuple(p))


def feed_tuple(p: FeedParams) -> tuple[int, ...]:
    """Return the parameters as the setter takes them: bounds in WAD."""
    values = list(astuple(p))
    values[0] *= units.TICK_WAD
    values[1] *= units.TICK_WAD
    return tuple(values)


class MarketsChain:
    """Markets on a chain of its own."""

    def __init__(self, code: Callable[[str], Compiled] = compiled) -> None:
        self.evm = Evm()
        configured = created(OWNER, 1)
        self.configurator = deploy(self.evm, OWNER, "RiskConfigurator", configured, code=code)
        self.contract = deploy(
            self.evm,
            OWNER,
            "Markets",
            self.configurator.address,
            CLEARINGHOUSE,
            TIMING,
            CHARGES,
            3,
            code=code,
        )
        self._slots = {
            name: slots(name)
            for name in ("prices", "states", "samplers", "pendings", "collaterals")
        }

    def list_market(self, market: int, m: Market) -> None:
        """List a market with the parameters of `m`; its words follow by write()."""
        price = m.feed.min_price * units.TICK_WAD
        self.configurator.send(
            OWNER,
            "list_market",
            market,
            f"M{market}",
            margin_tuple(m.margin),
            feed_tuple(m.feed),
            price,
        )

    def set_feed(self, market: int, m: Market) -> None:
        self.configurator.send(OWNER, "set_feed_params", market, feed_tuple(m.feed))

    def write(self, market: int, m: Market) -> None:
        """Write the words of a market."""
        address = self.contract.address
        for name, word in (
            ("prices", words.price_word(m)),
            ("states", words.state_word(m)),
            ("samplers", words.sampler_word(m)),
            ("pendings", words.pending_word(m)),
        ):
            self.evm.store(address, self._slots[name] + market, word)

    def read(self, market: int) -> tuple[int, int, int, int]:
        """Return the four words of a market."""
        address = self.contract.address
        price, state, sampler, pending = (
            self.evm.storage(address, self._slots[name] + market)
            for name in ("prices", "states", "samplers", "pendings")
        )
        return price, state, sampler, pending

    def write_collaterals(self, collaterals: Mapping[int, Collateral]) -> None:
        packed: dict[int, int] = {}
        for key, terms in collaterals.items():
            entry = words.collateral_bits(terms) << 64 * ((key - 1) % 4)
            packed[(key - 1) // 4] = packed.get((key - 1) // 4, 0) | entry
        for index, word in packed.items():
            self.evm.store(self.contract.address, self._slots["collaterals"] + index, word)

    def check(self, account: Account) -> tuple[int, ...]:
        word, legs, amounts = words.encode_account(account)
        return tuple(self.contract.view("check", word, legs, amounts))


def expected_words(m: Market) -> tuple[int, int, int, int]:
    return (
        words.price_word(m),
        words.state_word(m),
        words.sampler_word(m),
        words.pending_word(m),
    )


def write(chain: MarketsChain, world: dict[int, Market]) -> None:
    for key, facts in world.items():
        chain.set_feed(key, facts)
        chain.write(key, facts)
