"""Events of the keeper's account on their way into the journal and the store."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi.abi import encode

from keepers.chain.abi import interface
from keepers.chain.earnings import Earnings
from keepers.chain.rpc import Head, Log
from keepers.domain.words import Account
from keepers.errors import BadInput
from keepers.store.ledger import Store
from keepers.web.metrics import Metrics
from tests.keepers.facts import at, trader

ME = 5 << 96
HOUSE, USDC, NEW = ("0x" + each * 20 for each in ("11", "aa", "cc"))
CONTRACTS = {"Clearinghouse": HOUSE, "Liquidator": "0x" + "12" * 20, "Orders": "0x" + "13" * 20}
OPENED = Head(10, "0x0a", "0x09", 1_700_000_000, 10**9)


def deposited(token: str, block: int) -> Log:
    event = interface("Clearinghouse").events["Deposited"]
    topics = (event.topic, f"0x{ME:064x}", "0x" + token[2:].rjust(64, "0"))
    data = encode(["address", "uint256"], [HOUSE, 7])
    return Log(HOUSE, topics, data, block, "0x", f"0x{block}", 0, False)


class Chain:
    """As much of a node as the earnings ask."""

    def __init__(self, *history: Log) -> None:
        self.history = history
        self.rpc = self

    async def totals(self) -> Any:
        return SimpleNamespace(scale=10**12)

    async def accounts(self, ids: list[int], _block: int) -> list[Account]:
        return [trader(each) for each in ids]

    async def logs(self, _addresses: Any, first: int, last: int) -> list[Log]:
        return [each for each in self.history if first <= each.block <= last]


def earnings(chain: Any, store: Store, *tokens: str) -> Earnings:
    listed = {each: SimpleNamespace(address=each, id=id_) for id_, each in enumerate(tokens)}
    deployed: Any = SimpleNamespace(
        address=CONTRACTS.__getitem__, contracts=CONTRACTS, tokens=listed
    )
    return Earnings(chain, deployed, ME, store, Metrics())


def load(made: Earnings, block: int) -> None:
    head = Head(block, "0x", "0x", OPENED.time, 1)
    asyncio.run(made.load(head, at(), 0))


def test_token_that_the_file_lacks__is_a_sentence_and_goes_on_with_a_newer_file() -> None:
    store = Store()
    made = earnings(Chain(), store, USDC)
    load(made, 10)
    made.on_log(deposited(USDC, 11), at, 0)
    late = deposited(NEW, 12)
    with pytest.raises(BadInput, match=f"no token {NEW}; take the newest deployment file"):
        made.on_log(late, at, 0)
    assert [each.block for each in store.entries(ME)] == [10, 11]
    again = earnings(Chain(late), store, USDC)
    with pytest.raises(BadInput, match="no token"):
        load(again, 13)
    assert len(store.entries(ME)) == 2
    newer = earnings(Chain(deposited(USDC, 11), late), store, USDC, NEW)
    load(newer, 13)
    assert [each.block for each in store.entries(ME)] == [10, 11, 12]
    assert newer.journal.money == 7 * 10**12
    assert sum(lot.size for lot in newer.journal.coins[1]) == 7
