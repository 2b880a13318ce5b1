"""Signed reports: who may sign, what an update refuses and ignores, and the median of the rest.

Numbers in the names of tests are rows of docs/invariants.md and its oracle faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import boa
import pytest

from tests.reference import oracle as reference
from tests.support.reports import Quote, blob, domain_separator, packed_quotes, signed_report
from tests.unit.markets_support import (
    BTC,
    ETH,
    LINK,
    Desk,
    anchored,
    built,
    deploy_markets,
    refused,
    usd,
)

P = usd(3_000)
ROLES = dict.fromkeys(("configurator", "clearinghouse"), "0x" + "c0" * 20)


@pytest.fixture(scope="module")
def deployment() -> Iterator[Desk]:
    with built() as desk:
        yield desk


@pytest.fixture
def desk(deployment: Desk) -> Iterator[Desk]:
    with anchored(deployment) as put_back:
        put_back.wait(10)
        yield put_back


def quotes_of(prices: Sequence[int], confs: Sequence[int]) -> list[reference.Quote]:
    return [reference.Quote(ETH, p, c) for p, c in zip(prices, confs, strict=True)]


# ---- accepted ------------------------------------------------------------------------------------


def test_update__three_sources_agree__stores_and_logs_the_word(desk: Desk) -> None:
    price = usd(3_001)
    assert desk.offer(price, conf=20) == 1
    (event,) = desk.events("PriceAccepted")
    stored = desk.price()
    assert (stored.price, stored.conf, stored.publish, stored.gap) == (price, 20, desk.now, 10)
    assert (event.market, event.word) == (ETH, desk.markets.market_words(ETH)[0])


@pytest.mark.parametrize("sources", [(0, 1, 2), (0, 1, 3), (1, 2, 3), (0, 1, 2, 3)])
def test_update__any_quorum__stores(desk: Desk, sources: tuple[int, ...]) -> None:
    assert desk.offer(usd(3_001), sources=sources) == 1


def test_update__three_feeds__all_are_stored_by_one_signature_a_source(desk: Desk) -> None:
    quotes = {ETH: Quote(usd(3_001)), BTC: Quote(usd(60_001)), LINK: Quote(usd(10.01))}
    assert desk.send([desk.report(i, desk.now, quotes) for i in range(3)], feeds=3) == 3
    assert [desk.price(m).price for m in quotes] == [q.price for q in quotes.values()]


def test_update__unlisted_feed__is_skipped_and_the_others_stored(desk: Desk) -> None:
    quotes = {ETH: Quote(usd(3_001)), 77: Quote(usd(5))}
    assert desk.send([desk.report(i, desk.now, quotes) for i in range(3)], feeds=2) == 1


@pytest.mark.parametrize(
    ("dollars", "confs"),
    [
        ((3_000, 3_001, 3_003), (10, 30, 20)),
        ((3_003, 3_000, 3_001), (0, 0, 0)),
        ((3_001, 3_003, 3_000), (30, 20, 10)),
        ((3_001, 3_001, 3_000), (65_535, 0, 1)),
        ((3_000, 3_001, 3_002, 3_007), (4, 3, 2, 1)),
        ((3_007, 3_002, 3_001, 3_000), (1, 1, 9, 9)),
    ],
)
def test_update__sources_differ__stores_the_median(
    desk: Desk, dollars: tuple[int, ...], confs: tuple[int, ...]
) -> None:
    prices = [usd(d) for d in dollars]
    reports = [
        desk.report(i, desk.now, {ETH: Quote(p, c)})
        for i, (p, c) in enumerate(zip(prices, confs, strict=True))
    ]
    desk.send(reports)
    stored = desk.price()
    assert (stored.price, stored.conf) == reference.median(quotes_of(prices, confs))


def test_update__half_the_spread_above_the_confidences__is_the_confidence(desk: Desk) -> None:
    # (3,006 - 3,000) / 2 / 3,003 = 99.900.. of 1e-5, rounded up: 100
    reports = [
        desk.report(i, desk.now, {ETH: Quote(usd(d), 7)})
        for i, d in enumerate((3_000, 3_003, 3_006))
    ]
    desk.send(reports)
    assert desk.price().conf == 100


def test_update__publish_times_within_the_window__stores_the_oldest(desk: Desk) -> None:
    times = (desk.now, desk.now - 3, desk.now - 1)
    reports = [desk.report(i, t, {ETH: Quote(usd(3_001))}) for i, t in enumerate(times)]
    assert desk.send(reports) == 1
    assert desk.price().publish == desk.now - 3
    assert [desk.markets.signer(i)[1] for i in range(3)] == list(times)


# ---- 37: a source that lies, a source that is dead ----


@pytest.mark.parametrize("lie", [1, P * 1_000, 2**64 - 1])
def test_37_update__one_source_of_three_lies__the_median_does_not_follow(
    desk: Desk, lie: int
) -> None:
    honest = (usd(3_001), usd(3_002))
    reports = [
        desk.report(0, desk.now, {ETH: Quote(honest[0])}),
        desk.report(1, desk.now, {ETH: Quote(lie)}),
        desk.report(2, desk.now, {ETH: Quote(honest[1])}),
    ]
    assert desk.send(reports) == 1
    stored = desk.price()
    assert stored.price in honest
    # what they differ by shows in the confidence, which is over its cap: nothing may be opened
    assert stored.conf > 1_000
    assert not desk.markets.price_trusted(ETH, 60)


def test_37_update__two_reports__is_no_quorum(desk: Desk) -> None:
    with boa.reverts("oracle: no quorum"):
        desk.offer(usd(3_001), sources=(0, 1))


def test_37_update__one_source_twice__is_refused(desk: Desk) -> None:
    with boa.reverts("oracle: signer order"):
        desk.offer(usd(3_001), sources=(0, 1, 1))


def test_37_update__one_source_under_two_names__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001), sources=(0, 1))
    forged = bytes([2]) + reports[1][1:]
    with boa.reverts("oracle: bad signature"):
        desk.send([*reports, forged])


def test_37_update__any_three_of_four_sources__stay_between_the_honest_prices(desk: Desk) -> None:
    prices = [usd(3_000), usd(3_001), usd(3_002), usd(2_950)]  # the last one lies
    chosen = [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    for sources in chosen:
        with boa.env.anchor():
            desk.send([desk.report(i, desk.now, {ETH: Quote(prices[i])}) for i in sources])
            assert usd(3_000) <= desk.price().price <= usd(3_002)


# ---- 40: replayed, out of order, in a burst ----


def test_40_update__replay__changes_nothing(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    desk.send(reports)
    before = desk.digest()
    assert desk.send(reports) == 0
    assert desk.digest() == before


def test_40_update__older_than_the_stored_price__changes_no_price(desk: Desk) -> None:
    older = desk.blob(usd(3_050), publish=desk.now - 4, sources=(1, 2, 3))
    desk.offer(usd(3_001), publish=desk.now, sources=(0, 1, 2))
    before = desk.digest()
    assert desk.send(older) == 0
    assert desk.digest() == before


def test_40_update__one_report_older_than_its_sources_last__changes_nothing(desk: Desk) -> None:
    stale = desk.report(0, desk.now - 2, {ETH: Quote(usd(3_002))})
    desk.offer(usd(3_001), publish=desk.now - 1)
    fresh = [desk.report(i, desk.now, {ETH: Quote(usd(3_002))}) for i in (1, 2)]
    before = desk.digest()
    assert desk.send([stale, *fresh]) == 0
    assert desk.digest() == before


def test_40_update__withheld_burst__is_taken_in_order_and_refused_backwards(desk: Desk) -> None:
    burst = [desk.blob(usd(3_000 + i), publish=desk.now + i) for i in (1, 2, 3)]
    desk.wait(3)
    assert desk.send(burst[0]) == 1
    assert desk.send(burst[2]) == 1
    assert desk.send(burst[1]) == 0
    assert desk.price().price == usd(3_003)


# ---- 41: the future, the same instant ----


def test_41_update__a_second_ahead__is_taken_two_are_refused(desk: Desk) -> None:
    with boa.reverts("oracle: from the future"):
        desk.offer(usd(3_001), publish=desk.now + 2)
    assert desk.offer(usd(3_001), publish=desk.now + 1) == 1


def test_41_update__same_instant_other_price__is_ignored(desk: Desk) -> None:
    desk.offer(usd(3_001))
    assert desk.offer(usd(3_002)) == 0
    assert desk.price().price == usd(3_001)


def test_41_update__reports_four_seconds_apart__are_refused(desk: Desk) -> None:
    times = (desk.now, desk.now, desk.now - 4)
    with boa.reverts("oracle: window"):
        desk.send([desk.report(i, t, {ETH: Quote(usd(3_001))}) for i, t in enumerate(times)])


# ---- blobs ---------------------------------------------------------------------------------------


def test_update__wrong_length__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    for bad in (
        blob(reports, 1)[:-1],
        blob(reports, 1) + b"\0",
        blob(reports, 2),
        blob(reports, 0),
    ):
        with boa.reverts("oracle: bad blob"):
            desk.markets.update(bad)


def test_update__nine_reports__are_refused(desk: Desk) -> None:
    with boa.reverts("oracle: bad blob"):
        desk.send(desk.blob(usd(3_001)) * 3)


def test_update__seventeen_feeds__are_refused(desk: Desk) -> None:
    quotes = {feed: Quote(usd(1)) for feed in range(1, 18)}
    with boa.reverts("oracle: bad blob"):
        desk.send([desk.report(i, desk.now, quotes) for i in range(3)], feeds=17)


def test_update__feeds_differ__is_refused(desk: Desk) -> None:
    for sources in ((0, 1, 2), (0, 1, 2, 3)):
        feeds = [ETH] * (len(sources) - 1) + [BTC]
        reports = [
            desk.report(i, desk.now, {f: Quote(usd(3_001))})
            for i, f in zip(sources, feeds, strict=True)
        ]
        with boa.reverts("oracle: feeds differ"):
            desk.send(reports)


@pytest.mark.parametrize("feeds", [(ETH, ETH), (BTC, ETH)])
def test_update__feeds_do_not_ascend__is_refused(desk: Desk, feeds: tuple[int, int]) -> None:
    quotes = b"".join(packed_quotes({feed: Quote(P)}) for feed in feeds)
    domain = domain_separator(boa.env.evm.patch.chain_id, desk.markets.address)
    reports = [signed_report(desk.signers[i], domain, desk.now, quotes) for i in range(3)]
    with boa.reverts("oracle: feed order"):
        desk.send(reports, feeds=2)


def test_update__price_changed_after_signing__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    reports[1] = reports[1][:6] + usd(3_002).to_bytes(8, "big") + reports[1][14:]
    with boa.reverts("oracle: bad signature"):
        desk.send(reports)


@pytest.mark.parametrize("other", ["chain", "contract"])
def test_update__signed_for_another_chain_or_contract__is_refused(desk: Desk, other: str) -> None:
    chain = boa.env.evm.patch.chain_id + (other == "chain")
    address = desk.anyone if other == "contract" else desk.markets.address
    domain, quotes = domain_separator(chain, address), packed_quotes({ETH: Quote(P)})
    reports = [signed_report(desk.signers[i], domain, desk.now, quotes) for i in range(3)]
    with boa.reverts("oracle: bad signature"):
        desk.send(reports)


def test_update__chain_forks_to_a_new_id__old_signatures_end_and_new_ones_count(desk: Desk) -> None:
    old = desk.blob(usd(3_001))
    before = boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = before + 1
    try:
        with boa.reverts("oracle: bad signature"):
            desk.send(old)
        assert desk.offer(usd(3_001)) == 1
    finally:
        boa.env.evm.patch.chain_id = before


def test_update__invalid_recovery_id__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    reports[0] = reports[0][:-1] + b"\x1d"
    with boa.reverts("oracle: bad signature"):
        desk.send(reports)


# ---- seats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [4, 7, 8, 255])
def test_update__empty_or_missing_seat__is_refused(desk: Desk, index: int) -> None:
    reports = desk.blob(usd(3_001), sources=(0, 1))
    stranger = bytes([index]) + desk.report(4, desk.now, {ETH: Quote(usd(3_001))})[1:]
    with boa.reverts("oracle: unknown signer"):
        desk.send([*reports, stranger])


def test_set_signer__replaced__old_key_ends_new_key_counts_from_nothing(desk: Desk) -> None:
    desk.offer(usd(3_001))
    address = desk.signers[4].address
    desk.configurator.set_signer(2, address, sender=desk.owner)
    assert desk.markets.signer(2) == (int(address, 16) % 2**128, 0)
    desk.wait(1)
    with boa.reverts("oracle: bad signature"):
        desk.offer(usd(3_002))
    moved = [*desk.blob(usd(3_002), sources=(0, 1))]
    fifth = bytes([2]) + desk.report(4, desk.now, {ETH: Quote(usd(3_002))})[1:]
    assert desk.send([*moved, fifth]) == 1


def test_set_signer__emptied__three_of_three_remain(desk: Desk) -> None:
    desk.configurator.set_signer(1, "0x" + "00" * 20, sender=desk.owner)
    with boa.reverts("oracle: unknown signer"):
        desk.offer(usd(3_001))
    assert desk.offer(usd(3_001), sources=(0, 2, 3)) == 1


@pytest.mark.parametrize(("quorum", "chain"), [(0, 31_337), (1, 1), (2, 31_337), (9, 1)])
def test_deploy__quorum_out_of_range__is_refused(quorum: int, chain: int) -> None:
    with boa.swap_env(boa.Env()), refused("oracle: quorum out of range"):
        boa.env.evm.patch.chain_id = chain
        deploy_markets(ROLES, quorum)


@pytest.mark.parametrize(("quorum", "chain"), [(1, 31_337), (3, 1), (5, 1), (8, 1)])
def test_deploy__quorum_in_range__is_kept(quorum: int, chain: int) -> None:
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.chain_id = chain
        assert deploy_markets(ROLES, quorum).quorum() == quorum
