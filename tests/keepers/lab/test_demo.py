"""The demo itself: 2021-05-19 at one minute, real contracts, keepers as processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepers.lab import cli, replay


@pytest.mark.anvil
@pytest.mark.campaign
def test_demo__2021_05_19_at_one_minute__no_wei_no_liquidation_no_bad_debt(tmp_path: Path) -> None:
    found = cli.play(
        replay.crash(60), cli.SEED, 100, tmp_path, keep=False, as_json=True, quiet=True
    )

    assert found.failures == ()
    assert found.accounts == 100
    assert found.tight_in_band == found.tight >= 20
    assert found.reduces_partial and found.takes_full + found.takes_partial
    assert found.missed == 0 and found.response_blocks.most <= 3
    assert [name for _, name in found.killed] == ["publisher-2", "liquidator-1"]
    assert [good for _, _, good, _ in found.proofs] == [True, True, True]
    assert found.steps == 221 and found.skipped_steps == 0
    figures = json.loads((tmp_path / "replay.json").read_text(encoding="utf-8"))
    assert figures["passed"] is True
    assert (tmp_path / "replay.html").stat().st_size > 50_000
    assert (tmp_path / "replay.png").stat().st_size > 50_000
