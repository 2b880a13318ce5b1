"""Signed reports: who may sign, what an update refuses and ignores, and the median of the rest.

Numbers in the names of tests are rows of docs/invariants.md and its oracle faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import boa
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import oracle as reference
from tests.stateful.compiled import compiled
from tests.support.reports import (
    Quote,
    Signed,
    Signer,
    blob,
    domain_separator,
    feed_bytes,
    packed_quotes,
    signed_report,
)
from tests.support.signing import key_of, source_address
from tests.unit.markets_support import (
    BTC,
    ETH,
    LINK,
    Desk,
    anchored,
    deploy_markets,
    refused,
    usd,
)

P = usd(3_000)
JUMP = P * 110 // 100
ROLES = dict.fromkeys(("configurator", "clearinghouse"), "0x" + "c0" * 20)


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.wait(10)
    return desk


def seat_all(desk: Desk) -> None:
    """Fill all eight seats."""
    del desk.signers[4:]
    for index in range(4, 8):
        desk.signers.append(Signer(index, f"0x{source_address(index):040x}", key_of(index)))
        desk.configurator.set_signer(index, desk.signers[index].address, sender=desk.owner)


def quotes_of(prices: Sequence[int], confs: Sequence[int]) -> list[reference.Quote]:
    return [reference.Quote(ETH, p, c) for p, c in zip(prices, confs, strict=True)]


# ---- accepted ------------------------------------------------------------------------------------


def test_update__three_sources_agree__stores_and_logs_the_word(desk: Desk) -> None:
    price = usd(3_001)
    assert desk.offer(price, conf=20) == 1
    (event,) = desk.events("PricesAccepted")
    stored = desk.price()
    assert (stored.price, stored.conf, stored.publish, stored.gap) == (price, 20, desk.now, 10)
    assert event.feeds == ETH << 24
    assert list(event.words) == [desk.markets.market_words(ETH)[0], 0, 0, 0]


@pytest.mark.parametrize("sources", [(0, 1, 2), (0, 1, 3), (1, 2, 3), (0, 1, 2, 3)])
def test_update__any_quorum__stores(desk: Desk, sources: tuple[int, ...]) -> None:
    assert desk.offer(usd(3_001), sources=sources) == 1


def test_update__three_feeds__all_are_stored_by_one_signature_a_source(desk: Desk) -> None:
    quotes = {ETH: Quote(usd(3_001)), BTC: Quote(usd(60_001)), LINK: Quote(usd(10.01))}
    assert desk.send([desk.report(i, desk.now, quotes) for i in range(3)]) == 3
    assert [desk.price(m).price for m in quotes] == [q.price for q in quotes.values()]


def test_update__unlisted_feed__is_skipped_and_the_others_stored(desk: Desk) -> None:
    quotes = {ETH: Quote(usd(3_001)), 77: Quote(usd(5))}
    assert desk.send([desk.report(i, desk.now, quotes) for i in range(3)]) == 1


@pytest.mark.parametrize("price", [0, usd(5)])
def test_update__unlisted_feeds_alone__leave_no_word_and_no_event(desk: Desk, price: int) -> None:
    quotes = {feed: Quote(price) for feed in (0, 77, 255)}
    assert desk.send([desk.report(i, desk.now, quotes) for i in range(3)]) == 0
    assert desk.events("PricesAccepted") == []
    prices = compiled("Markets").layout["storage_layout"]["market_state"]["prices"]["slot"]
    assert [boa.env.get_storage(desk.markets.address, prices + feed) for feed in quotes] == [0] * 3


def test_update__nine_feeds__events_tell_which_were_stored(desk: Desk) -> None:
    quotes = {feed: Quote(usd(1)) for feed in range(30, 39)}
    del quotes[30], quotes[34], quotes[38]
    quotes |= {ETH: Quote(usd(3_001)), BTC: Quote(usd(60_001)), LINK: Quote(usd(10.01))}
    # in an order of the sources' own: BTC stands fifth, ETH sixth, LINK ninth
    order = [31, 32, 33, 35, BTC, ETH, 36, 37, LINK]
    packed = b"".join(packed_quotes({feed: quotes[feed]}) for feed in order)
    domain = domain_separator(boa.env.evm.patch.chain_id, desk.markets.address)
    signers = desk.signers[:3]
    reports = [signed_report(each, domain, desk.now, bytes(order), packed) for each in signers]
    assert desk.send(reports) == 3
    second, third = desk.events("PricesAccepted")
    words = {m: desk.markets.market_words(m)[0] for m in (BTC, ETH, LINK)}
    assert second.feeds.to_bytes(4, "big") == bytes((BTC, ETH, 36, 37))
    assert list(second.words) == [words[BTC], words[ETH], 0, 0]
    assert third.feeds.to_bytes(4, "big") == bytes((LINK, 0, 0, 0))
    assert list(third.words) == [words[LINK], 0, 0, 0]


def test_update__sixteen_feeds_of_eight_sources__are_taken(desk: Desk) -> None:
    seat_all(desk)
    quotes = {feed: Quote(usd(1)) for feed in range(30, 45)} | {ETH: Quote(usd(3_001))}
    reports = [desk.report(i, desk.now, quotes) for i in range(8)]
    assert desk.send(reports) == 1
    del desk.signers[5:]


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
    assert desk.signer_times()[:3] == list(times)


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
    with boa.reverts("oracle: bad signature"):
        desk.send([*reports, replace(reports[1], seat=2)])


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


# ---- per signer never back -----------------------------------------------------------------------

SECONDS = st.integers(-3, 1)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([(0, 1, 2), (0, 1, 3), (1, 2, 3), (0, 1, 2, 3)]),
            st.tuples(SECONDS, SECONDS, SECONDS, SECONDS),
            st.sampled_from([P, P + usd(1), JUMP, usd(1)]),
            st.integers(0, 2),
            st.sampled_from([(ETH,), (ETH, BTC), (BTC, LINK)]),
            st.booleans(),
        ),
        min_size=2,
        max_size=8,
    )
)
def test_40_update__any_times__no_report_that_counts_is_older_than_its_signers_last(
    markets_alone: Desk,
    steps: list[tuple[tuple[int, ...], tuple[int, ...], int, int, tuple[int, ...], bool]],
) -> None:
    usual = {ETH: P, BTC: usd(60_000), LINK: usd(10)}
    with anchored(markets_alone) as desk:
        desk.wait(10)
        newest = dict.fromkeys(range(4), 0)
        for sources, offsets, price, wait, feeds, together in steps:
            desk.wait(wait)
            if together:
                offsets = offsets[:1] * 4
            times = {i: desk.now + offset for i, offset in zip(sources, offsets, strict=False)}
            if max(times.values()) - min(times.values()) > 3:
                continue
            before = desk.digest()
            quotes = {feed: Quote(usual[feed] * price // P) for feed in feeds}
            desk.send([desk.report(i, t, quotes) for i, t in times.items()])
            if desk.digest() != before:
                assert all(t >= newest[i] for i, t in times.items())
                newest |= times


def test_40_update__the_clocks_price_tells_all__the_signers_word_is_left_alone(desk: Desk) -> None:
    before = desk.markets.signers()
    assert desk.offer(usd(3_001)) == 1
    # of the same second, and no price of the clock's among them
    assert desk.offer(usd(60_001), market=BTC) == 1
    # refused, and still older reports change nothing
    assert desk.send([desk.report(i, desk.now, {LINK: Quote(1)}) for i in range(3)]) == 0
    assert desk.markets.signers() == before
    older = desk.blob(usd(10), market=LINK, publish=desk.now - 1)
    word = desk.digest()
    assert desk.send(older) == 0
    assert desk.digest() == word


def test_40_update__another_market_than_the_clock__holds_its_signers(desk: Desk) -> None:
    assert desk.offer(usd(60_001), market=BTC) == 1
    assert desk.signer_times() == [desk.now] * 3 + [desk.now - 15]
    late = desk.blob(usd(3_001), publish=desk.now - 1)
    before = desk.digest()
    assert desk.send(late) == 0
    assert desk.digest() == before


@pytest.mark.parametrize(("behind", "stored"), [(0, 1), (1, 0)])
def test_40_update__older_than_the_clock__changes_nothing_whoever_signed(
    desk: Desk, behind: int, stored: int
) -> None:
    seat_all(desk)
    desk.offer(usd(3_001), sources=(0, 1, 2))
    times = (desk.now, desk.now, desk.now - behind)
    quotes = {BTC: Quote(usd(60_001))}
    reports = [desk.report(i, t, quotes) for i, t in zip((5, 6, 7), times, strict=True)]
    before = desk.digest()
    assert desk.send(reports) == stored
    assert (desk.digest() == before) == (stored == 0)
    del desk.signers[5:]


def test_40_update__older_report_after_a_jump_waits__does_not_cancel_it(desk: Desk) -> None:
    older = desk.blob(usd(3_010), publish=desk.now - 1)
    desk.offer(JUMP)
    before = desk.digest()
    assert desk.send(older) == 0
    assert desk.digest() == before


def test_40_update__older_report_after_a_refused_one__does_not_clear_the_doubt(desk: Desk) -> None:
    older = desk.blob(usd(3_001), publish=desk.now - 1)
    desk.offer(1)
    before = desk.digest()
    assert desk.send(older) == 0
    assert desk.digest() == before


def test_40_update__a_source_ahead_of_the_others__is_held_and_they_are_not(desk: Desk) -> None:
    ahead = [desk.report(i, desk.now + i // 2, {ETH: Quote(P)}) for i in range(3)]
    desk.send(ahead)
    assert desk.signer_times() == [desk.now, desk.now, desk.now + 1, desk.now + 1 - 15]
    desk.wait(1)
    again = desk.report(2, desk.now - 1, {ETH: Quote(P)})
    others = [desk.report(i, desk.now, {ETH: Quote(P)}) for i in (0, 1)]
    assert desk.send([*others, again]) == 0
    assert desk.send([*others, desk.report(3, desk.now, {ETH: Quote(P)})]) == 1


@pytest.mark.parametrize(("behind", "stored"), [(15, 1), (16, 0)])
def test_40_update__others_behind_the_newest__may_be_fifteen_seconds_late(
    desk: Desk, behind: int, stored: int
) -> None:
    desk.wait(20)
    seat_all(desk)
    desk.offer(1)  # refused, so the signers are held to the time of it
    late = desk.blob(usd(60_001), market=BTC, publish=desk.now - behind, sources=(3, 4, 5))
    assert desk.send(late) == stored
    del desk.signers[5:]


# ---- blobs ---------------------------------------------------------------------------------------


def raw_of(desk: Desk, reports: Sequence[Signed]) -> bytes:
    return blob(reports, desk.seats())


def test_update__wrong_length__is_refused(desk: Desk) -> None:
    raw = raw_of(desk, desk.blob(usd(3_001)))
    for bad in (b"", raw[:31], raw[:-1], raw + b"\0", raw[:1] + b"\2" + raw[2:]):
        with boa.reverts("oracle: bad blob"):
            desk.send_raw(bad)


def test_update__wrong_count_of_signers_left_out__is_refused(desk: Desk) -> None:
    raw = raw_of(desk, desk.blob(usd(3_001)))
    for count in (0, 2, 255):
        with boa.reverts("oracle: bad blob"):
            desk.send_raw(raw[:2] + bytes((count,)) + raw[3:])
    # nine of them fit the length and no seats
    with boa.reverts("oracle: bad blob"):
        desk.send_raw(raw[:2] + bytes((9,)) + raw[3:52] + bytes(8 * 21) + raw[52:])


def test_update__nine_reports__are_refused(desk: Desk) -> None:
    raw = raw_of(desk, desk.blob(usd(3_001)))
    reports = raw[52:] * 3
    with boa.reverts("oracle: bad blob"):
        desk.send_raw(bytes((9,)) + raw[1:52] + reports)


def test_update__seventeen_feeds__are_refused(desk: Desk) -> None:
    raw = raw_of(desk, desk.blob(usd(3_001)))
    reports = b"".join(raw[52 + 74 * i :][:10] * 17 + raw[52 + 74 * i :][10:74] for i in range(3))
    with boa.reverts("oracle: bad blob"):
        desk.send_raw(raw[:1] + bytes((17,)) + raw[2:52] + reports)


def test_update__no_feeds__is_refused(desk: Desk) -> None:
    reports = [desk.report(i, desk.now, {}) for i in range(3)]
    with boa.reverts("oracle: bad blob"):
        desk.send(reports)


def test_update__head_names_a_newer_second__the_reports_own_times_count(desk: Desk) -> None:
    desk.wait(1)
    raw = raw_of(desk, desk.blob(usd(3_001), publish=desk.now - 1))
    entries = bytes(each + 1 for each in raw[7:10])
    assert desk.send_raw(raw[:3] + desk.now.to_bytes(4, "big") + entries + raw[10:]) == 1
    assert desk.price().publish == desk.now - 1
    assert desk.signer_times() == [desk.now - 1] * 3 + [desk.now - 1 - 15]


@pytest.mark.parametrize("newest", [0, 30, 2**32 - 1])
def test_41_update__reports_from_before_time__are_refused(desk: Desk, newest: int) -> None:
    raw = raw_of(desk, desk.blob(usd(3_001)))
    with boa.reverts("oracle: from the future"):
        desk.send_raw(raw[:3] + newest.to_bytes(4, "big") + raw[7:])


def test_update__bytes_after_the_entries__mean_nothing(desk: Desk) -> None:
    reports = [desk.report(i, desk.now - i // 2, {ETH: Quote(usd(3_001))}) for i in range(3)]
    raw = raw_of(desk, reports)
    assert desk.send_raw(raw[:10] + b"\xff" * 5 + raw[15:]) == 1
    assert desk.signer_times() == [desk.now, desk.now, desk.now - 1, desk.now - 15]


def test_update__bytes_after_the_feeds__are_signed_as_zeros(desk: Desk) -> None:
    raw = raw_of(desk, desk.blob(usd(3_001)))
    with boa.reverts("oracle: bad signature"):
        desk.send_raw(raw[:30] + b"\1" + raw[31:])


def test_update__a_source_signed_other_feeds__is_refused(desk: Desk) -> None:
    for sources in ((0, 1, 2), (0, 1, 2, 3)):
        feeds = [ETH] * (len(sources) - 1) + [BTC]
        reports = [
            desk.report(i, desk.now, {f: Quote(usd(3_001))})
            for i, f in zip(sources, feeds, strict=True)
        ]
        with boa.reverts("oracle: bad signature"):
            desk.send(reports)


def test_update__feed_twice__counts_once(desk: Desk) -> None:
    packed = packed_quotes({ETH: Quote(usd(3_001))}) + packed_quotes({ETH: Quote(usd(3_002))})
    domain = domain_separator(boa.env.evm.patch.chain_id, desk.markets.address)
    signers = desk.signers[:3]
    reports = [signed_report(each, domain, desk.now, bytes((ETH, ETH)), packed) for each in signers]
    assert desk.send(reports) == 1
    assert desk.price().price == usd(3_001)


def test_update__price_changed_after_signing__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    reports[1] = replace(reports[1], quotes=packed_quotes({ETH: Quote(usd(3_002))}))
    with boa.reverts("oracle: bad signature"):
        desk.send(reports)


def test_update__time_changed_after_signing__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    reports[1] = replace(reports[1], publish=desk.now - 1)
    with boa.reverts("oracle: bad signature"):
        desk.send(reports)


@pytest.mark.parametrize("other", ["chain", "contract"])
def test_update__signed_for_another_chain_or_contract__is_refused(desk: Desk, other: str) -> None:
    chain = boa.env.evm.patch.chain_id + (other == "chain")
    address = desk.anyone if other == "contract" else desk.markets.address
    domain, quotes = domain_separator(chain, address), {ETH: Quote(P)}
    reports = [
        signed_report(each, domain, desk.now, feed_bytes(quotes), packed_quotes(quotes))
        for each in desk.signers[:3]
    ]
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


def test_update__signature_of_nobody__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    reports[0] = replace(reports[0], signature=bytes(64))
    with boa.reverts("oracle: bad signature"):
        desk.send(reports)


# ---- seats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seat", [4, 7])
@pytest.mark.parametrize("signature", ["a stranger's", "nobody's"])
def test_update__empty_seat__signs_nothing(desk: Desk, seat: int, signature: str) -> None:
    stranger = replace(desk.report(4, desk.now, {ETH: Quote(usd(3_001))}), seat=seat)
    if signature == "nobody's":
        # ecrecover answers zero, which is what stands in an empty seat
        stranger = replace(stranger, signature=bytes(64))
    with boa.reverts("oracle: bad signature"):
        desk.send([*desk.blob(usd(3_001), sources=(0, 1)), stranger])


def test_update__signers_left_out_not_named_right__is_refused(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    seats = desk.seats()
    for wrong in ({}, {3: desk.anyone}, {2: seats[2]}, {3: seats[3], 4: desk.anyone}):
        with boa.reverts("oracle: bad signature"):
            desk.send_raw(blob(reports, {0: seats[0], 1: seats[1], **wrong}))


def test_update__signer_named_as_left_out_and_reporting__has_to_sign(desk: Desk) -> None:
    reports = desk.blob(usd(3_001))
    forged = replace(desk.report(4, desk.now, {ETH: Quote(usd(3_001))}), seat=2)
    for third, reason in ((reports[2], None), (forged, "oracle: bad signature")):
        raw = raw_of(desk, [*reports[:2], third])
        entry = bytes((2 << 5,)) + bytes.fromhex(desk.seats()[2][2:])
        both = raw[:2] + bytes((2,)) + raw[3:31] + entry + raw[31:]
        if reason is None:
            assert desk.send_raw(both) == 1
            desk.wait(1)
        else:
            with boa.reverts(reason):
                desk.send_raw(both)


def test_set_signer__replaced__old_key_ends_new_key_counts(desk: Desk) -> None:
    desk.offer(usd(3_001))
    address = desk.signers[4].address
    desk.configurator.set_signer(2, address, sender=desk.owner)
    desk.wait(1)
    with boa.reverts("oracle: bad signature"):
        desk.offer(usd(3_002))
    moved = desk.blob(usd(3_002), sources=(0, 1))
    fifth = replace(desk.report(4, desk.now, {ETH: Quote(usd(3_002))}), seat=2)
    assert desk.send([*moved, fifth]) == 1


def test_set_signer__any_list__its_hash_stands_above_the_times(desk: Desk) -> None:
    desk.offer(1)
    newest = desk.now
    assert desk.signer_times()[3] == newest - 15
    desk.configurator.set_signer(7, desk.signers[4].address, sender=desk.owner)
    seats = [desk.seats().get(seat, "0x" + "00" * 20) for seat in range(8)]
    digest = int.from_bytes(keccak(encode(["address"] * 8, seats)), "big")
    # and everybody is held to the newest of them
    assert desk.markets.signers() == digest >> 64 << 64 | newest << 32


def test_set_signer__moved_to_another_seat__does_not_go_back_there(desk: Desk) -> None:
    nobody, mover = "0x" + "00" * 20, desk.signers[2].address
    older = replace(desk.report(2, desk.now - 1, {BTC: Quote(usd(60_001))}), seat=5)
    desk.send([desk.report(i, desk.now, {BTC: Quote(1)}) for i in (0, 1, 2)])  # refused
    desk.configurator.set_signer(2, nobody, sender=desk.owner)
    desk.configurator.set_signer(5, mover, sender=desk.owner)
    others = [desk.report(i, desk.now, {BTC: Quote(usd(60_001))}) for i in (0, 1)]
    before = desk.digest()
    assert desk.send([*others, older]) == 0
    assert desk.digest() == before
    newer = replace(desk.report(2, desk.now, {BTC: Quote(usd(60_001))}), seat=5)
    assert desk.send([*others, newer]) == 1


def test_set_signer__emptied__three_of_three_remain(desk: Desk) -> None:
    full = raw_of(desk, desk.blob(usd(3_001)))
    desk.configurator.set_signer(1, "0x" + "00" * 20, sender=desk.owner)
    with boa.reverts("oracle: bad signature"):
        desk.send_raw(full)
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
