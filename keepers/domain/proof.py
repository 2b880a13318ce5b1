"""The books of docs/spec/ledger.md, equation by equation, to the wei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from keepers.domain.instruments import is_option, name, payoff, series_of
from keepers.domain.margin import Health, Snapshot, health
from keepers.domain.rebuild import Rebuilt
from keepers.domain.words import Account


@dataclass(frozen=True, slots=True)
class Ledger:
    """The sums that the ledger itself keeps, WAD."""

    pot: int
    deficit: int
    scale: int


@dataclass(frozen=True, slots=True)
class Custody:
    """One token: what the ledger owes and what the contract has, in atoms."""

    symbol: str
    id: int
    tracked: int
    held: int


@dataclass(frozen=True, slots=True)
class Line:
    """One equation, with both of its sides."""

    name: str
    left: int
    right: int
    relation: str = "=="

    @property
    def holds(self) -> bool:
        """Return whether the equation holds."""
        return self.left == self.right if self.relation == "==" else self.left >= self.right


def conservation(
    accounts: Sequence[Account], tokens: Iterable[Custody], ledger: Ledger
) -> Iterator[Line]:
    """Yield the equations that need no price."""
    cash = sum(account.cash for account in accounts)
    for token in tokens:
        if token.id == 0:
            owed = cash + ledger.pot - ledger.deficit
            yield Line(
                f"tracked {token.symbol} x scale == sum of cash + pot - deficit",
                token.tracked * ledger.scale,
                owed,
            )
        else:
            amounts = sum(
                holding.amount
                for account in accounts
                for holding in account.holdings
                if holding.collateral == token.id
            )
            yield Line(f"tracked {token.symbol} == sum of amounts", token.tracked, amounts)
        yield Line(f"{token.symbol} held >= tracked", token.held, token.tracked, ">=")
    yield Line("sum of quote == pot", sum(account.quote for account in accounts), ledger.pot)
    yield Line("pot >= 0", ledger.pot, 0, ">=")
    yield Line("deficit >= 0", ledger.deficit, 0, ">=")


def positions(
    accounts: Sequence[Account], interest: Mapping[int, int], symbols: Mapping[int, str]
) -> Iterator[Line]:
    """Yield, per instrument, that sizes cancel and that the long ones are the open interest."""
    sums: Counter[int] = Counter()
    longs: Counter[int] = Counter()
    for account in accounts:
        for leg in account.legs:
            sums[leg.instrument] += leg.size
            longs[leg.market] += max(0, leg.size)
    for instrument in sorted(sums):
        market = instrument >> 56
        name = symbols.get(market, f"#{market}")
        yield Line(f"sum of {name} sizes == 0", sums[instrument], 0)
    for market, expected in sorted(interest.items()):
        name = symbols.get(market, f"#{market}")
        yield Line(f"long {name} == open interest", longs[market], expected)


@dataclass(frozen=True, slots=True)
class Engine:
    """What the engine of options keeps itself, and what expired has been found to be worth."""

    account: int  # between holders and writers of what expired
    open_interest: Mapping[int, int]  # lots of options bought, by market
    prices: Mapping[tuple[int, int], int]  # [ticks] by market and hour; of what has settled alone


def dated(
    accounts: Sequence[Account], engine: Engine, symbols: Mapping[int, str]
) -> Iterator[Line]:
    """Yield what holds of options and futures: docs/spec/engine.md#expiry.

    Sizes cancel as long as nothing of an instrument was settled. Afterwards, what is still held
    pays what the engine's own account has: nothing, once both sides of all have settled.
    """
    sums: Counter[int] = Counter()
    longs: Counter[int] = Counter()
    for account in accounts:
        for leg in account.options:
            sums[leg.instrument] += leg.size
            longs[leg.market] += max(0, leg.size) if is_option(leg.instrument) else 0
    owed = 0
    for instrument in sorted(sums):
        price = engine.prices.get(series_of(instrument), 0)
        if price:
            owed += sums[instrument] * payoff(instrument, price)
        else:
            yield Line(f"sum of {name(instrument, symbols)} sizes == 0", sums[instrument], 0)
    for market, expected in sorted(engine.open_interest.items()):
        symbol = symbols.get(market, f"#{market}")
        yield Line(f"long options on {symbol} == open interest", longs[market], expected)
    quote = sum(each.quote for each in accounts if each.id == engine.account)
    yield Line("what expired legs still pay == quote of the engine", owed, quote)


def settled_lots(
    accounts: Sequence[Account], engine: Engine, logs: Rebuilt, symbols: Mapping[int, str]
) -> Iterator[Line]:
    """Yield that lots which settled at expiry cancel with those that are still held."""
    sums = Counter(logs.paid)
    for account in accounts:
        for leg in account.options:
            if series_of(leg.instrument) in engine.prices:
                sums[leg.instrument] += leg.size
    for instrument, left in sorted(sums.items()):
        yield Line(f"settled and held {name(instrument, symbols)} == 0", left, 0)


def profits(
    accounts: Iterable[Account], at: Snapshot, ledger: Ledger, exact: Mapping[int, Health] = {}
) -> Line:
    """Return that unsettled profit and loss add up to the pot.

    Args:
        accounts: all.
        at: prices at the same block.
        ledger: the pot.
        exact: what the contracts say of the accounts that the engine answers for.
    """
    found = (exact[each.id] if each.id in exact else health(each, at) for each in accounts)
    return Line("sum of U == pot", sum(each.unsettled for each in found), ledger.pot)


def rebuilt(accounts: Iterable[Account], ledger: Ledger, logs: Rebuilt) -> Iterator[Line]:
    """Yield that the events alone lead to the stored state."""
    wrong = sum(logs.differs(account) for account in accounts)
    yield Line("accounts that differ from their events", wrong, 0)
    yield Line("pot from events == pot", logs.pot, ledger.pot)
    yield Line("deficit from events == deficit", logs.deficit, ledger.deficit)
