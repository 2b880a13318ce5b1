"""The gas limits of what keepers send, held to the bounds of docs/spec/gas_bounds.md."""

from __future__ import annotations

import pytest

from keepers.bots.execute import GAS_REFUND
from keepers.chain import unwinding
from keepers.domain.economics import LIMIT_OF_CHECK, update_limit
from keepers.domain.reports import MAX_FEEDS
from keepers.settings import ExecuteSettings, LiquidateSettings
from tests.stateful.gas_bounds import BOUNDS

EXECUTE, LIQUIDATE = ExecuteSettings(), LiquidateSettings()


@pytest.mark.parametrize(
    ("limit", "action"),
    [
        (update_limit(MAX_FEEDS, 0), "update"),
        (EXECUTE.gas_execute, "execute"),
        (2 * GAS_REFUND, "refund"),
        (LIQUIDATE.gas_reduce, "reduce"),
        (LIQUIDATE.gas_take, "take"),
        (unwinding.GAS, "commit"),
        (unwinding.GAS_WITHDRAW, "withdraw"),
    ],
)
def test_limit__the_most_that_the_action_uses__is_enough(limit: int, action: str) -> None:
    assert limit >= BOUNDS[action]


def test_update_limit__feeds_and_checks__each_have_their_part() -> None:
    # the bound is of 16 feeds; a cross-check may use 232,000 of its own
    assert update_limit(MAX_FEEDS, 0) < BOUNDS["update"] * 3 // 2
    assert update_limit(4, 2) - update_limit(4, 0) == 2 * LIMIT_OF_CHECK > 2 * 232_000
    assert update_limit(3, 0) < update_limit(4, 0)
