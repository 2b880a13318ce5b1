"""The generated part of docs/spec/gas.md: the slots, calls and work of every figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.account import Account
from bench.targets import TARGETS
from scripts.deployment.artifacts import ROOT
from scripts.deployment.errors import DeploymentError

PAGE = ROOT / "docs" / "spec" / "gas.md"
BEGIN = "<!-- written by `make bench` -->"
END = "<!-- end of what `make bench` writes -->"
TX_GAS = 21_000

Figures = Mapping[str, Mapping[str, int]]


def write(
    figures: Figures,
    accounts: Mapping[str, Account],
    calls: Mapping[str, Sequence[int]] | None = None,
    path: Path = PAGE,
) -> None:
    """Replace the generated part of the page.

    Args:
        figures: execution and whole gas by key.
        accounts: what each figure is made of.
        calls: for some keys the gas of every call of a liquidation.
        path: of the page.

    Raises:
        DeploymentError: the page or its two marks are missing.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DeploymentError(f"{path.name} has lost the marks around its generated part")
    body = "\n\n".join(
        [
            _summary(figures),
            *(_account(k, figures, accounts, (calls or {}).get(k, ())) for k in figures),
        ]
    )
    path.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", encoding="utf-8")


def _summary(figures: Figures) -> str:
    rows = ["| operation | execution | whole | reach | floor |", "|---|---:|---:|---:|---:|"]
    for key, gas in figures.items():
        target = TARGETS[key]
        reach = f"{target.reach:,} {target.of}" if target.reach else "–"
        floor = f"{target.floor:,}" if target.floor else "–"
        rows.append(f"| `{key}` | {gas['execution']:,} | {gas['whole']:,} | {reach} | {floor} |")
    return "\n".join(rows)


def _listed(calls: Sequence[int]) -> list[str]:
    if not calls:
        return []
    each = ", ".join(f"{gas:,}" for gas in calls)
    return ["", f"{len(calls)} calls in all: {each}; {sum(calls):,} together. The dearest:"]


def _account(
    key: str, figures: Figures, accounts: Mapping[str, Account], calls: Sequence[int]
) -> str:
    account, gas = accounts[key], figures[key]
    rows = [
        f"### `{key}`",
        *_listed(calls),
        "",
        "| where | what | times | gas |",
        "|---|---|---:|---:|",
    ]
    rows += [f"| {where} | {what} | {n} | {cost:,} |" for where, what, n, cost in _slots(account)]
    if account.calls:
        total = sum(cost for _, cost in account.calls)
        rows.append(f"| calls | {_called(account)} | {len(account.calls)} | {total:,} |")
    if account.logs:
        rows.append(f"| events | | | {account.logs:,} |")
    rows += [f"| {where} | work | | {cost:,} |" for where, cost in _work(account)]
    spent = account.storage + sum(cost for _, cost in account.calls) + account.logs
    spent += sum(account.other.values())
    if spent != gas["execution"]:
        rows.append(f"| | refunds | | {gas['execution'] - spent:,} |")
    data = gas["whole"] - gas["execution"] - TX_GAS
    rows.append(f"| transaction | {TX_GAS:,} and calldata of {data:,} | | {TX_GAS + data:,} |")
    rows.append(f"| | **whole** | | **{gas['whole']:,}** |")
    return "\n".join(rows)


def _slots(account: Account) -> list[tuple[str, str, int, int]]:
    times: Counter[tuple[str, str]] = Counter()
    gas: Counter[tuple[str, str]] = Counter()
    for contract, slot, access, cost in account.slots:
        times[contract, f"{access} `{_plain(slot)}`"] += 1
        gas[contract, f"{access} `{_plain(slot)}`"] += cost
    return [(where, what, times[where, what], gas[where, what]) for where, what in times]


def _plain(slot: str) -> str:
    """Return a slot's name without its place in a mapping, which differs between runs."""
    return "of the token" if slot.startswith("0x") else slot.split("[")[0]


def _called(account: Account) -> str:
    return ", ".join(dict.fromkeys(name.split(" -> ")[1] for name, _ in account.calls))


def _work(account: Account) -> list[tuple[str, int]]:
    by_contract: Counter[str] = Counter()
    for name, cost in account.other.items():
        by_contract[name.rsplit(" ", 1)[0]] += cost
    return by_contract.most_common()
