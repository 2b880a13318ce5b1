"""Finding, starting and ending a node; driving its time."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from keepers.chain.rpc import Rpc
from keepers.errors import BadInput
from keepers.lab import chain
from keepers.lab.clock import Clock


def fake(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / "anvil"
    path.write_text(f"#!/bin/sh\necho anvil Version: {version}-stable\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_find_anvil__new_enough_on_path__takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = fake(tmp_path / "bin", "1.5.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert chain.find_anvil(tmp_path) == wanted


def test_find_anvil__old_one_on_path__takes_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", "1.4.9")
    pinned = fake(tmp_path / "node_modules/@foundry-rs/anvil-linux-amd64/bin", "1.7.1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert chain.find_anvil(tmp_path) == pinned


def test_find_anvil__only_an_old_one__says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", "1.4.9")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(BadInput, match=r"no anvil of version 1\.5 or later .*1\.4\.9.*make setup"):
        chain.find_anvil(tmp_path)


def test_find_anvil__none__says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"no anvil of version 1\.5 or later; run `make setup`"):
        chain.find_anvil(tmp_path)


def test_version_of__no_program__is_nothing(tmp_path: Path) -> None:
    assert chain.version_of(tmp_path / "absent") == ()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.anvil
def test_running__body_ends_or_fails__node_and_folder_are_gone() -> None:
    async def whole(fail: bool) -> chain.Node:
        async with chain.running(1_621_418_000, chain.find_anvil()) as node:
            async with Rpc(node.http) as rpc:
                assert (await rpc.head()).time == 1_621_418_000
                assert await rpc.chain_id() == chain.CHAIN_ID
            if fail:
                raise KeyError(node.pid, node.folder)
            return node

    node = asyncio.run(whole(False))
    assert gone(node.pid) and not node.folder.exists()
    with pytest.raises(KeyError) as caught:
        asyncio.run(whole(True))
    pid, folder = caught.value.args
    assert gone(pid) and not folder.exists()


@pytest.mark.anvil
def test_clock__mines_at_chosen_times__never_backwards() -> None:
    async def whole() -> list[int]:
        async with (
            chain.running(1_000_000, chain.find_anvil()) as node,
            Rpc(node.http) as rpc,
            Clock(rpc, node.ws) as clock,
        ):
            times = []
            for at in (1_000_010, 1_000_010, 1_000_005, 1_000_060):
                block = await clock.mine(at)
                times.append((await rpc.head(block)).time)
            assert not await clock.arrival(0.05)
            return times

    assert asyncio.run(whole()) == [1_000_010, 1_000_010, 1_000_010, 1_000_060]
