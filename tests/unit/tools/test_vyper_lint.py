"""The Vyper lint finds what STYLE.md forbids, and leaves a tidy file alone."""

from pathlib import Path

import pytest

from tools.vyper_lint import Source, check_listing, lint, lint_all, print_reasons

HEAD = '''# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A room
@custom:kill not deployable
"""
'''

TIDY = (
    HEAD
    + '''
from libs import units as u

LIMIT: constant(uint256) = 1_000_000

total: uint256


@external
def add(amount: uint256):
    """
    @notice Add to the total.
    """
    self._check(amount)

    self.total += amount


@external
@view
def twice() -> uint256:
    """
    @notice Return twice the total.
    """
    # total <= LIMIT, so twice it fits
    return unsafe_mul(self.total, 2)


@internal
@view
def _check(amount: uint256):
    assert amount <= LIMIT, "room: too much"
'''
)


def rules(text: str, path: str = "contracts/modules/room.vy") -> set[str]:
    return {finding.rule for finding in lint(Source(path, text))}


def body(*lines: str) -> str:
    indented = "\n".join(f"    {line}".rstrip() for line in lines)
    return f"{HEAD}\n\n@internal\ndef _act(amount: uint256):\n{indented}\n"


def test_lint__tidy_module__finds_nothing() -> None:
    assert lint(Source("contracts/modules/room.vy", TIDY)) == []


@pytest.mark.parametrize("pragma", ["# pragma version 0.4.3\n", "# pragma nonreentrancy on\n"])
def test_lint__missing_pragma__found(pragma: str) -> None:
    assert "V2" in rules(TIDY.replace(pragma, "", 1))


def test_lint__optimiser_chosen_in_a_module__found() -> None:
    text = TIDY.replace('on\n"""', 'on\n# pragma optimize codesize\n"""', 1)
    assert rules(text) == {"V2"}


def test_lint__optimiser_chosen_in_a_deployable__allowed() -> None:
    text = TIDY.replace('on\n"""', 'on\n# pragma optimize codesize\n"""', 1)
    assert rules(text, "contracts/Room.vy") == set()


@pytest.mark.parametrize(
    "path",
    [
        "contracts/modules/Room.vy",
        "contracts/libs/theRoom.vy",
        "contracts/room.vy",
        "contracts/feeds/fixed.vy",
        "contracts/interfaces/Room.vyi",
    ],
)
def test_lint__wrong_case_of_file_name__found(path: str) -> None:
    assert "V1" in rules("# pragma version 0.4.3\n" if path.endswith("vyi") else TIDY, path)


def test_lint__line_over_100_columns__found() -> None:
    assert rules(TIDY + "# " + "x" * 99 + "\n") == {"V1"}


def test_lint__file_over_500_lines__found() -> None:
    assert rules(TIDY + "# x\n" * 500) == {"V1"}


def test_lint__internal_before_external__found() -> None:
    text = TIDY + "\n\n@external\ndef late(x: uint256):\n    self.total = x\n"
    assert rules(text) == {"V3"}


def test_lint__storage_before_constant__found() -> None:
    text = TIDY.replace("total: uint256\n", "total: uint256\n\nMORE: constant(uint256) = 2\n", 1)
    assert rules(text) == {"V3"}


def test_lint__whole_interface_exported__found() -> None:
    text = TIDY.replace("\nLIMIT", "\nexports: u.__interface__\n\nLIMIT", 1)
    assert rules(text) == {"V4"}


def test_lint__function_over_45_lines__found() -> None:
    assert rules(body(*["self.total += amount"] * 46)) == {"V6"}


def test_lint__comments_and_blanks_in_a_long_function__not_counted() -> None:
    lines = ["self.total += amount", "# why", ""] * 45
    lines = [line for line in lines if line]
    assert rules(body(*lines)) == set()


def test_lint__internal_without_underscore__found() -> None:
    assert rules(body("self.total += amount").replace("_act", "act")) == {"V6"}


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("V10", "x: uint256 = unsafe_add(amount, 1)"),
        ("V11", "x: uint256 = amount * 10**18"),
        ("V11", "x: uint256 = amount * 1_000_000_000_000_000_000"),
        ("V12", "assert amount > 0"),
        ("V12", "assert amount > 0, UNREACHABLE"),
        ("V12", 'assert amount > 0, "zero"'),
        ("V12", 'assert amount > 0, "Room: zero"'),
        ("V12", 'raise "room: a reason that runs over by one"'),
        ("V12", 'errors._fail("nothing to see")'),
        ("V14", 'raw_call(msg.sender, b"", value=amount)'),
        ("V14", 'raw_call(msg.sender, b"", is_delegate_call=True)'),
        ("V14", "x: address = tx.origin"),
        ("V14", "x: uint256 = staticcall IERC20(self.token).balanceOf(self)"),
        ("V16", "x: uint256 = amount << 96"),
    ],
)
def test_lint__forbidden_statement__found(rule: str, statement: str) -> None:
    assert rules(body(statement)) == {rule}


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("contracts/libs/units.vy", "x: uint256 = amount * 10**18"),
        ("contracts/libs/packing.vy", "x: uint256 = amount << 96"),
        ("contracts/libs/tokens.vy", "x: uint256 = staticcall IERC20(self.token).balanceOf(self)"),
        ("contracts/libs/bounded_calls.vy", 'raw_call(msg.sender, b"")'),
        ("contracts/mocks/Attacker.vy", 'raw_call(msg.sender, b"")'),
    ],
)
def test_lint__statement_in_the_room_it_belongs_to__allowed(path: str, statement: str) -> None:
    assert rules(body(statement), path) == set()


def test_lint__unsafe_under_a_proof_in_another_paragraph__found() -> None:
    text = body("# amount < 2**96", "x: uint256 = amount", "", "y: uint256 = unsafe_add(x, 1)")
    assert rules(text) == {"V10"}


def test_lint__deployable_without_kill_note__found() -> None:
    assert rules(TIDY.replace("@custom:kill", "@notice"), "contracts/Room.vy") == {"V18"}


def test_lint__syntax_error__one_finding_and_no_crash() -> None:
    assert rules(HEAD + "\ndef (:\n") == {"V0"}


def test_listing__reason_missing_from_the_list__found() -> None:
    source = Source("contracts/modules/room.vy", TIDY)
    found = list(check_listing([source], "nothing here", "docs/errors.md"))
    assert [(finding.path, finding.rule) for finding in found] == [(source.path, "V12")]


def test_listing__reason_listed__finds_nothing() -> None:
    source = Source("contracts/modules/room.vy", TIDY)
    assert list(check_listing([source], "| `room: too much` | why |", "docs/errors.md")) == []


def test_listing__reason_no_longer_raised__found() -> None:
    source = Source("contracts/modules/room.vy", TIDY)
    listing = "`room: too much`\n`room: gone`\n`erc20: of somebody else`"
    found = list(check_listing([source], listing, "docs/errors.md"))
    assert [(finding.path, finding.line) for finding in found] == [("docs/errors.md", 2)]


def test_lint_all__folder_without_contracts__finds_nothing(tmp_path: Path) -> None:
    assert lint_all(tmp_path) == ([], 0)


def test_lint_all__contracts_without_list__found(tmp_path: Path) -> None:
    room = tmp_path / "contracts" / "modules" / "room.vy"
    room.parent.mkdir(parents=True)
    room.write_text(TIDY)
    findings, files = lint_all(tmp_path)
    assert files == 1
    assert [finding.rule for finding in findings] == ["V12"]


def test_reasons__asked_for__each_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = tmp_path / "contracts" / "modules" / "room.vy"
    room.parent.mkdir(parents=True)
    room.write_text(TIDY)
    assert print_reasons(tmp_path) == 0
    line = TIDY.splitlines().index('    assert amount <= LIMIT, "room: too much"') + 1
    assert capsys.readouterr().out.split() == [
        "room:",
        "too",
        "much",
        f"contracts/modules/room.vy:{line}",
    ]
