"""The books of docs/spec/ledger.md, equation by equation, to the wei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from keepers.domain.margin import Snapshot, health
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


def profits(accounts: Iterable[Account], at: Snapshot, ledger: Ledger) -> Line:
    """Return that unsettled profit and loss add up to the pot."""
    unsettled = sum(health(account, at).unsettled for account in accounts)
    return Line("sum of U == pot", unsettled, ledger.pot)


def rebuilt(accounts: Iterable[Account], ledger: Ledger, logs: Rebuilt) -> Iterator[Line]:
    """Yield that the events alone lead to the stored state."""
    wrong = sum(logs.differs(account) for account in accounts)
    yield Line("accounts that differ from their events", wrong, 0)
    yield Line("pot from events == pot", logs.pot, ledger.pot)
    yield Line("deficit from events == deficit", logs.deficit, ledger.deficit)
