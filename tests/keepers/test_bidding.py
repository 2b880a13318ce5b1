"""Bids without a chain: which are kept, which is chosen, at what price, and how much of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keepers.bots.bidding import MAKER_RESTS_S, ORDER_RESTS_S, Bidder
from keepers.chain.abi import interface
from keepers.chain.liquidations import Planner
from keepers.chain.signer import Signer, signer_of
from keepers.chain.signer import test_secret as known_secret
from keepers.domain import bidding, closes
from keepers.domain.bidding import Limits, Offer, choose
from keepers.domain.economics import GasMarket
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import Leg, Order, SignedOrder, line, order_digest
from keepers.domain.liquidation import OK, Close, Flag, Take, TakePlan
from keepers.domain.margin import FRESH, Health
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import HOUSE, OPTIONS, Account, account_id, perp
from keepers.domain.words import Leg as Held
from keepers.errors import BadInput
from keepers.lab.chain import free_port
from keepers.settings import LiquidateSettings, make
from keepers.web import bids
from keepers.web.bids import BidBook, follow
from keepers.web.metrics import Metrics
from keepers.web.server import application, serve
from tests.keepers.facts import ETH, NOW
from tests.keepers.named_options import CALL, FUTURE, PUT, id_of

CHAIN, EXCHANGE = 31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3"
MAKER, OTHER = Signer(known_secret(1)), Signer(known_secret(2))
MINE = account_id(MAKER.address)
POOR = 7 << 96
FREE = GasMarket(wei_per_gas=0, native_ticks=0)
COSTLY = GasMarket(wei_per_gas=10**9, native_ticks=3_000 * TICKS_PER_USD)
LIMITS = Limits(owner=99, min_profit=0, max_gas=5 * WAD)
UNIT = LOTS_PER_UNIT
PRICE = 3_000 * TICKS_PER_USD
AT_MARK = 100 * TICKS_PER_USD
MARK = Mark(PRICE, AT_MARK, 60 * TICKS_PER_USD)


def order(units: float = -5, usd: float = 100, instrument: str = CALL, **changed: Any) -> Order:
    leg = Leg(id_of(instrument), round(units * UNIT), round(usd * TICKS_PER_USD))
    return replace(Order(MINE, (leg,), 1, NOW + 600, 300), **changed)


def signed(made: Order, by: Signer = MAKER) -> SignedOrder:
    r, s, parity = by.sign(order_digest(made, CHAIN, EXCHANGE))
    return SignedOrder(made, r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((27 + parity,)))


def writer(units: int = -10, cash: int = 10_000, instrument: str = CALL) -> Account:
    held = (Held(id_of(instrument), units * UNIT),)
    return Account(POOR, cash * WAD, 0, (), (), OPTIONS, held)


def health(equity: float, mm: float, le: float = 0) -> Health:
    sums = [round(each * WAD) for each in (equity, 0, 2 * mm, le or 1.2 * mm, mm, 1)]
    return Health(*sums, FRESH, 0)


# ---- prices and sizes


@pytest.mark.parametrize(
    ("size", "room", "usd"),
    [(5, 100, 120), (5, 0, 100), (5, -50, 90), (5, 10_000, 160), (-5, 100, 80), (-5, 10_000, 40)],
)
def test_worst_price__room_of_the_account__is_split_over_its_lots_inside_the_band(
    size: int, room: int, usd: int
) -> None:
    leg = Leg(id_of(CALL), size * UNIT, 0)
    assert closes.worst_price(leg, MARK, room * WAD) == usd * TICKS_PER_USD


def test_worst_price__room_that_does_not_divide__is_down_for_the_account() -> None:
    leg = Leg(id_of(CALL), 3, 0)
    assert closes.worst_price(leg, MARK, 8) == AT_MARK + 2
    assert closes.worst_price(leg, MARK, -8) == AT_MARK - 3


def test_most_cost__above_a_half__is_a_half() -> None:
    assert closes.most_cost(WAD, 7) == closes.most_cost(WAD // 2, 7) == 3
    assert closes.most_cost(WAD // 10, 100 * WAD) == 10 * WAD


def test_leg_of__either_side__is_the_opposite_of_the_makers() -> None:
    assert closes.leg_of(order(-5), 3).size == 3
    assert closes.leg_of(order(5), 3).size == -3
    assert closes.edge(closes.leg_of(order(-5, 110), 2), AT_MARK) == 2 * 10 * TICKS_PER_USD
    assert closes.edge(closes.leg_of(order(5, 110), 2), AT_MARK) == -2 * 10 * TICKS_PER_USD


def test_affordable__premium_above_the_cash__bounds_the_lots() -> None:
    leg = closes.leg_of(order(-5, 100), 1)
    assert closes.affordable(writer(cash=250), leg, 5 * UNIT) == 250 * UNIT // 100
    assert closes.affordable(writer(cash=-250), leg, 5 * UNIT) == 0
    future = closes.leg_of(order(-5, 3_000, FUTURE), 1)
    assert closes.affordable(writer(cash=-250), future, 5 * UNIT) == 5 * UNIT


def test_narrowed__sizes_between__ends_beside_the_root() -> None:
    low, high = 0, 10 * UNIT
    root = 7 * UNIT + 123
    for _ in range(12):
        asked = closes.between(low, high)
        low, high = closes.narrowed(low, high, {size: size - root for size in asked})
        assert low <= root < high
    assert (low, high) == (root, root + 1)
    assert closes.between(root, root + 1) == []


def test_trimmed__rest_below_ten_dollars__is_left_whole() -> None:
    dust = -(-10 * WAD // PRICE)
    assert closes.trimmed(UNIT - 1, -UNIT, PRICE) == UNIT - dust
    assert closes.trimmed(UNIT, -UNIT, PRICE) == UNIT
    assert closes.trimmed(UNIT - dust, -UNIT, PRICE) == UNIT - dust
    assert closes.trimmed(dust // 2, dust - 1, PRICE) == 0


# ---- what is refused


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (order(), None),
        (order(takes=True), "exchange: wrong roles"),
        (order(deadline=NOW - 1), "exchange: expired"),
        (order(legs=()), "exchange: bad order"),
        (order(by_net=True), "exchange: bad order"),
        (order(legs=(Leg(id_of(CALL), 0, 1),)), "exchange: bad order"),
        (order(legs=(Leg(id_of(CALL), 1, 2**63),)), "exchange: bad order"),
        (order(legs=(Leg(3, 1, 1),)), "exchange: bad order"),
        (order(legs=(Leg(id_of(PUT), 1, 1), Leg(id_of(CALL), 1, 1))), "exchange: one leg"),
        (order(legs=(Leg(id_of(CALL), 1, 1), Leg(id_of(PUT), 1, 1))), "exchange: bad order"),
    ],
)
def test_unfit__order_by_itself__is_what_the_exchange_refuses(
    made: Order, reason: str | None
) -> None:
    if reason is not None and len(made.legs) == 2:
        ascending = made.legs[0].instrument < made.legs[1].instrument
        reason = "exchange: one leg" if ascending else "exchange: bad order"
    assert closes.unfit(made, NOW) == reason


def test_unwelcome__whom_it_is_for__decides() -> None:
    for_poor = order(counterparty=f"0x{POOR >> 96:040x}")
    assert closes.unwelcome(for_poor, POOR, 1) is None
    assert closes.unwelcome(order(), POOR, 1) is None
    assert closes.unwelcome(order(), POOR, 0) == "exchange: no size"
    assert closes.unwelcome(order(), MINE + 5, 1) == "exchange: same owner"
    for_maker = order(counterparty=MAKER.address)
    assert closes.unwelcome(for_maker, POOR, 1) == "exchange: counterparty"


def test_misjudged__edge_of_the_band_fee_and_expiry__are_the_exchanges() -> None:
    assert closes.misjudged(order(usd=160), MARK, 300, NOW) is None
    over = order(usd=160)
    over = replace(over, legs=(replace(over.legs[0], price=over.legs[0].price + 1),))
    assert closes.misjudged(over, MARK, 300, NOW) == "exchange: off the mark"
    assert closes.misjudged(order(), MARK, 301, NOW) == "exchange: fee cap"
    assert closes.misjudged(order(), MARK, 300, 2 * 10**9) == "exchange: expired instrument"


def test_undue__account_healthy_closed_or_house__is_left_alone() -> None:
    leg, poor = closes.leg_of(order(), UNIT), health(90, 100)
    assert closes.undue(writer(), poor, leg) is None
    assert closes.undue(writer(), health(100, 100), leg) == "options: not below mm"
    shut = replace(poor, status=0)
    assert closes.undue(writer(), shut, leg) == "options: closed"
    house = replace(writer(), flags=HOUSE)
    assert closes.undue(house, poor, leg) == "options: house"
    for size in (-UNIT, 11 * UNIT):
        other = replace(leg, size=size)
        assert closes.undue(writer(), poor, other) == "options: not reducing"


def test_side_refusal__maker_below_im_or_at_a_bad_price__is_r2s() -> None:
    rich, poor = health(1_000, 100), health(150, 100)
    assert closes.side_refusal(True, rich, rich) is None
    assert closes.side_refusal(True, poor, poor) == "options: margin"
    assert closes.side_refusal(False, poor, poor) is None
    worse = replace(poor, equity=poor.equity - 1)
    assert closes.side_refusal(False, poor, worse) == "options: margin"
    assert closes.side_refusal(True, rich, replace(rich, status=FRESH | 1)) == (
        "options: invalid feed"
    )


# ---- which one


def offer(
    cost: float, released: float = 50, lots: int = UNIT, usd: float = 100, **changed: Any
) -> Offer:
    before = health(90, 100, 200)
    after = health(90 - cost, 100 - released, 200 - 1.2 * released)
    given = SignedOrder(order(-5, usd, **changed), b"")
    return Offer(given, writer(), lots, before, after, MARK, 0, 2)


def plan(reward: float) -> TakePlan:
    return TakePlan(OK, WAD, round(reward * WAD), 0, 0, 60)


TAKE = Take(POOR, WAD, 0, 0, WAD)


def test_choose__several_that_pass__takes_what_costs_the_account_least() -> None:
    offers = [offer(4), offer(1), offer(2)]
    chosen = choose(None, offers, WAD // 10, plan(30), LIMITS, FREE)
    assert chosen == Close(POOR, offers[1].given, UNIT, WAD, 50 * WAD, 0, 2)
    assert isinstance(chosen, Close)
    assert chosen.asked == WAD // 50


def test_choose__equal_costs__takes_what_releases_most() -> None:
    offers = [offer(0, 20), offer(0, 60), offer(0, 40)]
    chosen = choose(None, offers, 0, None, LIMITS, FREE)
    assert isinstance(chosen, Close)
    assert chosen.released == 60 * WAD


@pytest.mark.parametrize(("reward", "closes_it"), [(3, True), (2, False), (1, False)])
def test_choose__against_a_take__only_where_the_account_loses_less(
    reward: float, closes_it: bool
) -> None:
    # 1 of 50 released is 2 %; the take costs its reward of 100
    chosen = choose(TAKE, [offer(1)], WAD // 10, plan(reward), LIMITS, FREE)
    assert isinstance(chosen, Close) == closes_it
    assert closes_it or chosen == TAKE


def test_choose__clock_concedes_too_little__flags_if_that_is_enough() -> None:
    offers = [offer(5)]  # 10 %
    flag = choose(None, offers, 0, plan(10), LIMITS, FREE)
    assert flag == Flag(POOR, 0)
    assert choose(None, offers, 0, plan(9.99), LIMITS, FREE) is None
    assert choose(Flag(POOR, -3), offers, 0, plan(10), LIMITS, FREE) == Flag(POOR, -3)
    assert isinstance(choose(None, offers, WAD // 10, plan(10), LIMITS, FREE), Close)
    assert choose(TAKE, [], 0, plan(10), LIMITS, FREE) == TAKE


def test_choose__beyond_half_or_no_better__is_left() -> None:
    for each in (offer(26), offer(0, -1), offer(10, 10, lots=UNIT)):
        assert choose(None, [each], WAD, plan(99), LIMITS, FREE) is None


def test_choose__gas__is_bounded_for_others_and_earned_by_own() -> None:
    dear = replace(LIMITS, max_gas=WAD)
    assert choose(None, [offer(0)], 0, None, dear, COSTLY) is None
    chosen = choose(None, [offer(0)], 0, None, LIMITS, COSTLY)
    assert isinstance(chosen, Close)
    assert -5 * WAD < chosen.profit < 0  # who brings it is paid nothing
    own = Limits(owner=MINE >> 96, min_profit=0, max_gas=0)
    # 10 USD above the mark for one unit
    earning = offer(0, usd=110)
    chosen = choose(None, [earning], 0, None, own, COSTLY)
    assert isinstance(chosen, Close)
    assert 8 * WAD < chosen.profit < 10 * WAD
    assert choose(None, [replace(earning, fee=10 * WAD)], 0, None, own, COSTLY) is None
    assert choose(None, [offer(0)], 0, None, own, COSTLY) is None


def test_matching__orders_for_its_legs__best_price_first() -> None:
    cheap, dear, other = (signed(order(usd=each)) for each in (90, 110, 100))
    wrong = [signed(order(5)), signed(order(instrument=PUT)), signed(order(takes=True))]
    late = [signed(order(deadline=NOW - 1)), signed(order(counterparty=MAKER.address))]
    found = bidding.matching([dear, *wrong, cheap, *late, other], writer(), NOW)
    assert [each.order.legs[0].price for each in found] == [
        each * TICKS_PER_USD for each in (90, 100, 110)
    ]
    assert bidding.best_of_each(found, 2) == [cheap, other]
    held = writer(10)
    buying = [signed(order(5, each)) for each in (90, 110)]
    assert bidding.matching(buying, held, NOW) == [buying[1], buying[0]]
    assert bidding.matching([cheap], writer(), 2 * 10**9) == []  # it has expired


# ---- the book


class Node:
    """Says which addresses are contracts."""

    def __init__(self, *wallets: str) -> None:
        self.wallets = {each.lower() for each in wallets}
        self.asked = 0

    async def request(self, method: str, address: str, block: str) -> str:
        assert (method, block) == ("eth_getCode", "latest")
        self.asked += 1
        return "0x60" if address in self.wallets else "0x"


def book(node: Node | None = None, now: int = NOW) -> BidBook:
    rpc: Any = node or Node()
    return BidBook(rpc, CHAIN, EXCHANGE, lambda: now, Metrics())


def test_offer__sound_and_unsound_lines__keeps_what_may_be_brought() -> None:
    async def scenario() -> None:
        kept = book()
        good = signed(order())
        lines = [
            line(good),
            "no order",
            line(signed(order(nonce=2), OTHER)),
            line(signed(order(takes=True))),
            line(signed(order(deadline=NOW - 1))),
        ]
        assert await kept.offer("maker", "\n".join(lines))
        assert kept.orders == [good]
        assert kept.text() == line(good) + "\n"
        assert not await kept.offer("maker", "\n".join(lines))
        said = kept._metrics.text().decode()
        for reason in ("bad signature", "wrong roles", "expired", "bad order"):
            assert f'plimsoll_bids_refused_total{{reason="exchange: {reason}"}} 1.0' in said
        assert "plimsoll_bids 1.0" in said
        # another source says it too; the first takes it back
        await kept.offer("other", line(good))
        await kept.offer("maker", "")
        assert kept.orders == [good]
        await kept.offer("other", "")
        assert kept.orders == []

    asyncio.run(scenario())


def test_offer__owner_is_a_contract__is_kept_for_the_chain_to_judge() -> None:
    async def scenario() -> None:
        node = Node(MAKER.address)
        kept = book(node)
        for signature in (b"", b"\x01" * 100, signed(order(), OTHER).signature):
            await kept.offer("maker", line(SignedOrder(order(), signature)))
            assert len(kept.orders) == 1
        assert node.asked == 1

    asyncio.run(scenario())


def test_signer_of__both_forms_of_a_key__are_told() -> None:
    digest = order_digest(order(), CHAIN, EXCHANGE)
    owner = int(MAKER.address, 16)
    assert signer_of(signed(order()).signature, digest) == owner
    assert signer_of(MAKER.sign_compact(digest), digest) == owner
    assert signer_of(b"\x00" * 65, digest) == 0
    assert signer_of(b"\x01" * 66, digest) is None


def test_follow__files_come_and_go__wakes_for_new_ones(tmp_path: Path) -> None:
    async def scenario() -> None:
        kept, metrics, news = book(), Metrics(), asyncio.Event()
        task = asyncio.create_task(follow(str(tmp_path), kept, metrics, 0.01, news.set))
        (tmp_path / "maker.txt").write_text(line(signed(order())), encoding="utf-8")
        (tmp_path / ".hidden").write_text(line(signed(order(nonce=2))), encoding="utf-8")
        async with asyncio.timeout(5):
            await news.wait()
        assert [each.order.nonce for each in kept.orders] == [1]
        (tmp_path / "maker.txt").unlink()
        async with asyncio.timeout(5):
            while kept.orders:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())


def test_follow__another_keepers_bids__come_over_http_and_stay_when_it_fails() -> None:
    async def scenario() -> None:
        told, kept, metrics, failing = book(), book(), Metrics(), asyncio.Event()

        def text() -> str:
            if failing.is_set():
                raise BadInput("no answer")
            return told.text()

        await told.offer("maker", line(signed(order())))
        port, news = free_port(), asyncio.Event()
        url = f"http://127.0.0.1:{port}"
        server = asyncio.create_task(
            serve(application(metrics, lambda: "", bids=text), "127.0.0.1", port)
        )
        task = asyncio.create_task(follow(url, kept, metrics, 0.01, news.set))
        async with asyncio.timeout(5):
            await news.wait()
        assert kept.orders == told.orders
        failing.set()
        async with asyncio.timeout(5):
            while 'plimsoll_failures_total{where="bids"}' not in metrics.text().decode():
                await asyncio.sleep(0.01)
        assert kept.orders == told.orders
        for each in (task, server):
            each.cancel()
        await asyncio.wait([task, server])

    asyncio.run(scenario())


def test_files__more_bytes_than_are_read__are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bids, "MOST_BYTES", 10)
    (tmp_path / "orders").write_text("x" * 11, encoding="utf-8")
    with pytest.raises(BadInput, match="more than 10 bytes"):
        list(bids._files(tmp_path))


def test_require__no_folder__is_said_before_anything_starts(tmp_path: Path) -> None:
    bids.require(str(tmp_path))
    bids.require("http://127.0.0.1:9000")
    with pytest.raises(BadInput, match="there is no folder"):
        bids.require(str(tmp_path / "away"))


# ---- what is sent


def test_draft__close__calls_the_exchange_with_gas_for_every_leg() -> None:
    chosen = make(LiquidateSettings, bids=("bids",), gas_close=1_000_000, gas_take_leg=100_000)
    places = {
        name: f"0x{number:040x}"
        for number, name in enumerate(
            ("Liquidator", "Clearinghouse", "LiquidityPool", "Exchange"), 1
        )
    }
    deployed: Any = SimpleNamespace(address=places.__getitem__)
    reader: Any = SimpleNamespace()
    given = signed(order())
    made = Planner(reader, deployed, MINE, chosen).draft(
        Close(POOR, given, 3 * UNIT, 0, WAD, 0, 4), NOW
    )
    assert (made.key, made.to, made.gas) == (f"close {POOR:#x}", places["Exchange"], 1_400_000)
    assert made.data == interface("Exchange").encode("close", POOR, given.struct, 3 * UNIT)


def test_reduces__perp_of_the_core__counts_like_a_leg_of_options() -> None:
    account = replace(writer(), legs=(Held(perp(ETH), 2 * UNIT),))
    assert closes.held(account, perp(ETH)) == 2 * UNIT
    assert closes.reduces(2 * UNIT, -2 * UNIT)
    assert not closes.reduces(2 * UNIT, -2 * UNIT - 1)
    assert not closes.reduces(0, 1)


# ---- who is left alone for a while


def bidder(now: int = NOW) -> tuple[Bidder, SimpleNamespace, list[bool]]:
    """Return a bidder without sources, its mirror, and what is noted when it wakes its bot."""
    deployed = SimpleNamespace(chain_id=CHAIN, address=lambda _: EXCHANGE)
    runtime: Any = SimpleNamespace(
        rpc=Node(), deployment=deployed, metrics=Metrics(), signer=OTHER, reader=None
    )
    mirror: Any = SimpleNamespace(now=now)
    woken: list[bool] = []
    return (
        Bidder(runtime, make(LiquidateSettings), mirror, lambda: woken.append(True)),
        mirror,
        woken,
    )


def test_refused__order_in_a_simulation__rests_alone_and_wakes_the_bot() -> None:
    made, mirror, woken = bidder()
    bad, good = signed(order()), signed(order(nonce=2))
    made.refused(Close(POOR, bad, UNIT, 0, WAD, 0))
    assert woken
    assert [made._is_welcome(each) for each in (bad, good)] == [False, True]
    mirror.now += ORDER_RESTS_S
    assert made._is_welcome(bad)


@pytest.mark.parametrize(("failed", "welcome"), [(True, False), (False, True)])
def test_ended__close_that_failed_on_the_chain__its_maker_rests(
    failed: bool, welcome: bool
) -> None:
    made, mirror, _ = bidder()
    bad, other = signed(order()), signed(order(nonce=2))
    made.sent("close 0x7", Close(POOR, bad, UNIT, 0, WAD, 0))
    made.ended("flag 0x7", True)
    assert made._is_welcome(other)
    made.ended("close 0x7", failed)
    assert made._is_welcome(other) == welcome
    mirror.now += MAKER_RESTS_S
    assert made._is_welcome(other)
