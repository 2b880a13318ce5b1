"""The second act: who pays for a gap, counted from events, without a chain and on one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from keepers.domain.units import WAD
from keepers.errors import BadInput
from keepers.lab import beyond, cli, gap_report, replay
from keepers.lab.beyond import TAKEN, WRITTEN, Act, Event, Flows
from keepers.lab.records import Books, Record

FUND = 9 << 96


def take(account: int, equity: int, insurance: int, deficit: int) -> list[Event]:
    """Return the events of a take of everything; a deficit ends in a write-off."""
    tx = f"0x{account}"
    posting = {"insurance": insurance, "liquidation_fee": 0}
    made = [Event(5, tx, "Posting", posting)]
    if deficit:
        wrote = {"account": account, "covered": 0, "deficit": deficit}
        made.append(Event(5, tx, "WrittenOff", wrote))
    said = {"account": account, "equity_before": equity, "insurance": insurance}
    return [*made, Event(5, tx, "Taken", {**said, "deficit": deficit})]


EVENTS = [
    *take(1, 50, 0, 0),  # solvent: no loss
    *take(2, -100, 107, 0),  # the fund pays all, and 7 of reward
    *take(3, -60, 20, 40),  # it runs dry
    Event(6, "0xw", "WrittenOff", {"account": 4, "covered": 3, "deficit": 8}),
    Event(6, "0xr", "Posting", {"insurance": 0, "liquidation_fee": 30}),
    Event(6, "0xs", "SettlerPaid", {"account": FUND, "settler": 7, "amount": 1}),
    Event(6, "0xs", "SettlerPaid", {"account": 5, "settler": 7, "amount": 2}),
]


def act(**changed: Any) -> Act:
    made = Act(60, Record("a gap", 1), accounts=9, insolvent=3, owed=171)
    made.flows, made.losses = beyond.flows_of(EVENTS, FUND), beyond.losses_of(EVENTS)
    made.fund_start, made.fund_end = 500, 500 + 30 - 107 - 20 - 3 - 1
    made.deficit_start, made.deficit_end = 11, 11 + 48
    made.proofs = [Books("after the gap", 7, True, "24 equations hold")]
    made.prices = [("ETH", 2_000.0, 800.0)]
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def test_losses_of__takes_and_write_offs__each_debt_once() -> None:
    found = [(e.account, e.how, e.hole, e.fund, e.deficit, e.reward) for e in act().losses]
    assert found == [
        (2, TAKEN, 100, 100, 0, 7),
        (3, TAKEN, 60, 20, 40, 0),
        (4, WRITTEN, 11, 3, 8, 0),
    ]


def test_flows_of__events__what_the_fund_and_the_ledger_booked() -> None:
    assert act().flows == Flows(insurance=127, covered=3, deficit=48, fees=30, settling=1)


def test_failures__everything_adds_up__none() -> None:
    assert act().failures == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fund_end": 400}, "the fund's money: off by 1 wei"),
        ({"deficit_end": 58}, "the ledger's deficit: off by -1 wei"),
        ({"flows": Flows(128, 3, 48, 30, 0)}, "paid by the fund: off by -1 wei"),
        ({"flows": Flows(127, 3, 47, 30, 1)}, "booked by write-offs: off by 1 wei"),
        ({"left": 2}, "2 insolvent accounts were left"),
        ({"proofs": [Books("after the gap", 7, False, "broken")]}, "after the gap: broken"),
    ],
)
def test_failures__a_wei_or_an_account_off__said(changed: dict[str, Any], said: str) -> None:
    assert act(**changed).failures == [said]


def test_failures__the_fund_paid_everything__the_gap_was_too_small() -> None:
    losses = [replace(each, fund=each.hole, deficit=0) for each in act().losses]
    found = act(losses=losses).failures
    assert "the fund was not exhausted: the gap is too small" in found


def test_gap_steps__a_path__falls_at_the_next_heartbeat_and_stays() -> None:
    path = replay.crash(60)
    steps = beyond.gap_steps(path, 60, beats=3)
    assert [step.time - path.end for step in steps] == [10, 20, 30]
    assert steps[0].prices == steps[2].prices
    for symbol, price in path.steps[-1].prices.items():
        assert steps[0].prices[symbol] == price * 40 // 100


@pytest.mark.parametrize("gap", [0, 96])
def test_gap_steps__no_gap__refused(gap: int) -> None:
    with pytest.raises(BadInput, match="is no gap"):
        beyond.gap_steps(replay.crash(60), gap)


def test_write__an_act__picture_page_and_table_say_the_same(tmp_path: Path) -> None:
    made = act()
    gap_report.write(made, tmp_path / "a.png", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert (tmp_path / "a.png").stat().st_size > 20_000
    assert "<svg" in page and "src=" not in page
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(gap_report.table(made))
    text = console.export_text()
    for amount in (171, 123, 48, 399, 59):
        assert beyond.dollars(amount) in page
        assert beyond.dollars(amount) in text
    assert "PASSED" in text and "PASSED" in page
    assert json.loads(json.dumps(gap_report.as_dict(made)))["deficit"] == 48


def test_dollars__amounts__to_the_wei() -> None:
    assert beyond.dollars(-1_234 * WAD - 5) == "-1,234.000000000000000005"


@pytest.mark.anvil
@pytest.mark.campaign
def test_demo__beyond__every_wei_is_paid_or_booked(tmp_path: Path) -> None:
    path = replay.crash(60)
    options = {"keep": False, "as_json": True, "quiet": True}
    found, made = cli.play_acts(path, cli.SEED, 60, tmp_path, **options, gap=60)
    assert found.failures == ()
    assert found.deficit == 0
    assert made is not None
    assert made.failures == []
    assert made.insolvent >= 10
    assert 0 < made.paid < made.hole
    assert (tmp_path / "beyond.png").stat().st_size > 20_000
