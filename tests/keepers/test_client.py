"""What the client decides without a chain: limits, tickets, effects; and a wallet in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_hash.auto import keccak

from keepers.chain import account_plans, order_watch
from keepers.chain.abi import interface
from keepers.chain.actions import Actions
from keepers.chain.desk import Desk
from keepers.chain.simulate import simulate
from keepers.chain.transactions import Draft
from keepers.chain.wallet import KeyWallet
from keepers.domain import effects, tickets
from keepers.domain.batches import Withdraw
from keepers.domain.effects import Fill
from keepers.domain.margin import health
from keepers.domain.orders import Order
from keepers.domain.tickets import State
from keepers.domain.units import WAD
from keepers.domain.words import IN_AUCTION, PriceWord, perp
from keepers.errors import BadInput, ChainError, KeeperError, NodeRefused, Reverted
from keepers.settings import ClientSettings, make
from tests.keepers.anvil_world import key
from tests.keepers.facts import ETH, NOW, at, market, trader
from tests.keepers.fake_node import FakeNode

TARGET = "0x" + "cd" * 20
ORDER = Order(b"\1" * 32, 7 << 96, TARGET, perp(ETH), WAD, 0, NOW + 60, False, 1, 1, NOW)
REVERT = "0x08c379a0" + f"{32:064x}{11:064x}" + b"custody: no".hex().ljust(64, "0")


# ---- orders


@pytest.mark.parametrize(
    ("size", "slippage", "limit"), [(1, 5_000, 10_050), (-1, 5_000, 9_950), (1, 0, 10_000)]
)
def test_limit_price__slippage__is_on_the_worse_side(size: int, slippage: int, limit: int) -> None:
    assert tickets.limit_price(10_000, size, slippage) == limit


def test_limit_price__does_not_divide__is_rounded_in_the_owners_favour() -> None:
    assert tickets.limit_price(999, 1, 1_000) == 999  # 999.999 down
    assert tickets.limit_price(999, -1, 1_000) == 999  # 998.001 up


@pytest.mark.parametrize(
    ("publish", "gap", "now", "state", "said"),
    [
        (NOW + 1, 10, NOW + 1, State.OPEN, "no price was published 2 s or more after it"),
        (NOW + 3, 10, NOW + 3, State.OPEN, "nobody has filled it yet; 57 s left"),
        (NOW + 9, 3, NOW + 9, State.DEAD, "its reserve waits"),
        (NOW + 1, 10, NOW + 61, State.DEAD, "its reserve waits"),
    ],
)
def test_waiting__stored_price__says_what_it_waits_for(
    publish: int, gap: int, now: int, state: State, said: str
) -> None:
    word = PriceWord(1, 1, 10, gap, publish, 10_000, 10_000, 0, publish)
    ticket = tickets.waiting(ORDER, word, 2, now)
    assert ticket.state is state
    assert said in ticket.said


@pytest.mark.parametrize(
    ("before", "size", "shrinks"),
    [(5, -3, True), (5, -5, True), (5, -6, False), (5, 1, False), (0, 1, False), (-5, 2, True)],
)
def test_shrinks__only_toward_zero(before: int, size: int, shrinks: bool) -> None:
    assert tickets.shrinks(before, size) is shrinks


def test_ticket__filled_between_two_questions__is_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    filled = ("Executed", {"price": 20_000, "fee": 3}, "0x12")
    answers = [[], [filled]]

    async def events(*_: Any) -> list[Any]:
        return answers.pop(0)

    async def standing(*_: Any) -> None:
        return None  # no longer committed

    monkeypatch.setattr(order_watch, "_events", events)
    monkeypatch.setattr(order_watch, "standing", standing)
    ticket = asyncio.run(order_watch.ticket(cast("Desk", None), ORDER))
    assert (ticket.state, ticket.price, ticket.fee) == (State.EXECUTED, 20_000, 3)


def test_ticket__never_committed__is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> Any:
        return None

    async def no_events(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(order_watch, "_events", no_events)
    monkeypatch.setattr(order_watch, "standing", nothing)
    with pytest.raises(Reverted, match="unknown order"):
        asyncio.run(order_watch.ticket(cast("Desk", None), ORDER))


# ---- who is paid


class Paying(SimpleNamespace):
    """A desk of one owner and one token, as far as the payee is looked at."""

    owner = TARGET

    def account(self, number: int) -> int:
        return number

    def owns(self, _account: int) -> bool:
        return True

    def token(self, _name: str) -> Any:
        return SimpleNamespace(address=TARGET)

    @property
    def deployment(self) -> Any:
        return self


@pytest.mark.parametrize("to", ["0x12", "cd", "nobody", TARGET + "00"])
def test_withdraw__payee_that_is_no_address__is_refused(to: str) -> None:
    desk = cast("Desk", Paying())
    with pytest.raises(BadInput, match="is no address"):
        account_plans._element(desk, Withdraw(5, "USDC", to=to))
    actions = cast("Actions", SimpleNamespace(desk=desk))
    with pytest.raises(BadInput, match="is no address"):
        asyncio.run(Actions.withdraw(actions, 5, "USDC", to=to))


def test_withdraw__no_payee__is_the_owner() -> None:
    element = account_plans._element(cast("Desk", Paying()), Withdraw(5, "USDC"))
    assert element[2] == int(TARGET, 16)


# ---- effects


def test_filled__opening_and_closing_at_one_price__costs_the_fees() -> None:
    account, prices = trader(cash=1_000), at()
    fee = 3 * WAD
    fill = Fill(perp(ETH), 10**8, 2_000 * 10**10, fee, 0)
    opened = effects.filled(account, fill, prices)
    assert health(opened, prices).equity == 997 * WAD
    back = effects.filled(opened, replace(fill, size=-(10**8)), prices)
    assert (back.legs, back.quote) == ((), -2 * fee)


def test_settled__gain_beyond_the_pot__is_paid_as_far_as_it_goes() -> None:
    account = trader(cash=100, units=1, entry_usd=1_900)
    assert effects.settled(account, at(), 30 * WAD)[1] == 30 * WAD
    assert effects.settled(account, at(), 300 * WAD)[1] == 100 * WAD


def test_settled__insolvent__keeps_its_loss() -> None:
    account = trader(cash=10, units=1, entry_usd=2_100)
    assert effects.settled(account, at(), 0) == (account, 0)


def test_cured__equity_above_le__leaves_the_auction() -> None:
    account = trader(cash=1_000, units=1, flags=IN_AUCTION)
    assert not effects.cured(account, health(account, at())).in_auction
    weak = replace(account, cash=20 * WAD)
    assert effects.cured(weak, health(weak, at())).in_auction


def test_traded__long_against_an_empty_pool__raises_open_interest_and_im() -> None:
    # a pool that goes short adds nothing: open interest counts long sizes
    prices = at(market())
    big = Fill(perp(ETH), 12_000 * 10**8, 2_000 * 10**10, 0, 0)
    after = effects.traded(trader(cash=10**7), big, prices)
    assert after.feeds[ETH].state.open_interest == 12_000 * 10**8
    assert after.feeds[ETH].oi_scale > prices.feeds[ETH].oi_scale


# ---- simulating on nodes of every kind


class Answering(FakeNode):
    """A node whose further answers the test names, method by method."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.answers = answers
        self.requests: list[str] = []

    async def request(self, method: str, *params: Any, retries: int = 0) -> Any:
        self.requests.append(method)
        answer = self.answers[method]
        answer = answer.pop(0) if isinstance(answer, list) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer


def steps(count: int = 2) -> list[Draft]:
    return [Draft(f"step {each}", TARGET, b"\1", 0) for each in range(count)]


def simulated(node: Answering, count: int = 2) -> tuple[int | None, ...]:
    return asyncio.run(simulate(node, steps(count), TARGET))


def blocks(*calls: dict[str, Any]) -> Any:
    return [[{"calls": list(calls)}]]


def test_simulate__node_can__answers_each_step() -> None:
    node = Answering(
        eth_simulateV1=blocks(
            {"status": "0x1", "gasUsed": "0x10"}, {"status": "0x1", "gasUsed": "0x20"}
        )
    )
    assert simulated(node) == (16, 32)


def test_simulate__step_reverts__raises_its_reason() -> None:
    refused = {"status": "0x0", "gasUsed": "0x1", "returnData": REVERT, "error": {"message": "x"}}
    node = Answering(eth_simulateV1=blocks({"status": "0x1", "gasUsed": "0x10"}, refused))
    with pytest.raises(Reverted, match="custody: no"):
        simulated(node)


def test_simulate__node_cannot__tries_each_alone() -> None:
    unknown = NodeRefused(-32601, "the method eth_simulateV1 does not exist")
    node = Answering(eth_simulateV1=unknown, eth_estimateGas=["0x10", Reverted("custody: no")])
    assert simulated(node) == (16, None)
    node = Answering(eth_simulateV1=unknown, eth_estimateGas=Reverted("custody: no"))
    with pytest.raises(Reverted, match="custody: no"):
        simulated(node)


def test_simulate__no_money__says_who_needs_it() -> None:
    node = Answering(eth_simulateV1=NodeRefused(-32003, "Insufficient funds for gas * price"))
    with pytest.raises(KeeperError, match=f"{TARGET} cannot pay the value and the gas; send it"):
        simulated(node)


def test_simulate__nothing_to_do__asks_nothing() -> None:
    assert simulated(Answering(), 0) == ()


# ---- a wallet in trouble


def sending(node: Answering, act: Callable[[KeyWallet], Awaitable[None]], **given: Any) -> None:
    settings = make(ClientSettings, **{"poll_s": 0.001, "patience_s": 0.05, **given})

    async def whole() -> None:
        await act(KeyWallet(node, key(0), 31337, settings))

    asyncio.run(whole())


async def mine(node: Answering, status: int = 1) -> None:
    """Put the first transaction into a block as soon as it is sent."""
    while not node.sent:
        await asyncio.sleep(0)
    node.include("0x" + keccak(node.sent[0]).hex(), status)


def test_send__included__returns_the_outcome() -> None:
    node = Answering(eth_estimateGas="0x186a0")

    async def act(wallet: KeyWallet) -> None:
        miner = asyncio.create_task(mine(node))
        outcome = await wallet.send(steps(1)[0])
        await miner
        assert outcome.gas_used == 100_000

    sending(node, act, patience_s=5)


def test_send__would_revert__is_not_sent() -> None:
    node = Answering(eth_estimateGas=Reverted("custody: amount"))

    async def act(wallet: KeyWallet) -> None:
        with pytest.raises(Reverted, match="custody: amount"):
            await wallet.send(steps(1)[0])
        assert node.sent == []

    sending(node, act)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (Reverted("custody: amount"), "custody: amount"),
        ("0x", "step 0 failed in block 0, and would pass now; somebody else changed the state"),
    ],
)
def test_send__fails_in_its_block__says_why(call: Any, said: str) -> None:
    node = Answering(eth_estimateGas="0x186a0", eth_call=call)

    async def act(wallet: KeyWallet) -> None:
        miner = asyncio.create_task(mine(node, status=0))
        with pytest.raises(KeeperError, match=said):
            await wallet.send(steps(1)[0])
        await miner

    sending(node, act, patience_s=5)


def test_send__nobody_mines_it__names_the_transaction() -> None:
    async def act(wallet: KeyWallet) -> None:
        with pytest.raises(KeeperError, match=r"in no block after 0\.05 s \(transaction 0x"):
            await wallet.send(steps(1)[0])

    sending(Answering(eth_estimateGas="0x186a0"), act)


def test_send__node_is_gone__is_a_chain_error() -> None:
    node = Answering(eth_estimateGas=ChainError("the node does not answer"))

    async def act(wallet: KeyWallet) -> None:
        with pytest.raises(ChainError, match="does not answer"):
            await wallet.send(steps(1)[0])

    sending(node, act)


def test_encode__default_arguments__the_short_form_is_used() -> None:
    # a flag without reports: one argument, not two
    data = interface("Liquidator").encode("flag", 1)
    assert len(data) == 4 + 32
