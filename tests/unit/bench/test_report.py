"""The bench's check: growth, ceilings, what counts as explained; the page it writes."""

import json
import subprocess
from collections import Counter

import pytest
from rich.console import Console

from bench import account, page, portfolio, report
from bench.account import Account, Names, _flatten, calldata_gas
from bench.targets import TARGETS
from scripts.deployment.errors import DeploymentError

GAS = {"commit": {"execution": 1_000, "whole": 30_000}}


def test_grown__more_than_two_percent__names_key_and_figures():
    grown = report.grown({"commit": {"execution": 1_021, "whole": 30_000}}, GAS)
    assert len(grown) == 1
    assert grown[0].startswith("commit execution grew from 1,000 to 1,021")


def test_grown__two_percent_less_or_new__passes():
    now = {"commit": {"execution": 1_020, "whole": 1}, "execute_add": {"execution": 5, "whole": 9}}
    assert report.grown(now, GAS) == []


def test_oversized__ceilings__clearinghouse_has_its_own():
    sizes = {"Clearinghouse": 21_001, "Markets": 22_000, "Lens": 22_001}
    assert [text.split(":")[0] for text in report.oversized(sizes)] == ["Clearinghouse", "Lens"]


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    def commit(**files):
        for name, text in files.items():
            path = tmp_path / {"gas": "bench/gas.json", "page": "docs/spec/gas.md"}[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git("add", "-A")
        git("-c", "user.name=keeper", "-c", "user.email=keeper@example.org", "commit", "-m", "x")

    git("init")
    commit(gas=json.dumps(GAS), page="first")
    return tmp_path, commit


def test_explained__page_changed_with_the_figures__is_explained(repository):
    root, commit = repository
    commit(gas=json.dumps({"commit": {"execution": 2_000, "whole": 31_000}}), page="second")
    assert report.explained(root)
    assert report.baseline(root) == GAS


def test_explained__figures_alone__is_not(repository):
    root, commit = repository
    commit(gas=json.dumps({"commit": {"execution": 2_000, "whole": 31_000}}))
    assert not report.explained(root)


def test_explained__uncommitted_page__counts(repository):
    root, _ = repository
    (root / "docs/spec/gas.md").write_text("third")
    assert report.explained(root)


def test_show__all_figures__prints_targets_and_peers(capsys):
    gas = {key: {"execution": 10**6, "whole": 2 * 10**6} for key in TARGETS}
    report.show(gas, gas, {"Lens": 22_001}, Console(width=200))
    said = capsys.readouterr().out
    for part in ("health_4c4p", "≤ 165,000", "1,294k", "22,001"):
        assert part in said


def test_write__page__keeps_the_hand_written_part(tmp_path):
    path = tmp_path / "gas.md"
    path.write_text(f"by hand\n{page.BEGIN}\nold\n{page.END}\nend\n")
    account = Account(slots=[("Orders", "_commit_times[]", "write new", 22_100)], logs=4_000)
    account.other["Orders stack"] = 1_757
    gas = {"commit": {"execution": 27_857, "whole": 50_901}}

    page.write(gas, {"commit": account}, path=path)

    text = path.read_text()
    assert text.startswith("by hand\n")
    assert text.endswith("end\n")
    assert "old" not in text
    assert "| Orders | write new `_commit_times` | 1 | 22,100 |" in text
    assert "refunds" not in text


def test_write__a_liquidation__every_call_and_their_sum(tmp_path):
    path = tmp_path / "gas.md"
    path.write_text(f"{page.BEGIN}\n{page.END}\n")
    account = Account(other=Counter({"every contract": 886_960}))
    gas = {"c7_take": {"execution": 886_960, "whole": 907_960}}
    page.write(gas, {"c7_take": account}, {"c7_take": [200_440, 907_960]}, path)
    assert "2 calls in all: 200,440, 907,960; 1,108,400 together." in path.read_text()


def test_write__page_without_marks__is_refused(tmp_path):
    with pytest.raises(DeploymentError, match="lost the marks"):
        page.write({}, {}, path=tmp_path / "gas.md")


def test_names__slots__follow_layout_and_keccak():
    layout = {"ledger": {"words": {"slot": 2, "n_slots": 1}}, "list": {"slot": 9, "n_slots": 64}}
    names = Names({"Core": "0xAb"}, {"Core": layout})
    names.learn("Core", (2).to_bytes(32, "big") + (7).to_bytes(32, "big"), 10**30)

    assert names.contract("0xab") == "Core"
    assert names.contract("0xCd00000000") == "0xCd000000"
    names.meet("0xCd00000000", "keeper")
    assert names.contract("0xcd00000000") == "the keeper"
    assert names.slot("Core", 2) == "ledger.words"
    assert names.slot("Core", 10**30 + 3) == "ledger.words[]+3"
    assert names.slot("Core", 70) == "list"
    assert len(_flatten(layout)) == 2


def test_calldata_gas__zero_and_other_bytes__4_and_16():
    assert calldata_gas(b"\x00\x01\x02") == 36


# ---- outlines -----------------------------------------------------------------------------------

FIRST, SECOND = "0x" + "01" * 20, "0x" + "02" * 20
DATA = bytes((0, 1, 2))


def _frame(to: str, gas: int, *calls: object) -> dict[str, object]:
    return {"to": to, "gasUsed": hex(gas), "input": "0x" + DATA.hex(), "calls": list(calls)}


def _node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer for a transaction of 90,000: one slot read, one filled, one changed, one emptied."""
    one, two = "0x" + "00" * 31 + "01", "0x" + "00" * 31 + "02"
    slots = {FIRST: {"storage": {"a": one, "b": "0x00"}}, SECOND: {"storage": {"c": one, "d": two}}}
    change = {
        "pre": {SECOND: {"storage": {"c": one, "d": two}}},
        "post": {FIRST: {"storage": {"b": one}}, SECOND: {"storage": {"c": two}}},
    }

    def answer(_: object, __: str, ___: str, options: dict[str, object]) -> object:
        if options["tracer"] == "callTracer":
            return _frame(FIRST, 90_000, _frame(SECOND, 20_000))
        return change if "tracerConfig" in options else slots

    monkeypatch.setattr(account, "rpc", answer)


def test_outline__a_call_inside__slots_and_work_are_all_of_the_execution(monkeypatch):
    _node(monkeypatch)
    names = Names({"First": FIRST, "Second": SECOND}, {})
    found = account.outline(None, "0x", names)
    executed = 90_000 - account.TX_GAS - calldata_gas(DATA)
    assert found.storage + sum(found.other.values()) == executed
    assert sorted(found.slots) == sorted(
        [
            ("First", "slots", "reads", account.COLD_SLOT),
            ("First", "slots", "writes new", account.NEW),
            ("Second", "slots", "writes", account.CHANGED),
            ("Second", "slots", "writes", account.CHANGED),
        ]
    )
    assert found.other["Second work"] == 20_000 - 2 * account.CHANGED


@pytest.mark.parametrize("key", portfolio.cases())
def test_books__every_one__holds_an_instrument_once(key):
    _, _, legs = portfolio.cases()[key]
    assert len({leg.instrument for leg in legs}) == len(legs)
