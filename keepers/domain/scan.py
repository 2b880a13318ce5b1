"""All accounts at once: numpy finds who may be under maintenance, exact integers confirm.

The floating pass works in USD. Its error is below ERROR x the gross of everything that is added
(some forty operations of relative error 2^-53 each), so whoever stands further above maintenance
than that is healthy for certain and is never looked at; all the others are computed exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keepers.domain.margin import Health, Snapshot, health
from keepers.domain.units import WAD
from keepers.domain.words import Account

ERROR: Final = 1e-12
CHUNK: Final = 8_192  # rows at a time: the working set stays in the second-level cache
FIRST_ROWS: Final = 1_024

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account under maintenance, confirmed in exact integers."""

    account: Account
    health: Health

    @property
    def shortfall(self) -> int:
        """Return MM - E, what the risk order goes by [USD WAD]."""
        return self.health.mm - self.health.equity


class Book:
    """Every account twice: exact, and as columns of floats."""

    def __init__(self) -> None:
        """Start empty; columns appear with the first account that needs them."""
        self.accounts: dict[int, Account] = {}
        self.engaged: set[int] = set()  # the engine answers for them: the chain is asked
        self._rows: dict[int, int] = {}
        self._ids: list[int] = []
        self._capacity = FIRST_ROWS
        self._balance: Floats = np.zeros(FIRST_ROWS)  # cash + quote, USD
        self._gross: Floats = np.zeros(FIRST_ROWS)  # |cash| + |quote|, USD
        self._kappa: Floats = np.zeros(FIRST_ROWS)  # number of legs; -1: needs no margin
        self._sizes: dict[int, Floats] = {}  # by market, lots
        self._amounts: dict[int, Floats] = {}  # by collateral, atoms

    def __len__(self) -> int:
        """Return how many accounts are known."""
        return len(self._ids)

    def put(self, account: Account) -> None:
        """Add an account or replace what is known of it."""
        row = self._rows.get(account.id)
        if row is None:
            row = len(self._ids)
            if row == self._capacity:
                self._grow()
            self._rows[account.id] = row
            self._ids.append(account.id)
        else:
            self._clear(row, self.accounts[account.id])
        self.accounts[account.id] = account
        self._balance[row] = (account.cash + account.quote) / WAD
        self._gross[row] = (abs(account.cash) + abs(account.quote)) / WAD
        self._kappa[row] = -1.0 if _exempt(account) else len(account.legs)
        if account.engaged:
            self.engaged.add(account.id)
        else:
            self.engaged.discard(account.id)
        for leg in account.legs:
            self._column(self._sizes, leg.market)[row] += leg.size
        for holding in account.holdings:
            self._column(self._amounts, holding.collateral)[row] = holding.amount

    def replace(self, accounts: Iterable[Account]) -> None:
        """Forget everything and take these accounts."""
        self.__init__()  # type: ignore[misc]
        for account in accounts:
            self.put(account)

    def scan(self, at: Snapshot, limit: int | None = None) -> list[Candidate]:
        """Return who is under maintenance, the largest shortfall first."""
        found = []
        for row in self.suspects(at):
            account = self.accounts[self._ids[row]]
            exact = health(account, at)
            if exact.under_mm:
                found.append(Candidate(account, exact))
        found.sort(key=lambda each: -each.shortfall)
        return found[:limit]

    def suspects(self, at: Snapshot) -> list[int]:
        """Return the rows that are not healthy for certain."""
        rows: list[int] = []
        for start in range(0, len(self._ids), CHUNK):
            end = min(start + CHUNK, len(self._ids))
            surplus = self._surplus(at, start, end)
            rows.extend((np.flatnonzero(surplus < 0.0) + start).tolist())
        return rows

    def _surplus(self, at: Snapshot, start: int, end: int) -> Floats:
        """Return E - MM less the bound of the error, for a chunk of rows [USD]."""
        terms = at.terms
        kappa = self._kappa[start:end]
        surplus = self._balance[start:end] - terms.kappa_flat / WAD
        surplus -= kappa * (terms.kappa_leg / WAD)
        gross = self._gross[start:end].copy()
        for market, sizes in self._sizes.items():
            _add_leg(surplus, gross, sizes[start:end], at, market)
        for id_, amounts in self._amounts.items():
            _add_collateral(surplus, gross, amounts[start:end], at, id_)
        gross *= ERROR
        surplus -= gross
        surplus -= ERROR
        # Whoever needs no margin here, houses among them, is never a suspect.
        surplus[kappa < 0.0] = 0.0
        return surplus

    def _clear(self, row: int, old: Account) -> None:
        for leg in old.legs:
            self._sizes[leg.market][row] = 0.0
        for holding in old.holdings:
            self._amounts[holding.collateral][row] = 0.0

    def _column(self, columns: dict[int, Floats], key: int) -> Floats:
        if key not in columns:
            columns[key] = np.zeros(self._capacity)
        return columns[key]

    def _grow(self) -> None:
        more = np.zeros(self._capacity)
        self._balance = np.concatenate((self._balance, more))
        self._gross = np.concatenate((self._gross, more))
        self._kappa = np.concatenate((self._kappa, more))
        for columns in (self._sizes, self._amounts):
            for key in columns:
                columns[key] = np.concatenate((columns[key], more))
        self._capacity *= 2


def _exempt(account: Account) -> bool:
    """Return whether no price here makes this account liquidatable; houses never are.

    Accounts that the engine answers for are not judged here.
    """
    if account.house or account.engaged:
        return True
    return not account.legs and account.cash >= 0 and account.quote >= 0


def _add_leg(surplus: Floats, gross: Floats, sizes: Floats, at: Snapshot, market: int) -> None:
    """Take one market's profit and maintenance into the surplus."""
    feed = at.feeds[market]
    margin = feed.state.margin
    notional = np.abs(sizes)
    notional *= feed.price / WAD
    rate = notional * (WAD / margin.tier_start)
    np.maximum(rate, 1.0, out=rate)
    np.sqrt(rate, out=rate)
    rate *= margin.base / WAD
    np.minimum(rate, 1.0, out=rate)
    rate *= margin.mm_ratio / WAD * (feed.v_slow / 10_000)
    rate += 2 * margin.base * feed.decay / WAD / WAD
    np.minimum(rate, 1.0, out=rate)
    rate *= notional
    surplus += sizes * ((feed.price - feed.funding) / WAD)
    surplus -= rate
    notional *= 2.0 + abs(feed.funding) / feed.price
    gross += notional


def _add_collateral(
    surplus: Floats, gross: Floats, amounts: Floats, at: Snapshot, id_: int
) -> None:
    """Take one collateral's value and maintenance into the surplus."""
    collateral = at.collaterals[id_]
    feed = at.feeds[collateral.feed]
    haircut = collateral.haircut_mm + (WAD - collateral.haircut_mm) * feed.decay // WAD
    value = amounts * (feed.price / 10 ** (10 + collateral.decimals))
    charge = value * (haircut / WAD)
    # kappa is charged to holders alone, and never takes more than the value
    charge += at.terms.kappa_collateral / WAD
    np.minimum(charge, value, out=charge)
    surplus += value
    surplus -= charge
    gross += value
