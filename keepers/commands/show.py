"""How accounts look on a terminal: tables, the margin bar, liquidation prices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.table import Table
from rich.text import Text

from keepers.chain.deployment import Deployment
from keepers.domain.margin import FRESH, STATUS_GRACE, Health, Snapshot, value_of
from keepers.domain.thresholds import Thresholds, surplus_im, thresholds
from keepers.domain.times import when
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import Account

BAR = 32


def usd(wad: int) -> str:
    """Return WAD as dollars with cents."""
    return f"{Decimal(wad) / WAD:,.2f}"


def price(ticks: int | None) -> str:
    """Return ticks as dollars, with as many digits as a small price needs."""
    if ticks is None:
        return "none"
    value = Decimal(ticks) / TICKS_PER_USD
    return f"{value:,.2f}" if value >= 10 else f"{value:.6f}"


def name(account: int) -> str:
    """Return an account as its owner's address, and its number when it has one."""
    owner, index = account >> 96, account & ((1 << 96) - 1)
    short = f"0x{owner:040x}"
    return f"{short[:8]}…{short[-4:]}" + (f":{index}" if index else "")


def state(health: Health, account: Account) -> Text:
    """Return how an account stands in a word."""
    if account.house:
        return Text("house", style="cyan")
    if health.equity < 0:
        return Text("insolvent", style="bold red")
    if health.equity < health.mm:
        found = Text("under MM", style="red")
        if health.status & STATUS_GRACE:
            found.append(f", not liquidated before {when(health.resume)}", style="yellow")
        return found
    if account.in_auction:
        return Text("in auction", style="yellow")
    if health.equity < health.im:
        return Text("under IM", style="yellow")
    return Text("healthy", style="green")


def mode(account: Account) -> str:
    """Return which margin an account is under."""
    return "portfolio" if account.portfolio else "standard"


def margin_bar(health: Health, width: int = BAR) -> Text:
    """Return equity as a bar, with M, L and I where MM, LE and IM stand."""
    full = max(health.equity, health.im, 1)
    filled = max(0, health.equity) * width // full
    cells = ["█" if position < filled else "·" for position in range(width)]
    for mark, value in (("I", health.im), ("L", health.le), ("M", health.mm)):
        if value:
            cells[min(width - 1, value * width // full)] = mark
    text = Text()
    for cell in cells:
        text.append(cell, style={"M": "red", "L": "yellow", "I": "cyan"}.get(cell, "green"))
    return text


def table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    """Return an empty table: columns of words first, then those of numbers."""
    made = Table(title=title, title_justify="left")
    for heading in left:
        made.add_column(heading)
    for heading in right:
        made.add_column(heading, justify="right")
    return made


def accounts_table(rows: Sequence[tuple[Account, Health]]) -> Table:
    """Return the health table, the nearest to maintenance first."""
    made = table("Accounts [USD]", ("account",), ("equity", "IM", "LE", "MM", "E / MM"))
    made.add_column("margin")
    made.add_column("state")
    for account, health in rows:
        ratio = f"{Decimal(health.equity) / health.mm:.2f}" if health.mm else "none"
        made.add_row(
            name(account.id),
            usd(health.equity),
            usd(health.im),
            usd(health.le),
            usd(health.mm),
            ratio,
            margin_bar(health),
            state(health, account),
        )
    return made


def account_table(account: Account, health: Health) -> Table:
    """Return the sums of one account."""
    made = table(f"Account {account.owner} : {account.index}", ("what",), ("USD",))
    for what, value in sums(account, health):
        made.add_row(what, usd(value))
    made.add_row("margin", margin_bar(health))
    made.add_row("state", state(health, account))
    if account.engaged:
        made.add_row("margin is", mode(account))
    return made


def _worth(account: Account) -> str:
    """Return what equity has beside cash and profit: options count at their marks."""
    return "collateral and options" if account.options else "collateral"


def sums(account: Account, health: Health) -> tuple[tuple[str, int], ...]:
    """Return what an account's health is made of, by name [USD WAD]."""
    return (
        ("cash", account.cash),
        ("unsettled profit and loss", health.unsettled),
        (_worth(account), health.equity - account.cash - health.unsettled),
        ("equity E", health.equity),
        ("initial margin IM", health.im),
        ("liquidation end LE", health.le),
        ("maintenance margin MM", health.mm),
        ("free above IM", health.equity - health.im),
    )


def legs_table(account: Account, at: Snapshot, deployment: Deployment) -> Table:
    """Return the positions with the prices at which the account meets IM and MM."""
    headings = ("size", "price", "notional USD", "age s")
    limits = ("IM below", "IM above", "MM below", "MM above")
    made = table("Positions", ("market",), (*headings, *limits))
    for leg in account.legs:
        feed = at.feeds[leg.market]
        im = thresholds(account, at, leg.market, surplus_im)
        mm = thresholds(account, at, leg.market)
        made.add_row(
            deployment.symbol(leg.market),
            f"{Decimal(leg.size) / LOTS_PER_UNIT:,.8f}".rstrip("0").rstrip("."),
            price(feed.price),
            usd(abs(leg.size) * feed.price),
            "fresh" if feed.status & FRESH else "stale",
            *_sides(im),
            *_sides(mm),
        )
    return made


def _sides(found: Thresholds) -> tuple[str, str]:
    return price(found.below), price(found.above)


def holdings_table(account: Account, at: Snapshot, deployment: Deployment) -> Table:
    """Return the collateral."""
    headings = ("amount", "value USD", "haircut IM", "haircut MM")
    made = table("Collateral", ("token",), headings)
    for holding in account.holdings:
        terms = at.collaterals[holding.collateral]
        token = deployment.token_by_id(holding.collateral)
        made.add_row(
            token.symbol if token else f"#{holding.collateral}",
            f"{Decimal(holding.amount) / 10**terms.decimals:,.6f}",
            usd(value_of(terms, holding.amount, at.feeds[terms.feed].price)),
            f"{Decimal(terms.haircut_im) * 100 / WAD:.1f} %",
            f"{Decimal(terms.haircut_mm) * 100 / WAD:.1f} %",
        )
    return made
