"""What happens while the state is read again: nothing that comes meanwhile is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi.abi import encode

from keepers.bots.execute import Execute
from keepers.bots.publish import Publish
from keepers.bots.runtime import Bot
from keepers.chain.abi import interface
from keepers.chain.mirror import Mirror
from keepers.chain.rpc import Head, Log
from keepers.chain.stream import Rewound
from keepers.domain.economics import GasMarket
from keepers.domain.margin import Market
from keepers.domain.reports import Quote
from keepers.domain.terms import Terms
from keepers.domain.units import TICKS_PER_USD, WAD
from keepers.domain.words import Account, perp
from keepers.errors import ChainError
from keepers.settings import ExecuteSettings, PublishSettings
from keepers.store.ledger import Store
from keepers.web.metrics import Metrics
from tests.keepers.facts import ETH, market, trader

CONTRACTS = {
    name: f"0x{number:040x}"
    for number, name in enumerate(
        ("Orders", "Markets", "RiskConfigurator", "Clearinghouse", "LiquidityPool"), 1
    )
}
KEEPER, TAKER = "0x" + "5e" * 20, "0x" + "7a" * 20
TRADER = 7 << 96
RESERVE = 10**15  # wei
START = Head(10, "0x0a", "0x09", 1_700_000_000, 10**9)


def order_log(name: str, salt: int, block: int = 5) -> Log:
    """Return an event about the order of this salt; KEEPER executes."""
    event = interface("Orders").events[name]
    topics = (event.topic, f"0x{salt:064x}", f"0x{TRADER:064x}")
    if name == "Committed":
        struct = (TRADER, KEEPER, perp(ETH), WAD, WAD, 2**40, False, RESERVE, salt)
        kinds = "(uint256,address,uint256,int256,uint256,uint256,bool,uint256,uint256)"
        data = encode([kinds, "uint256"], [struct, 1_700_000_000])
    else:
        data = encode(["address", "uint256", "uint256"], [KEEPER, 1, 1])
    return Log(CONTRACTS["Orders"], topics, data, block, "0x", f"0x{name}{salt}", salt, False)


class Chain:
    """As much of a node as a reload asks; `meanwhile` runs in the middle of an answer."""

    def __init__(self) -> None:
        self.history: list[Log] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.fails = False
        self.seats: list[str] = []

    def _pass(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        if self.fails:
            raise ChainError("the node does not answer")

    async def head(self) -> Head:
        return START

    async def one(self, *_: Any, block: int = 0) -> tuple[int]:
        return (2,)

    async def many(self, calls: Sequence[Any], _block: int) -> list[tuple[int]]:
        # nobody has asked the pool for anything
        return [(0,)] * len(calls)

    async def terms(self, _block: int) -> Terms:
        return Terms()

    async def markets(self, _block: int) -> list[Market]:
        return [market()]

    async def signers(self, _block: int) -> list[str]:
        return self.seats

    async def logs(self, *_: Any) -> list[Log]:
        found = list(self.history)
        self._pass()
        return found

    async def collaterals(self, *_: Any) -> list[Any]:
        self._pass()
        return []

    async def account_ids(self, _block: int) -> list[int]:
        return [TRADER]

    async def accounts(self, ids: Sequence[int], *_: Any) -> list[Account]:
        return [trader(each) for each in ids]


DEPLOYED: Any = SimpleNamespace(
    address=CONTRACTS.__getitem__,
    contracts=CONTRACTS,
    settlement=SimpleNamespace(decimals=6),
    signers=(),
    chain_id=31337,
    block=0,
)


def runtime(chain: Chain, **given: Any) -> Any:
    return SimpleNamespace(
        rpc=chain, reader=chain, deployment=DEPLOYED, stream=lambda *_: None, **given
    )


def executor(chain: Chain) -> Execute:
    on = runtime(
        chain,
        signer=SimpleNamespace(address=KEEPER),
        store=Store(),
        metrics=Metrics(),
        native_market=ETH,
        gas_market=lambda ticks: GasMarket(1, ticks),
    )
    made = Execute(on, ExecuteSettings())
    asyncio.run(made.load(START))
    return made


class Plain(Bot):
    """Adds up what it is told, on what it has read."""

    read = 0

    async def load(self, head: Head) -> None:
        await self.runtime.rpc.logs()
        self.read = head.number

    def take(self, message: Log | Rewound | Head) -> None:
        if isinstance(message, Rewound):
            self.reload = True
        elif isinstance(message, Head):
            self.read = message.number

    async def work(self) -> None:
        await self.settle_doubt()


def test_settle_doubt__messages_come_meanwhile__are_taken_on_what_was_read() -> None:
    chain = Chain()
    bot = Plain(runtime(chain))
    newer = Head(11, "0x0b", "0x0a", START.time + 1, 1)
    bot.reload, chain.meanwhile = True, lambda: bot.hear(newer)
    asyncio.run(bot.work())
    assert (bot.read, bot.reload) == (11, False)


@pytest.mark.parametrize("fails", [False, True])
def test_settle_doubt__another_doubt_or_a_failure__stays_in_doubt(fails: bool) -> None:
    chain = Chain()
    bot = Plain(runtime(chain))
    bot.reload, chain.fails = True, fails
    if fails:
        with pytest.raises(ChainError):
            asyncio.run(bot.work())
    else:
        chain.meanwhile = lambda: bot.hear(Rewound(9))
        asyncio.run(bot.work())
    assert bot.reload
    chain.fails = False
    asyncio.run(bot.work())
    assert not bot.reload


def test_execute__orders_come_and_go_during_a_reload__are_known_as_they_are() -> None:
    chain = Chain()
    chain.history = [order_log("Committed", 1), order_log("Committed", 2)]
    bot = executor(chain)

    def meanwhile() -> None:
        bot.hear(order_log("Executed", 1, 11))
        bot.hear(order_log("Committed", 3, 11))

    bot.reload, chain.meanwhile = True, meanwhile
    asyncio.run(bot.settle_doubt())
    assert {int.from_bytes(each, "big") for each in bot.orders} == {2, 3}
    assert bot.calldata.keys() == bot.orders.keys()


def test_execute__read_again__counts_its_income_once() -> None:
    chain = Chain()
    bot = executor(chain)
    for each in (order_log("Committed", 1), order_log("Executed", 1), order_log("Committed", 2)):
        bot.take(each)
        chain.history.append(each)
    paid = RESERVE * 2_000
    for _ in range(2):
        bot.reload = True
        asyncio.run(bot.settle_doubt())
    assert bot.runtime.store.totals().profit == paid
    income = bot.runtime.metrics.text().split(b"\nplimsoll_income_usd_total ")[1].split()[0]
    assert float(income) == paid / 10**18
    chain.history = []
    bot.reload = True
    asyncio.run(bot.settle_doubt())
    assert bot.calldata == bot.orders == {}


def test_publish__chain_went_back__signers_adapters_and_times_are_read_again() -> None:
    async def source(_time: int) -> list[Quote]:
        raise AssertionError("nothing is due")

    chain = Chain()
    on = runtime(chain, signer=SimpleNamespace(address=KEEPER))
    on.deployment = SimpleNamespace(**{**vars(DEPLOYED), "signers": (KEEPER,)})
    bot = Publish(on, PublishSettings(), source, wall_clock=False)
    bot.head, bot.last = START, START.time
    bot.stored, bot.polling.adapters = START.time + 5, {4: KEEPER}
    bot.take(Rewound(9))
    chain.seats = [TAKER]
    asyncio.run(bot.work())
    assert bot.polling.adapters == {}
    assert bot.board.seats == (TAKER,)
    assert bot.stored == market().price.publish_time


def mirror(chain: Chain) -> Mirror:
    return Mirror(chain, DEPLOYED)  # type: ignore[arg-type]


def test_mirror__accounts_and_parameters_change_during_a_load__stay_noted() -> None:
    chain = Chain()
    made = mirror(chain)

    def change() -> None:
        made.dirty.add(8 << 96)
        made.changed.add(ETH)
        made.stale_parameters = True

    chain.meanwhile = change
    asyncio.run(made.load(START))
    assert (made.dirty, made.changed, made.stale_parameters) == ({8 << 96}, {ETH}, True)
    assert made.markets[ETH].price.price == 2_000 * TICKS_PER_USD


@pytest.mark.parametrize("fails", [False, True])
def test_mirror__parameters_change_during_a_refresh__are_read_again(fails: bool) -> None:
    chain = Chain()
    made = mirror(chain)
    made.stale_parameters, chain.fails = True, fails
    if fails:
        with pytest.raises(ChainError):
            asyncio.run(made.refresh())
    else:
        chain.meanwhile = lambda: setattr(made, "stale_parameters", True)
        asyncio.run(made.refresh())
    assert made.stale_parameters
    chain.fails = False
    asyncio.run(made.refresh())
    assert not made.stale_parameters
