"""E and MM of a whole economy at once, in floats: what the charts show, never what is decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keepers.domain.margin import Feed, Snapshot
from keepers.domain.units import V_ONE, WAD
from keepers.domain.words import Account

SOME: Final = 1e-9  # USD

Floats = NDArray[np.float64]


class Panel:
    """Columns of accounts, brought up to date account by account."""

    def __init__(self, accounts: Sequence[int]) -> None:
        """Hold these accounts, in this order."""
        self._rows = {account: row for row, account in enumerate(accounts)}
        count = len(accounts)
        self._balance = np.zeros(count)  # cash + quote, USD
        self._legs = np.zeros(count)
        self._exempt = np.ones(count, dtype=bool)  # needs no margin
        self._sizes: dict[int, Floats] = {}  # by market, lots
        self._amounts: dict[int, Floats] = {}  # by collateral, atoms

    def put(self, account: Account) -> None:
        """Take an account as it is now; those of others are passed over."""
        row = self._rows.get(account.id)
        if row is None:
            return
        self._balance[row] = (account.cash + account.quote) / WAD
        self._legs[row] = len(account.legs)
        self._exempt[row] = not account.legs and account.cash >= 0 and account.quote >= 0
        for column in (*self._sizes.values(), *self._amounts.values()):
            column[row] = 0.0
        for leg in account.legs:
            self._column(self._sizes, leg.market)[row] += leg.size
        for holding in account.holdings:
            self._column(self._amounts, holding.collateral)[row] = holding.amount

    def _column(self, columns: dict[int, Floats], key: int) -> Floats:
        return columns.setdefault(key, np.zeros(len(self._rows)))

    def healths(self, at: Snapshot) -> tuple[Floats, Floats]:
        """Return equity and maintenance margin [USD]."""
        terms = at.terms
        equity = self._balance.copy()
        mm = terms.kappa_flat / WAD + self._legs * (terms.kappa_leg / WAD)
        for market, sizes in self._sizes.items():
            feed = at.feeds[market]
            equity += sizes * ((feed.price - feed.funding) / WAD)
            mm += _leg_mm(feed, np.abs(sizes) * (feed.price / WAD))
        for id_, amounts in self._amounts.items():
            collateral = at.collaterals[id_]
            feed = at.feeds[collateral.feed]
            value = amounts * (feed.price / 10 ** (10 + collateral.decimals))
            rate = (collateral.haircut_mm + (WAD - collateral.haircut_mm) * feed.decay / WAD) / WAD
            equity += value
            charge = value * rate + terms.kappa_collateral / WAD
            mm += np.where(value > SOME, np.minimum(value, charge), 0.0)
        return equity, np.where(self._exempt, 0.0, mm)


def _leg_mm(feed: Feed, notional: Floats) -> Floats:
    margin = feed.state.margin
    tier = np.sqrt(np.maximum(1.0, notional * (WAD / margin.tier_start)))
    rate = np.minimum(1.0, tier * (margin.base / WAD)) * (margin.mm_ratio / WAD)
    rate = np.minimum(1.0, rate * (feed.v_slow / V_ONE) + 2 * margin.base * feed.decay / WAD / WAD)
    needed: Floats = rate * notional
    return needed
