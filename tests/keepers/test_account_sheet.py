"""What `plimsoll account` shows of options: parts, rows and Greeks, as tables, JSON and a page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from keepers.chain.account_sheet import Sheet
from keepers.chain.deployment import Deployment, Token
from keepers.chain.option_reading import (
    MOVE_ONE,
    Decomposition,
    MarkCode,
    OptionAccount,
    OptionLeg,
    Part,
    PartKind,
    ScenarioGroup,
    ScenarioMarket,
    ScenarioRow,
    ScenarioTable,
    Shock,
)
from keepers.chain.option_reading import Greeks as Told
from keepers.chain.rpc import Head
from keepers.commands import margin_page, show_options
from keepers.domain.exchange_fills import Mark
from keepers.domain.greeks import Greeks
from keepers.domain.margin import Health
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import OPTIONS, Account, Leg
from keepers.errors import BadInput
from tests.keepers.facts import NOW, at
from tests.keepers.named_options import CALL, id_of

DEPLOYED = Deployment(
    31337, 1, "", "", {}, {"WETH": Token("WETH", "0x" + "ee" * 20, 18, 1)}, {"ETH": 1}, ()
)
PARTS = (
    Part(PartKind.SCAN, 0, 900 * WAD, 1_100 * WAD),
    Part(PartKind.STATIC, 1, 30 * WAD, 30 * WAD),
    Part(PartKind.HAIRCUT, 1, 10 * WAD, 20 * WAD),
    Part(PartKind.OPTION, id_of(CALL), 0, 50 * WAD),
)
ROWS = tuple(
    ScenarioRow(shock, MOVE_ONE * percent // 100, usd * WAD, 0)
    for shock, percent, usd in (
        (Shock.UP, -12, 900),
        (Shock.UP, 0, -100),
        (Shock.DOWN, 0, 40),
        (Shock.NONE, 36, -10),
    )
)
MARKET = ScenarioMarket(1, 0, 1_200, ROWS, 910 * WAD, 0, 0, 0, 0, 0)


def lens(*parts: Part) -> OptionAccount:
    """Return what the lenses say of the account below."""
    none = Told(0, 0, 0, 0)
    leg = OptionLeg(id_of(CALL), -2 * LOTS_PER_UNIT, 0, MarkCode.STALE_SURFACE, none)
    group = ScenarioGroup(0, 1_000 * WAD, 800 * WAD, 900 * WAD)
    table = ScenarioTable(900 * WAD, (MARKET,), (group,))
    told = Decomposition(True, 940 * WAD, 1_200 * WAD, parts or PARTS)
    return OptionAccount((7 << 96) + 1, (leg,), (), none, told, table, table)


def sheet(**changes: Any) -> Sheet:
    """Return an account that is short a call under portfolio margin."""
    account = Account(
        (7 << 96) + 1,
        5_000 * WAD,
        0,
        (),
        (),
        OPTIONS,
        (Leg(id_of(CALL), -2 * LOTS_PER_UNIT),),
        True,
    )
    facts = {
        "head": Head(12, "0x", "0x", NOW, 0),
        "at": at(),
        "account": account,
        "health": Health(4_500 * WAD, 0, 1_200 * WAD, 1_000 * WAD, 940 * WAD, WAD, 0, 0),
        "marks": {id_of(CALL): Mark(3_000 * TICKS_PER_USD, 250 * TICKS_PER_USD, 0)},
        "greeks": {id_of(CALL): Greeks(-0.9, -0.01, -8.5, 4.25)},
        "collateral": {1: Greeks(delta=5.0)},
        "why": lens(),
    }
    return Sheet(**{**facts, **changes})


def printed(table: Any) -> str:
    """Return a table as a wide terminal shows it."""
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


def test_tables__account_with_an_option__say_marks_rows_and_parts() -> None:
    found = sheet()
    legs = printed(show_options.legs_table(found, DEPLOYED))
    for part in (
        CALL,
        "-2",
        "250.00",
        "-500.00",
        "-0.9000",
        "-8.50",
        "4.25",
        "ETH, all, collateral too",
        "4.1000",
    ):
        assert part in legs
    assert f"{CALL} (stale surface)" in legs
    scan = printed(show_options.scan_table(MARKET, DEPLOYED))
    for part in ("-12.0%", "+36.0%", "volatility up", "-900", "100", "as it is", "-910.00"):
        assert part in scan
    parts = printed(show_options.parts_table(found, DEPLOYED))
    for part in ("worst loss of the scan", "naked shorts ETH", "haircut WETH", f"option {CALL}"):
        assert part in parts
    groups = printed(show_options.groups_table(lens().scenarios, DEPLOYED))
    for part in ("ETH", "1,000.00", "800.00", "900.00"):
        assert part in groups
    assert "1,200.00" in parts.splitlines()[-2]


def test_as_json__account_with_an_option__is_exact() -> None:
    made = show_options.as_json(sheet(), DEPLOYED)
    (leg,) = made["positions"]
    assert (leg["instrument"], leg["size"], leg["value_usd"]) == (CALL, "-2", "-500")
    assert made["greeks"]["ETH"]["vega_usd"] == -8.5
    assert made["greeks"]["ETH"]["delta"] == pytest.approx(4.1)
    assert made["parts"][0] == {"part": "worst loss of the scan", "mm_usd": "900", "im_usd": "1100"}
    assert made["scan"]["ETH"]["rows"][0] == {
        "move": pytest.approx(-0.12),
        "volatility": "up",
        "loss_usd": "900",
    }
    assert (made["margin"], made["im_usd"]) == ("portfolio", "1200")
    plain = show_options.as_json(sheet(why=None), DEPLOYED)
    assert "parts" not in plain and "scan" not in plain


def test_page__account_with_an_option__draws_parts_rows_and_legs(tmp_path: Path) -> None:
    file = tmp_path / "account.html"
    margin_page.write(file, sheet(), DEPLOYED)
    text = file.read_text(encoding="utf-8")
    for part in ("worst loss of the scan", "Scenarios of ETH", "-900", "+100", CALL, "portfolio"):
        assert part in text
    assert "<script" not in text and "http" not in text
    drawings = text.split("<svg")[1:]
    for each in drawings:
        ElementTree.fromstring("<svg" + each.split("</svg>")[0] + "</svg>")
    assert len(drawings) == 3  # the scale, the parts, the rows
    bare = margin_page.page(sheet(why=None, health=_short()), DEPLOYED)
    assert "under IM" in bare and bare.count("<svg") == 1


def test_page__file_that_cannot_be_written__is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        margin_page.write(tmp_path, sheet(), DEPLOYED)


def _short() -> Health:
    return Health(1_100 * WAD, 0, 1_200 * WAD, 1_000 * WAD, 940 * WAD, WAD, 0, 0)
