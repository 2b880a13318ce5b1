"""What the commands refuse, in one sentence, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.exceptions import TyperException

from keepers.errors import BadInput
from keepers.lab.cli import app

FILE = "2021_ETHUSDT_1m.csv"


def run(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo", "--crash", "--prices", FILE), "two replays"),
        (("demo", "--from", "2021-05-19"), "choose in price files"),
        (("demo", "--heartbeat", "7"), "no heartbeat"),
        (("demo", "--prices", FILE), "no price file"),
        (("demo", "--prices", "ETH=absent.csv"), "no price file"),
        (("demo", "--prices", FILE, "--from", "noon"), "no time"),
        (("replay", "--dir", "absent"), "no price folder"),
    ],
)
def test_command__bad_input__refused(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=said):
        run(*arguments)


@pytest.mark.parametrize("command", ["demo", "replay"])
@pytest.mark.parametrize("accounts", [199, 2_001])
def test_command__accounts_out_of_range__refused(command: str, accounts: int) -> None:
    with pytest.raises(
        TyperException, match=r"greater than or equal to 200|less than or equal to 2000"
    ):
        run(command, "--accounts", str(accounts))


def test_replay__nothing_of_that_name__refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("timestamp,open,high,low,close,volume\n60,1,1,1,1,1\n")
    with pytest.raises(BadInput, match=r"no series in .* is called 2020"):
        run("replay", "--dir", str(tmp_path), "--only", "2020")
