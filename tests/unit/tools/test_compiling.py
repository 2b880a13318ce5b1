"""Sizes and ABIs are those of the code that a chain would hold."""

import json
from pathlib import Path

import boa
import pytest

from tools import abi, sizes
from tools.compiling import Artifact, CompileError, artifacts, compile_file, deployables

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
    return Artifact(name, runtime, initcode, [])


def test_deployables__house_with_libraries__only_contracts_and_feeds(house: Path) -> None:
    assert [path.name for path in deployables(house)] == ["Room.vy", "Feed.vy"]


def test_compile__contract_with_immutables__size_of_the_deployed_code(house: Path) -> None:
    deployed = boa.loads(ROOM)
    compiled = compile_file(house / "contracts" / "Room.vy")
    assert compiled.runtime_bytes == len(boa.env.get_code(deployed.address))


def test_artifacts__library_changed__compiled_again(house: Path) -> None:
    before = artifacts(house)["Feed"]
    walls = house / "contracts" / "libs" / "walls.vy"
    walls.write_text(WALLS.replace("height < 3", "height < 3 and height != 1"))
    after = artifacts(house)["Feed"]
    assert after.runtime_bytes > before.runtime_bytes
    assert artifacts(house)["Feed"] == after


def test_artifacts__contract_does_not_compile__one_sentence(house: Path) -> None:
    (house / "contracts" / "Room.vy").write_text(ROOM.replace("OPENED + seconds", "nowhere"))
    with pytest.raises(
        CompileError, match=r"^Room\.vy does not compile: .+ \(Room\.vy, line 21\)$"
    ):
        artifacts(house)


def test_ceiling__contract_at_and_above__only_above_found() -> None:
    made = {name: artifact(name, 22_000) for name in ("Markets", "Clearinghouse")}
    assert [f.path for f in sizes.over_ceiling(made)] == ["contracts/Clearinghouse.vy"]
    made = {"Markets": artifact("Markets", 22_001), "Clearinghouse": artifact("", 19_500)}
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
    made = artifacts(house)
    (house / "abi").mkdir()
    (house / "abi" / "Old.json").write_text("[]")
    abi.write(house / "abi", made)
    assert list(abi.differences(house / "abi", made)) == []
    names = [entry.get("name") for entry in json.loads((house / "abi" / "Room.json").read_text())]
    assert "owner_after" in names


def test_abi__missing_stale_or_different__each_found(house: Path) -> None:
    made = artifacts(house)
    folder = house / "abi"
    abi.write(folder, {"Room": made["Room"]})
    (folder / "Room.json").write_text("[]\n")
    (folder / "Old.json").write_text("[]\n")
    found = sorted(finding.path for finding in abi.differences(folder, made))
    assert found == ["abi/Feed.json", "abi/Old.json", "abi/Room.json"]
