"""How a user's action looks: accounts before and after, facts, gas, orders; or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from keepers.chain.deployment import Deployment
from keepers.chain.plans import Change, Cost, Done, Plan
from keepers.commands import show
from keepers.domain import instruments
from keepers.domain.amounts import written, written_lots, written_ticks, written_wad
from keepers.domain.margin import Health
from keepers.domain.tickets import State, Ticket
from keepers.domain.words import Account


def print_tables(
    plan: Plan, cost: Cost | None, done: Done | None, deployed: Deployment, aside: bool = False
) -> None:
    """Print a plan for people.

    Args:
        plan: to show.
        cost: of a plan that is not sent.
        done: of one that was.
        deployed: whose names are used.
        aside: on stderr, where stdout is for what is handed on.
    """
    console = Console(soft_wrap=True, stderr=aside)
    console.print(plan.said, style="bold", highlight=False)
    for change in plan.changes if done is None else done.changes:
        console.print(change_table(change))
        if _legs(change.before) or _legs(change.after):
            console.print(legs_table(change, deployed))
        if change.before.holdings or change.after.holdings:
            console.print(holdings_table(change, deployed))
    for name, text in plan.facts.items():
        console.print(f"{name.replace('_', ' ')}: {text}", highlight=False)
    for note in plan.notes:
        console.print(f"note: {note}", highlight=False)
    for line in (*_cost_lines(plan, cost), *_done_lines(done)):
        console.print(line, highlight=False)


def change_table(change: Change) -> Table:
    """Return the sums of an account before and after, in the words of `plimsoll account`."""
    account = change.before
    title = f"Account {account.owner} : {account.index}"
    table = show.table(title, ("what",), ("before USD", "after USD"))
    before = show.sums(account, change.health_before)
    after = show.sums(change.after, change.health_after)
    for (old_name, old), (new_name, new) in zip(before, after, strict=True):
        what = max(old_name, new_name, key=len)  # either side may have options
        table.add_row(what, show.usd(old), show.usd(new))
    bars = (show.margin_bar(each) for each in (change.health_before, change.health_after))
    table.add_row("margin", *bars)
    before_mode, after_mode = show.mode(account), show.mode(change.after)
    states = (
        show.state(change.health_before, account),
        show.state(change.health_after, change.after),
    )
    table.add_row("state", *states)
    if before_mode != after_mode or account.portfolio:
        table.add_row("margin is", before_mode, after_mode)
    return table


def legs_table(change: Change, deployed: Deployment) -> Table:
    """Return the positions before and after."""
    table = show.table("Positions", ("instrument",), ("before", "after"))
    for name, before, after in _pairs(_legs(change.before), _legs(change.after)):
        told = instruments.name(name, deployed.symbols)
        table.add_row(told, written_lots(before), written_lots(after))
    return table


def holdings_table(change: Change, deployed: Deployment) -> Table:
    """Return the collateral before and after."""
    table = show.table("Collateral", ("token",), ("before", "after"))
    for id_, before, after in _pairs(_holdings(change.before), _holdings(change.after)):
        token = deployed.token_by_id(id_)
        name, decimals = (token.symbol, token.decimals) if token else (f"#{id_}", 0)
        table.add_row(name, written(before, decimals), written(after, decimals))
    return table


def _cost_lines(plan: Plan, cost: Cost | None) -> list[str]:
    if cost is None:
        return []
    lines = [
        f"{step.key}: " + (f"{gas:,} gas" if gas is not None else "gas known once it is alone")
        for step, gas in zip(plan.steps, cost.gas, strict=True)
    ]
    total = f"{cost.total:,} gas, {written_wad(cost.wei)} of the native coin"
    return [*lines, f"dry run: nothing was sent; {total}"]


def _done_lines(done: Done | None) -> list[str]:
    if done is None:
        return []
    lines = [
        f"{step.key}: block {each.block}, {each.gas_used:,} gas, {each.hash}"
        for step, each in zip(done.plan.steps, done.outcomes, strict=True)
    ]
    lines += [f"request: {each}" for each in done.requests]
    return [*lines, *(f"order 0x{each.order.id.hex()}: {each.said}" for each in done.tickets)]


# ---- JSON


def print_json(made: Mapping[str, Any]) -> None:
    """Print one object on one line."""
    print(json.dumps(made))


def as_json(
    plan: Plan, cost: Cost | None, done: Done | None, deployed: Deployment
) -> dict[str, Any]:
    """Return a plan and what became of it; every amount is an exact decimal string."""
    changed = plan.changes if done is None else done.changes
    made: dict[str, Any] = {
        "action": plan.action,
        "said": plan.said,
        "chain_id": deployed.chain_id,
        "block": plan.block,
        "accounts": [_change_json(each, deployed) for each in changed],
        "facts": dict(plan.facts),
        "notes": list(plan.notes),
        "orders": [f"0x{each.id.hex()}" for each in plan.orders],
        "sent": done is not None,
    }
    if cost is not None:
        made["steps"] = [
            {"what": step.key, "to": step.to, "value_wei": str(step.value), "gas": gas}
            for step, gas in zip(plan.steps, cost.gas, strict=True)
        ]
        made["gas_wei"] = str(cost.wei)
    if done is not None:
        made["transactions"] = [
            {"hash": each.hash, "block": each.block, "gas": each.gas_used} for each in done.outcomes
        ]
        made["gas_wei"] = str(sum(each.gas_wei for each in done.outcomes))
        made["requests"] = list(done.requests)
        made["orders"] = [_ticket_json(each) for each in done.tickets]
    return made


def _change_json(change: Change, deployed: Deployment) -> dict[str, Any]:
    return {
        "account": f"{change.before.owner}:{change.before.index}",
        "before": _side_json(change.before, change.health_before, deployed),
        "after": _side_json(change.after, change.health_after, deployed),
    }


def _side_json(account: Account, health: Health, deployed: Deployment) -> dict[str, Any]:
    tokens = {id_: deployed.token_by_id(id_) for id_ in _holdings(account)}
    return {
        "cash_usd": written_wad(account.cash),
        "unsettled_usd": written_wad(health.unsettled),
        "equity_usd": written_wad(health.equity),
        "im_usd": written_wad(health.im),
        "le_usd": written_wad(health.le),
        "mm_usd": written_wad(health.mm),
        "state": show.state(health, account).plain,
        "margin": show.mode(account),
        "positions": {
            instruments.name(each, deployed.symbols): written_lots(size)
            for each, size in _legs(account).items()
        },
        "collateral": {
            token.symbol: written(_holdings(account)[id_], token.decimals)
            for id_, token in tokens.items()
            if token is not None
        },
    }


def _ticket_json(ticket: Ticket) -> dict[str, Any]:
    made = {"id": f"0x{ticket.order.id.hex()}", "state": ticket.state.value, "said": ticket.said}
    if ticket.state is State.EXECUTED:
        made |= {"price_usd": written_ticks(ticket.price), "fee_usd": written_wad(ticket.fee)}
    return made


# ---- both sides


def _legs(account: Account) -> dict[int, int]:
    return {leg.instrument: leg.size for leg in (*account.legs, *account.options)}


def _holdings(account: Account) -> dict[int, int]:
    return {each.collateral: each.amount for each in account.holdings}


def _pairs(before: Mapping[int, int], after: Mapping[int, int]) -> list[tuple[int, int, int]]:
    return [(key, before.get(key, 0), after.get(key, 0)) for key in {**before, **after}]
