"""The list of guards fits the contracts, and what does not fit is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import guards
from tools.findings import ROOT
from tools.guards import Edit, Guard, GuardError, Outcome

ROOM = """# pragma version 0.4.3
# pragma nonreentrancy on

@external
@view
def enter(door: uint256) -> bool:
    assert door < 3, "room: no such door"
    return True
"""
ENTRY = """
[[guard]]
row = {row}
stops = "doors are counted"
[[guard.edit]]
contract = "Room"
file = "{file}"
find = '''{find}'''
replace = ''
"""
LINE = '    assert door < 3, "room: no such door"'
TEST = "def test_fault_007_door__beyond_the_last__is_refused(world):\n    pass\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A checkout with one contract, one test and one guard."""
    for name, text in (
        ("contracts/Room.vy", ROOM),
        (f"{guards.TESTS}/test_doors.py", TEST),
        (guards.LIST, ENTRY.format(row=7, file="Room.vy", find=LINE)),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def checked(root: Path) -> None:
    guards.check(guards.read(root), guards.tests(root), root)


def test_check__shipped_list__fits_contracts_and_tests() -> None:
    checked(ROOT)


def test_check_page__shipped_page__fits_tests_and_guards() -> None:
    rows = guards.listed(ROOT)
    assert sorted(rows) == list(range(1, len(rows) + 1))
    guards.check_page(rows, guards.tests(ROOT), ROOT)


@pytest.mark.parametrize(
    ("row", "where", "sentence"),
    [
        (8, "held", r"row 8 has no test in tests/faults, and "),
        (7, "later: windows", r"row 7 has a test in tests/faults, and "),
        (8, "`tests/faults/test_x.py::test_y`", r"row 8 of .*: there is no tests/faults/test_x.py"),
        (8, "`tests/faults/test_doors.py::test_y`", r"row 8 of .*::test_y"),
    ],
)
def test_check_page__row_that_does_not_fit__says_which(
    house: Path, row: int, where: str, sentence: str
) -> None:
    path = house / guards.FAULTS
    path.parent.mkdir()
    path.write_text("".join(f"| {n} | a | b | {w} |\n" for n, w in {7: "held", row: where}.items()))
    with pytest.raises(GuardError, match=sentence):
        guards.check_page(guards.listed(house), guards.tests(house), house)


def test_check_page__row_held_and_row_of_another_test__passes(house: Path) -> None:
    other = "`tests/faults/test_doors.py::test_fault_007_door`; later: windows"
    guards.check_page({7: "held", 8: other}, guards.tests(house), house)


def test_check__guard_found_once__passes(house: Path) -> None:
    checked(house)
    assert guards.read(house) == [
        Guard(7, "doors are counted", (Edit("Room", "Room.vy", LINE, ""),))
    ]


@pytest.mark.parametrize(
    ("row", "file", "find", "sentence"),
    [
        (7, "Room.vy", "assert door < 4", r"row 7: contracts/Room.vy holds .* 0 times, "),
        (7, "Room.vy", "door", r"row 7: contracts/Room.vy holds 'door' 3 times, "),
        (7, "Hall.vy", LINE, r"row 7: there is no contracts/Hall.vy\."),
        (8, "Room.vy", LINE, r"row 8 has a guard in .* and no test in "),
    ],
)
def test_check__entry_that_does_not_fit__says_which(
    house: Path, row: int, file: str, find: str, sentence: str
) -> None:
    entry = ENTRY.format(row=row, file=file, find=find)
    (house / guards.LIST).write_text(entry, encoding="utf-8")
    with pytest.raises(GuardError, match=sentence):
        checked(house)


def test_check__test_without_a_guard__is_named(house: Path) -> None:
    more = TEST.replace("007", "009")
    (house / guards.TESTS / "test_windows.py").write_text(more, encoding="utf-8")
    with pytest.raises(GuardError, match=r"row 9 has a test in .* and no guard in "):
        checked(house)


def test_read__not_a_list_of_guards__is_refused(house: Path) -> None:
    (house / guards.LIST).write_text("[[guard]]\nrow = 7\n", encoding="utf-8")
    with pytest.raises(GuardError, match="cannot be read"):
        guards.read(house)


def test_without__any_guard__changes_a_copy_alone(house: Path) -> None:
    with guards.without(guards.read(house)[0], house) as folder:
        assert LINE not in (folder / "contracts/Room.vy").read_text(encoding="utf-8")
        assert (folder / ".cache/contracts/Room.json").is_file()
    assert (house / "contracts/Room.vy").read_text(encoding="utf-8") == ROOM
    assert not folder.exists()


def test_unguarded__passing_broken_and_idle_tests__are_told_apart() -> None:
    guard = Guard(7, "doors are counted", ())
    named = {7: ["test_doors.py::test_fault_007_a", "test_doors.py::test_fault_007_b"]}
    fallen = Outcome({"test_fault_007_a": "assert 4 < 3"}, "")

    def problems(*outcomes: Outcome) -> list[str]:
        return list(guards.unguarded([guard] * len(outcomes), outcomes, named))

    assert problems(fallen, Outcome({"test_fault_007_b": "assert 4 < 3"}, "")) == []
    assert problems(fallen) == [
        "row 7: test_doors.py::test_fault_007_b passes without any of its guards."
    ]
    assert problems(Outcome({}, ""))[0] == "row 7: its tests pass without 'doors are counted'."
    assert "could not be set up" in problems(Outcome({}, "a could not be set up: no chain"))[0]
