"""An executor of the tests, and what became of its orders."""

from __future__ import annotations

from collections.abc import Callable

from keepers.bots.execute import Execute
from keepers.bots.runtime import Runtime
from keepers.settings import ExecuteSettings, make
from tests.keepers.anvil_world import (
    EXECUTOR,
    Node,
    World,
)
from tests.keepers.bot_runs import options


def executor(
    node: Node, number: int = EXECUTOR, **given: object
) -> tuple[ExecuteSettings, Callable[[Runtime], Execute]]:
    chosen = make(ExecuteSettings, **{**options(node, number), "native_usd": 10.0, **given})
    return chosen, lambda runtime: Execute(runtime, chosen)


async def size_of(on: World, account: int) -> int:
    found, _ = await on.health(account)
    return found.legs[0].size if found.legs else 0


async def emptied(bot: Execute) -> bool:
    return not bot.orders and bot.runtime.sender.next_nonce > 0
