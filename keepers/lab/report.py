"""The end table of a replay, and the one of many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group as Lines
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keepers.lab.replay import clock
from keepers.lab.summary import Spread, Summary

Rows = Iterable[tuple[str, str]]


def money(amount: float) -> str:
    """Return dollars with a sign only when negative."""
    return f"{amount:,.2f} USD"


def change(amount: float) -> str:
    """Return dollars with their sign."""
    return f"{amount:+,.2f} USD"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def spread(found: Spread, unit: str) -> str:
    """Return a measurement's middle, slow end and slowest."""
    if not found.count:
        return "none"
    figures = " / ".join(f"{value:,.0f}" for value in (found.p50, found.p95, found.most))
    return f"{figures} {unit}  (p50 / p95 / max of {found.count})"


def verdict(found: Summary) -> Text:
    """Return the result in one sentence."""
    if found.passed:
        return Text(
            "PASSED: no wei lost, no liquidation missed, no bad debt inside the scan range.",
            style="bold green",
        )
    return Text("FAILED: " + "; ".join(found.failures) + ".", style="bold red")


def sections(found: Summary) -> Iterator[tuple[str, Rows]]:
    """Yield the parts of the table: (heading, rows)."""
    yield "what was played", _played(found)
    yield "liquidations", _liquidations(found)
    yield "speed", _speed(found)
    yield "money", _money(found)
    yield "one margin against separate ones", _cross(found)
    yield "keepers", _keepers(found)
    yield "prices", _prices(found)
    yield "books, to the wei", _books(found)


def _played(found: Summary) -> Rows:
    yield "path", f"{found.title}, {found.steps:,} price steps in {found.blocks:,} blocks"
    yield "accounts", f"{found.accounts} from seed {found.seed}; {found.orders} orders to open them"
    yield (
        "start near the edge",
        f"{found.tight_in_band} of {found.tight} chosen ones (a third of the cross accounts)"
        " with E at 1.0-1.3 x IM",
    )
    took = f"{duration(found.setup_s)} to deploy and open, {duration(found.replay_s)} to play"
    yield "time taken", took


def _liquidations(found: Summary) -> Rows:
    yield "accounts liquidated", f"{found.liquidated} of {found.accounts}"
    yield "reduces", f"{found.reduces_partial} partial, {found.reduces_full} of a whole leg"
    yield "takes", f"{found.takes_partial} partial, {found.takes_full} of everything"
    yield "write-offs", str(found.write_offs)
    yield "closed against the pool", money(found.notional_closed)
    yield "missed (more than 3 blocks)", str(found.missed)
    yield "recovered by themselves", str(found.recovered)


def _speed(found: Summary) -> Rows:
    yield "breach to inclusion", spread(found.response_blocks, "blocks")
    yield "", spread(found.response_ms, "ms on this machine")
    yield "breach to reduce or take", spread(found.closing_blocks, "blocks")
    yield "liquidators, event to sent", spread(found.ack_ms, "ms")
    yield "longest auction", f"{found.longest_auction_s:,} s of chain time"
    yield "still under maintenance", f"{found.still_in_auction} at the end"


def _money(found: Summary) -> Rows:
    yield (
        "equity kept by the liquidated",
        f"{money(found.equity_kept)} of {money(found.equity_at_risk)}"
        f"  ({percent(found.kept_share)})",
    )
    yield "what liquidations cost them", money(found.liquidation_cost)
    yield "paid to liquidators", money(found.keeper_pay)
    yield "pool", _result(found.pool_start, found.pool_end)
    yield "insurance", _result(found.insurance_start, found.insurance_end)
    yield "paid out by insurance", money(found.insurance_paid)
    yield "bad debt inside the scan range", money(found.bad_inside)
    beyond = money(found.bad_outside)
    if found.largest_bad_move:
        beyond += f"  (largest step {percent(found.largest_bad_move, 2)})"
    yield "bad debt after a larger step", beyond
    yield "uncovered deficit on the books", money(found.deficit)


def _result(start: float, end: float) -> str:
    share = (end - start) / start if start else 0.0
    return f"{change(end - start)}  ({percent(share, 2)} of {start:,.0f})"


def _cross(found: Summary) -> Rows:
    yield "cross accounts with isolated twins", str(found.families)
    yield "cross accounts liquidated", str(found.cross_in_families)
    yield "isolated twins liquidated", str(found.isolated_in_families)
    yield (
        "liquidations avoided by cross",
        f"{found.avoided} accounts stood whose twins fell",
    )


def _keepers(found: Summary) -> Rows:
    for cost in found.costs:
        yield (
            f"{cost.role}s",
            f"{cost.transactions:,} transactions, {cost.reverted:,} reverted, {cost.gas:,} gas, "
            f"{cost.native:.4f} ETH",
        )
        if cost.reasons:
            yield "", "reverts: " + ", ".join(f"{count} x {name}" for name, count in cost.reasons)
    if found.killed:
        names = ", ".join(f"{name} at {clock(time)[-5:]}" for time, name in found.killed)
        yield "killed on purpose", names


def _prices(found: Summary) -> Rows:
    for swing in found.swings:
        yield (
            swing.market,
            f"fell {percent(swing.fall)}; largest step {percent(swing.size, 2)}"
            f" at {clock(swing.time)[-5:]}",
        )
    if found.skipped_steps:
        yield "steps without a new price", str(found.skipped_steps)
    if found.thinned:
        yield "calm heartbeats left out", f"{found.thinned:,}"


def _books(found: Summary) -> Rows:
    for when, block, good, said in found.proofs:
        yield f"{when}, block {block:,}", said if good else f"BROKEN: {said}"


def end_table(found: Summary) -> Panel:
    """Return everything about one replay."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for number, (heading, rows) in enumerate(sections(found)):
        if number:
            table.add_row("", "")
        table.add_row(Text(heading, style="bold not dim"), "")
        for name, value in rows:
            table.add_row(f"  {name}", value)
    return Panel(Lines(table, Text(""), verdict(found)), title=found.title, title_align="left")


def many_table(results: Sequence[tuple[str, Summary]]) -> Table:
    """Return one row for each of many replays."""
    table = Table(title="Replays", title_justify="left")
    table.add_column("series")
    for heading in (
        "fall",
        "steps",
        "liquidated",
        "reduces",
        "takes",
        "blocks max",
        "equity kept",
        "pool",
        "insurance",
        "bad debt in / out",
        "books",
    ):
        table.add_column(heading, justify="right")
    table.add_column("result")
    for name, found in results:
        table.add_row(name, *_row(found), _word(found))
    return table


def _row(found: Summary) -> tuple[str, ...]:
    falls = ", ".join(f"{each.market} {percent(each.fall, 0)}" for each in found.swings)
    return (
        falls or "none",
        f"{found.steps:,}",
        f"{found.liquidated}/{found.accounts}",
        str(found.reduces_full + found.reduces_partial),
        str(found.takes_full + found.takes_partial),
        f"{found.response_blocks.most:.0f}",
        percent(found.kept_share),
        f"{found.pool_end - found.pool_start:+,.0f}",
        f"{found.insurance_end - found.insurance_start:+,.0f}",
        f"{found.bad_inside:,.0f} / {found.bad_outside:,.0f}",
        "exact" if found.proofs and all(good for _, _, good, _ in found.proofs) else "BROKEN",
    )


def _word(found: Summary) -> Text:
    if found.passed:
        return Text("passed", style="green")
    return Text("failed: " + "; ".join(found.failures), style="red")
