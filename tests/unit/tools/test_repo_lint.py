"""The repository lint finds what must not be tracked.

The offending words are put together here, so that this file does not offend by itself.
"""

import subprocess
from pathlib import Path

import pytest

from tools.findings import ROOT, Finding, report
from tools.repo_lint import anchors, check_kind, check_links, check_text, lint, tracked


def names(path: str, text: str) -> list[str]:
    return [finding.rule for finding in check_text(path, text)]


@pytest.mark.parametrize("folder", ["tmp", "root", "home", "Users"])
def test_path__of_one_machine__found(folder: str) -> None:
    assert names("README.md", "see " + "/" + folder + "/me/notes") == ["path"]


@pytest.mark.parametrize("text", ["see docs/tmp/notes", "https://example.org/home/", "a /tmp b"])
def test_path__that_only_looks_like_one__allowed(text: str) -> None:
    assert names("README.md", text) == []


@pytest.mark.parametrize(
    "text",
    [
        '"resolved": ' + '"https://example.org/x.tgz"',
        "registry." + "npmjs.org",
        "https://pypi." + "org/simple",
        "pip install --extra-" + "index-url x",
        "pip install --" + "index-url x",
    ],
)
def test_address__of_a_download__found(text: str) -> None:
    assert names("package-lock.json", text) == ["address"]


def test_shared_folder__in_user_code__found() -> None:
    assert names("keepers/cli.py", "'.." + "/shared/prices'") == ["shared"]


@pytest.mark.parametrize("path", ["Makefile", "keepers/lab/series.py", "tests/x.py", "docs/x.md"])
def test_shared_folder__as_optional_source_of_prices__allowed(path: str) -> None:
    assert names(path, "'.." + "/shared/prices'") == []


@pytest.mark.parametrize("actor", ["al" + "ice", "B" + "ob", "accounts" + "[0]"])
def test_actor__without_a_role__found(actor: str) -> None:
    assert names("tests/unit/test_x.py", f"def f({actor}): ...") == ["actor"]


def test_unfinished_work__in_code__found() -> None:
    assert names("keepers/x.py", "# TO" + "DO later") == ["unfinished"]


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("keepers/x.py", "import ape", ["ape"]),
        ("keepers/x.py", "    from ape.api import AccountAPI", ["ape"]),
        ("keepers/x.py", "from apex import lap", []),
        ("scripts/x.py", "import ape", []),
    ],
)
def test_ape__in_the_keepers_only__found(path: str, line: str, found: list[str]) -> None:
    assert names(path, line) == found


def test_import__from_a_test_module__found() -> None:
    assert names("tests/unit/test_x.py", "from tests.unit." + "test_y import z") == ["support"]
    assert names("tests/unit/test_x.py", "from tests.unit.y_support import z") == []


def test_anchors__headings_and_ids__as_a_link_names_them() -> None:
    page = '# Words: what, and why\n## plan-status\n| <a id="price"></a>price | x |\n#no heading\n'
    assert anchors(page) == {"words-what-and-why", "plan-status", "price"}


@pytest.mark.parametrize(
    ("place", "lines"), [("price", []), ("prices", [2])], ids=["there", "not there"]
)
def test_link__to_a_place_in_a_document__found_unless_it_is_there(
    place: str, lines: list[int]
) -> None:
    text = "# pragma\n@custom:source docs/spec/words" + ".md#" + place
    findings = check_links("contracts/X.vy", text, {"docs/spec/words.md": {"price"}})
    assert [finding.line for finding in findings] == lines


def test_merge_conflict__found() -> None:
    assert names("README.md", "<" * 7 + " ours") == ["conflict"]


def test_python__over_500_lines__found() -> None:
    assert names("keepers/x.py", "x = 1\n" * 501) == ["length"]


@pytest.mark.parametrize(
    ("path", "size"), [("docs/a.bin", 1_000_001), ("docs/ETH.csv.gz", 10), ("NOTE.txt", 10)]
)
def test_file__without_a_place__found(path: str, size: int) -> None:
    assert [finding.rule for finding in check_kind(path, size)] == ["file"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("/out/\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trace.txt").write_text("/" + "tmp/trace")
    return tmp_path


def test_tracked__new_and_ignored_files__only_the_new_ones(checkout: Path) -> None:
    (checkout / "new.txt").write_text("fine")
    assert tracked(checkout) == [".gitignore", "new.txt"]


def test_lint__binary_file__not_read_as_text(checkout: Path) -> None:
    (checkout / "docs").mkdir()
    (checkout / "docs" / "picture.png").write_bytes(b"\0/" + b"tmp/x")
    assert lint(checkout) == ([], 2)


def test_lint__this_repository__keeps_its_own_rules() -> None:
    ours = [name for name in tracked(ROOT) if name.startswith(("tools/", "tests/unit/tools/"))]
    found = [f for name in ours for f in check_text(name, (ROOT / name).read_text())]
    assert found == []


def test_report__findings__printed_in_order_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("b", 2, "R", "later"), Finding("a", 1, "R", "first")]
    assert report(findings, "none") == 1
    assert capsys.readouterr().err.splitlines() == [
        "a:1: R first",
        "b:2: R later",
        "2 finding(s)",
    ]


def test_report__nothing_found__says_so_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([], "all well") == 0
    assert capsys.readouterr().out == "all well\n"
