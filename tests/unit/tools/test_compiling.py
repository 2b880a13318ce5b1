"""What is compiled is what a chain would hold, once; sizes and ABIs are read off it."""

import json
import subprocess
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import boa
import pytest

from scripts.deployment import artifacts
from scripts.deployment.artifacts import Artifact, load
from scripts.deployment.errors import DeploymentError
from tools import abi, sizes

ROOM = '''# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A room
@custom:kill not deployable
"""

OWNER: immutable(address)
OPENED: immutable(uint256)


@deploy
def __init__():
    OWNER = msg.sender
    OPENED = block.timestamp


@external
@view
def owner_after(seconds: uint256) -> address:
    return OWNER if block.timestamp > OPENED + seconds else empty(address)
'''
FEED = """# pragma version 0.4.3
# pragma nonreentrancy on

from libs import walls


@external
@view
def stands(height: uint256) -> bool:
    return walls._stand(height)
"""
WALLS = """# pragma version 0.4.3
# pragma nonreentrancy on


@internal
@pure
def _stand(height: uint256) -> bool:
    return height < 3
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    files = {"Room.vy": ROOM, "feeds/Feed.vy": FEED, "libs/walls.vy": WALLS}
    for name, text in files.items():
        file = tmp_path / "contracts" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def artifact(name: str, runtime: int, initcode: int = 0) -> Artifact:
    return Artifact(name, "", "", [], "00" * initcode, "00" * runtime, 0, {}, {})


def test_load__house_with_libraries__only_contracts_and_feeds(house: Path) -> None:
    assert list(load(root=house)) == ["Room", "Feed"]


def test_load__contract_with_immutables__size_of_the_deployed_code(house: Path) -> None:
    deployed = boa.loads(ROOM)
    room = load("Room", root=house)["Room"]
    assert room.deployed_bytes == len(boa.env.get_code(deployed.address))


def test_load__library_changed__compiled_again(house: Path) -> None:
    before = load("Feed", root=house)["Feed"]
    walls = house / "contracts" / "libs" / "walls.vy"
    walls.write_text(WALLS.replace("height < 3", "height < 3 and height != 1"))
    after = load("Feed", root=house)["Feed"]
    assert after.deployed_bytes > before.deployed_bytes


def test_load__pragma_changed__compiled_again(house: Path) -> None:
    before = load("Room", root=house)["Room"]
    chosen = ROOM.replace("on\n", "on\n# pragma evm-version london\n", 1)
    (house / "contracts" / "Room.vy").write_text(chosen)
    assert load("Room", root=house)["Room"].runtime != before.runtime


def test_load__four_workers_at_once__one_of_them_compiles(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_file, book = artifacts.compile_file, house / "compiled.txt"

    def noted(path: Path, root: Path) -> Artifact:
        with book.open("a") as lines:
            lines.write(path.stem + "\n")
        return compile_file(path, root)

    monkeypatch.setattr(artifacts, "compile_file", noted)
    room = house / "contracts" / "Room.vy"
    with ProcessPoolExecutor(max_workers=4) as pool:
        made = list(pool.map(artifacts.of, repeat(room, 4), repeat(house)))
    assert made == [artifacts.of(room, house)] * 4
    assert book.read_text() == "Room\n"


def test_load__contract_does_not_compile__one_sentence(house: Path) -> None:
    (house / "contracts" / "Room.vy").write_text(ROOM.replace("OPENED + seconds", "nowhere"))
    with pytest.raises(
        DeploymentError, match=r"^Room\.vy does not compile: .+ \(Room\.vy, line 21\)$"
    ):
        load(root=house)


def test_ceiling__contract_at_and_above__only_above_found() -> None:
    made = {name: artifact(name, 22_000) for name in ("Markets", "Clearinghouse")}
    assert [f.path for f in sizes.over_ceiling(made)] == ["contracts/Clearinghouse.vy"]
    made = {"Markets": artifact("Markets", 22_001), "Clearinghouse": artifact("", 21_000)}
    assert [f.path for f in sizes.over_ceiling(made)] == ["contracts/Markets.vy"]


def test_ceiling__init_code_too_long__found() -> None:
    made = {"Markets": artifact("Markets", 1, 49_153), "Orders": artifact("Orders", 1, 49_152)}
    assert [f.path for f in sizes.over_ceiling(made)] == ["contracts/Markets.vy"]


def test_record__size_changed_new_or_gone__each_found() -> None:
    found = list(sizes.out_of_date({"A": 1, "B": 2, "C": 3}, {"A": 1, "B": 1, "D": 4}))
    assert [finding.text.split()[0] for finding in found] == ["B", "C", "D"]


def test_record__written__is_up_to_date(house: Path) -> None:
    measured = sizes.measure(house)
    sizes.write(house, measured)
    recorded = json.loads((house / "bench" / "sizes.json").read_text())
    assert list(sizes.out_of_date(measured, recorded)) == []


def test_abi__written__no_differences(house: Path) -> None:
    made = load(root=house)
    (house / "abi").mkdir()
    (house / "abi" / "Old.json").write_text("[]")
    abi.write(house / "abi", made)
    assert list(abi.differences(house / "abi", made)) == []
    names = [entry.get("name") for entry in json.loads((house / "abi" / "Room.json").read_text())]
    assert "owner_after" in names


def test_abi__missing_stale_or_different__each_found(house: Path) -> None:
    made = load(root=house)
    folder = house / "abi"
    abi.write(folder, {"Room": made["Room"]})
    (folder / "Room.json").write_text("[]\n")
    (folder / "Old.json").write_text("[]\n")
    found = sorted(finding.path for finding in abi.differences(folder, made))
    assert found == ["abi/Feed.json", "abi/Old.json", "abi/Room.json"]


# ---- what an ABI lost and gained -----------------------------------------------------------------

SET = {
    "type": "function",
    "name": "set",
    "stateMutability": "nonpayable",
    "inputs": [{"name": "a", "type": "uint256"}],
    "outputs": [],
}
MOVED = {
    "type": "event",
    "name": "Moved",
    "inputs": [{"name": "who", "type": "address", "indexed": True}],
}
TRADE = {
    **SET,
    "name": "trade",
    "inputs": [
        {
            "name": "asks",
            "type": "tuple[]",
            "components": [{"name": "size", "type": "int256"}, {"name": "buys", "type": "bool"}],
        }
    ],
}


def test_changes__entries_added_removed_and_changed__each_with_its_mark() -> None:
    unindexed = {**MOVED, "inputs": [{**MOVED["inputs"][0], "indexed": False}]}  # type: ignore[index,dict-item]
    assert abi.changes([SET, MOVED], [unindexed, TRADE]) == [
        "- function set(uint256)",
        "+ function trade((int256,bool)[])",
        "~ event Moved(address)",
    ]
    assert abi.changes([SET, MOVED], [MOVED, SET]) == []


def test_abi__out_of_date__names_the_entries(house: Path) -> None:
    made = load("Room", root=house)
    abi.write(house / "abi", made)
    (house / "abi" / "Room.json").write_text(json.dumps([SET]), encoding="utf-8")
    (told,) = abi.differences(house / "abi", made)
    assert "- function set(uint256)" in str(told)
    assert "+ function owner_after(uint256)" in str(told)


def test_against__an_earlier_revision__prints_what_has_changed_since(tmp_path: Path) -> None:
    def git(*command: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *command],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    folder = tmp_path / "abi"
    folder.mkdir()
    git("init")
    for name, entries in (("Room", [SET]), ("Gone", [MOVED])):
        (folder / f"{name}.json").write_text(json.dumps(entries), encoding="utf-8")
    git("add", ".")
    git("commit", "-m", "first")
    (folder / "Room.json").write_text(json.dumps([SET, MOVED]), encoding="utf-8")
    (folder / "Gone.json").unlink()

    assert abi.against(tmp_path, "HEAD") == [
        "Gone: 1 removed",
        "  - event Moved(address)",
        "Room: 1 added",
        "  + event Moved(address)",
    ]
    with pytest.raises(DeploymentError, match="git knows no such revision"):
        abi.against(tmp_path, "nowhere")
