"""Expiries and Options at an expiry: what was noted, what is to be called, in few round trips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.transactions import Draft
from keepers.domain.expiring import (
    DEAD,
    Series,
    Window,
    expired,
    near,
    series_held,
    step,
)
from keepers.domain.margin import Market
from keepers.domain.units import HOUR
from keepers.domain.words import Account

log = structlog.get_logger()

MAX_SERIES: Final = 16  # of one call with an update
# what the calls burn, twice what the tests find
GAS_OBSERVE: Final = 150_000
GAS_SETTLE: Final = 250_000
GAS_SETTLE_LEG: Final = 60_000


@dataclass(frozen=True, slots=True)
class State:
    """The series that expire about now, and who has legs of those with a price."""

    windows: Mapping[Series, Window]
    waiting: Sequence[tuple[Account, int]]  # accounts, and how many of their legs have a price

    @property
    def prices(self) -> dict[Series, int]:
        """Return the settlement prices that are written [ticks]."""
        return {each: window.price for each, window in self.windows.items() if window.settled}


class Expirations:
    """Reads what expires and drafts the calls that bring it to its end."""

    def __init__(self, reader: Reader, deployment: Deployment, every: int) -> None:
        """Observe each series every so many seconds."""
        self._reader = reader
        self._symbols = {id_: symbol for symbol, id_ in deployment.markets.items()}
        self._every = every
        self._expiries, self._options = interface("Expiries"), interface("Options")
        self.address = deployment.address("Expiries")
        self.engine = deployment.address("Options")

    async def state(self, accounts: Iterable[Account], now: int) -> State:
        """Return what there is about these accounts' series at a time."""
        known = list(accounts)
        wanted = near(series_held(known), now)
        answers = await self._reader.many([("Expiries", "window", each) for each in wanted])
        windows = {each: Window(*answer[0]) for each, answer in zip(wanted, answers, strict=True)}
        prices = {each: window.price for each, window in windows.items() if window.settled}
        return State(windows, expired(known, prices))

    def steps(self, state: State, markets: Mapping[int, Market], now: int) -> list[Draft]:
        """Return the calls at the stored prices: observations, dead feeds, accounts to settle."""
        made = []
        for each, window in state.windows.items():
            market = markets.get(each[0])
            what = step(each, window, market.price, now, self._every) if market else ""
            if market and what:
                made.append(self._call(what, each, market.price.publish_time))
        for account, legs in state.waiting:
            data = self._options.encode("settle_expired", account.id)
            gas = GAS_SETTLE + legs * GAS_SETTLE_LEG
            made.append(Draft(f"settle_expired {account.id:#x}", self.engine, data, gas))
        return made

    def _call(self, what: str, series: Series, published: int) -> Draft:
        data = self._expiries.encode(what, *series)
        # one price is observed once, the next one whatever has become of that
        key = f"{what} {self.name(series)} at {published}"
        return Draft(key, self.address, data, GAS_OBSERVE)

    def led(self, blob: bytes, gas: int, series: Sequence[Series], published: int) -> Draft:
        """Return a call that brings a price and observes it for some series.

        Args:
            blob: the reports.
            gas: limit of their update.
            series: the first of them are observed.
            published: the price's time.
        """
        chosen = list(series[:MAX_SERIES])
        data = self._expiries.encode("update_and_observe", blob, chosen)
        key = f"update_and_observe {self.name(chosen[0])} at {published}"
        return Draft(key, self.address, data, gas + GAS_OBSERVE * len(chosen))

    async def passing(self, drafts: Sequence[Draft], sender: str) -> list[Draft]:
        """Return the calls that would change something now, those of other keepers left out."""
        if not drafts:
            return []
        rpc = self._reader.rpc
        under_way = [*await rpc.pending_calls(self.address), *await rpc.pending_calls(self.engine)]
        taken = {data for other, data in under_way if other != sender.lower()}
        fresh = [each for each in drafts if each.data not in taken]
        calls = [(each.to, each.data) for each in fresh]
        answers = await rpc.calls(calls, sender=sender)
        kept = []
        for draft, answer in zip(fresh, answers, strict=True):
            # of an observation: whether it changes anything, or how many
            idle = draft.to == self.address and isinstance(answer, bytes) and not any(answer)
            nothing = idle and not draft.key.startswith(DEAD)
            if isinstance(answer, Exception):
                log.info("refused", what=draft.key, why=str(answer))
            elif not nothing:
                kept.append(draft)
        return kept

    def name(self, series: Series) -> str:
        """Return a series as people write it, its hour in unix seconds."""
        market, hours = series
        return f"{self._symbols.get(market, f'#{market}')}@{hours * HOUR}"
