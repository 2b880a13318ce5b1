# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Signed price reports: who may sign, what was signed, the median of it
@license AGPL-3.0-only
@notice docs/spec/oracle.md#blob and #update. One EIP-712 signature a source covers all feeds of
        its report. One slot knows the signers, as a hash of their list, and the times below which
        they may not fall back; a blob therefore names the signers that it leaves out.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import errors
from libs import feed_math
from libs import market_packing
from libs import packing
from libs import signed_domain
from modules import market_prices
from modules import market_state

uses: market_prices
uses: market_state

MAX_BLOB: constant(uint256) = 2048
MAX_SIGNERS: constant(uint256) = 8
MAX_FEEDS: constant(uint256) = 16
# price words in an event
GROUP: constant(uint256) = 4
# of a blob: its head, a signer who is left out, a quote, a signature
HEAD_BYTES: constant(uint256) = 31
ABSENT_BYTES: constant(uint256) = 21
QUOTE_BYTES: constant(uint256) = 10
SIGNATURE_BYTES: constant(uint256) = 64
WORD_BYTES: constant(uint256) = 32
# how far a publish time may run ahead of the block [s]
FUTURE: constant(uint256) = 1
# how long before the newest a report may be by the five bits of its entry [s]
MAX_EARLY: constant(uint256) = 31
# what a lane of the signers word holds [s]
MAX_WINDOW: constant(uint256) = 15
# the market whose price no update may be older than
CLOCK: constant(uint256) = 1
# no signers word: it has a time
STALE: constant(uint256) = 0
LOCAL_CHAIN: constant(uint256) = 31_337
REPORT_TYPE: constant(bytes32) = keccak256(
    "Report(uint256 publishTime,bytes32 feeds,bytes quotes)"
)

DOMAIN: immutable(bytes32)
CHAIN: immutable(uint256)
QUORUM: immutable(uint256)
WINDOW: immutable(uint256)

# docs/spec/words.md#signers
signers: uint256


@deploy
def __init__(quorum: uint256, window: uint256):
    """
    @param quorum 2f + 1 of 3f + 1 signers, at least 3; 1 only on a local chain
    @param window [s] newest minus oldest publish time of an update
    @custom:reverts "oracle: quorum out of range", "markets: out of range"
    """
    alone: bool = quorum == 1 and chain.id == LOCAL_CHAIN
    if quorum > MAX_SIGNERS or (quorum < 3 and not alone):
        errors._fail("oracle: quorum out of range")
    if window > MAX_WINDOW:
        errors._fail("markets: out of range")
    DOMAIN = signed_domain._domain()
    CHAIN = chain.id
    QUORUM = quorum
    WINDOW = window
    self._set_signers(empty(address[MAX_SIGNERS]))


@external
@reentrant
def update(reports: Bytes[MAX_BLOB]) -> uint256:
    """
    @notice Verify signed reports, store the medians that pass every guard.
    @param reports packed as docs/spec/oracle.md#blob
    @return how many feeds stored a new price; 0 for a replay
    @custom:reverts "oracle: …" for a blob that no honest quorum signed
    """
    if len(reports) < WORD_BYTES:
        errors._fail("oracle: bad blob")
    head: uint256 = extract32(reports, 0, output_type=uint256)
    at: uint256 = self._first_report(head, len(reports))
    known: uint256 = self.signers
    spread: uint256 = self._verified(reports, head, known)
    # newest minus (newest minus oldest)
    publish: uint256 = unsafe_sub(head // market_packing.NEWEST_AT & packing.MASK_32, spread)
    clock: uint256 = market_state.prices[CLOCK] // packing.PUBLISH_AT & packing.MASK_32
    last: uint256 = known // market_packing.TOP_AT & packing.MASK_32
    if publish < clock or (publish < last and self._marked(known, head) == STALE):
        return 0

    feeds: uint256 = head // packing.FEEDS_AT & packing.MASK_8
    # counts are single bytes, and places in a blob below 2^12, here and below
    stride: uint256 = unsafe_add(unsafe_mul(feeds, QUOTE_BYTES), SIGNATURE_BYTES)
    ids: uint256 = unsafe_mul(head // market_packing.FEEDS_AT, market_packing.FEEDS_FROM)
    group: uint256 = ids // market_packing.GROUP_AT
    words: uint256[GROUP] = empty(uint256[GROUP])
    usual: bool = head // packing.COUNT_AT == 3
    # above eight bits the feeds in doubt
    stored: uint256 = 0
    for k: uint256 in range(feeds, bound=MAX_FEEDS):
        if k & 3 == 0 and k != 0:
            self._log(group, words)
            group = ids // market_packing.GROUP_AT
            words = empty(uint256[GROUP])
        quote: uint256 = 0
        if usual:
            quote = feed_math._median_of_three(
                extract32(reports, at, output_type=uint256),
                extract32(reports, unsafe_add(at, stride), output_type=uint256),
                extract32(reports, unsafe_add(at, unsafe_mul(stride, 2)), output_type=uint256),
            )
        else:
            quote = self._median(reports, at, stride, head // packing.COUNT_AT)
        at = unsafe_add(at, QUOTE_BYTES)
        word: uint256 = market_prices._offer(ids // packing.COUNT_AT, quote, publish)
        ids = unsafe_mul(ids, market_packing.NEXT_BYTE)
        if word > market_prices.DOUBT:
            words[k & 3] = word
            word = 1
        stored = unsafe_add(stored, word)
    self._log(group, words)
    if stored != 0:
        # docs/spec/oracle.md#told: the clock tells the times of reports that are all of its second
        clock = market_state.prices[CLOCK] // packing.PUBLISH_AT & packing.MASK_32
        if spread != 0 or clock != publish:
            self.signers = self._marked(known, head)
    return stored & packing.MASK_8


@internal
def _offer(market: uint256, quote: uint256, publish: uint256):
    """
    @notice One feed that nobody signed: its adapter was asked.
    """
    word: uint256 = market_prices._offer(market, quote, publish)
    if word > market_prices.DOUBT:
        # a market that stored a price is one byte
        self._log(unsafe_mul(market, market_packing.FIRST_FEED), [word, 0, 0, 0])


@internal
@view
def _verified(reports: Bytes[MAX_BLOB], head: uint256, known: uint256) -> uint256:
    """
    @notice Check the times and signatures of a blob against the signers word.
    @return [s] newest minus oldest publish time
    @custom:reverts "oracle: signer order", "oracle: window", "oracle: bad signature"
    """
    seats: address[MAX_SIGNERS] = empty(address[MAX_SIGNERS])
    at: uint256 = HEAD_BYTES
    for _: uint256 in range(head // market_packing.ABSENTS_AT & packing.MASK_8, bound=MAX_SIGNERS):
        absent: uint256 = extract32(reports, at, output_type=uint256)
        seats[absent // market_packing.SEAT_AT] = convert(
            absent // market_packing.ABSENT_AT & packing.MASK_160, address
        )
        # places in a blob and seconds, here and below
        at = unsafe_add(at, ABSENT_BYTES)

    # what EIP-712 puts before the hash of a report, made once
    prefix: Bytes[34] = concat(x"1901", DOMAIN)
    if chain.id != CHAIN:
        prefix = concat(x"1901", signed_domain._domain())
    # counts, seats and seconds; a seat is at most 7, an entry at most 31 s early
    size: uint256 = unsafe_mul(head // packing.FEEDS_AT & packing.MASK_8, QUOTE_BYTES)
    ids: uint256 = unsafe_mul(head // market_packing.FEEDS_AT, market_packing.FEEDS_FROM)
    newest: uint256 = head // market_packing.NEWEST_AT & packing.MASK_32
    entries: uint256 = unsafe_mul(head, market_packing.ENTRIES_FROM)
    spread: uint256 = 0
    next_seat: uint256 = 0
    # what is unchecked is as above: places, counts, seats, seconds, and one bit of a signature
    for _: uint256 in range(head // packing.COUNT_AT, bound=MAX_SIGNERS):
        seat: uint256 = entries // market_packing.SEAT_AT
        early: uint256 = entries // packing.COUNT_AT & packing.MASK_5
        entries = unsafe_mul(entries, market_packing.NEXT_BYTE)
        if seat < next_seat:
            errors._fail("oracle: signer order")
        next_seat = unsafe_add(seat, 1)
        if early > spread:
            spread = early
        time: uint256 = unsafe_sub(newest, early)
        body: bytes32 = keccak256(slice(reports, at, size))
        at = unsafe_add(unsafe_add(at, size), SIGNATURE_BYTES)
        vs: uint256 = extract32(reports, unsafe_sub(at, 32), output_type=uint256)
        signer: address = ecrecover(
            keccak256(concat(prefix, keccak256(abi_encode(REPORT_TYPE, time, ids, body)))),
            unsafe_add(vs // market_packing.PARITY_AT, 27),
            extract32(reports, unsafe_sub(at, 64), output_type=uint256),
            vs & market_packing.MASK_255,
        )
        if signer == empty(address):
            errors._fail("oracle: bad signature")
        seats[seat] = signer
    if (convert(keccak256(abi_encode(seats)), uint256) ^ known) // market_packing.DIGEST_AT != 0:
        errors._fail("oracle: bad signature")
    if spread > WINDOW:
        errors._fail("oracle: window")
    return spread


@internal
@pure
def _median(reports: Bytes[MAX_BLOB], at: uint256, stride: uint256, count: uint256) -> uint256:
    """
    @param at place of the first source's quote; the others' follow in strides
    """
    raws: uint256[MAX_SIGNERS] = empty(uint256[MAX_SIGNERS])
    for i: uint256 in range(count, bound=MAX_SIGNERS):
        raws[i] = extract32(reports, at + i * stride, output_type=uint256)
    return feed_math._median(raws, count)


@internal
@pure
def _marked(known: uint256, head: uint256) -> uint256:
    """
    @notice Nobody falls behind what he reported, nor more than a lane behind the newest report.
    @return the signers word after an update, STALE when a report is too old for it
    """
    newest: uint256 = head // market_packing.NEWEST_AT & packing.MASK_32
    last: uint256 = known // market_packing.TOP_AT & packing.MASK_32
    times: uint256[MAX_SIGNERS] = empty(uint256[MAX_SIGNERS])
    # the next entry comes to the top; an entry is at most 31 s early, publish times are large
    entries: uint256 = unsafe_mul(head, market_packing.ENTRIES_FROM)
    top: uint256 = last
    for _: uint256 in range(head // packing.COUNT_AT, bound=MAX_SIGNERS):
        # as above
        early: uint256 = entries // packing.COUNT_AT & packing.MASK_5
        times[entries // market_packing.SEAT_AT] = unsafe_sub(newest, early)
        top = max(top, unsafe_sub(newest, early))
        entries = unsafe_mul(entries, market_packing.NEXT_BYTE)

    # 32 bits under the hash; a lane is at most what was between its mark and the top
    marked: uint256 = unsafe_mul(known // market_packing.DIGEST_AT, market_packing.DIGEST_AT)
    marked |= unsafe_mul(top, market_packing.TOP_AT)
    for seat: uint256 in range(MAX_SIGNERS):
        # as above
        mark: uint256 = unsafe_sub(last, market_packing._lane(known, seat))
        if times[seat] != 0:
            if times[seat] < mark:
                return STALE
            mark = times[seat]
        # top is the largest of all marks
        behind: uint256 = min(unsafe_sub(top, mark), MAX_WINDOW)
        marked |= market_packing._at_lane(seat, behind)
    return marked


@internal
def _log(feeds: uint256, words: uint256[GROUP]):
    """
    @notice One event for up to four feeds, since a topic costs more than a word.
    """
    if words[0] | words[1] | words[2] | words[3] != 0:
        log IMarkets.PricesAccepted(feeds=feeds, words=words)


@internal
def _set_signers(seats: address[MAX_SIGNERS]):
    """
    @notice Who may sign, by seat; zero is an empty seat. Nobody may then fall behind the newest
            time, so that whoever moves from seat to seat does not go back either.
    """
    digest: uint256 = convert(keccak256(abi_encode(seats)), uint256) // market_packing.DIGEST_AT
    # 192 bits above the time, above lanes of zero
    self.signers = unsafe_mul(digest, market_packing.DIGEST_AT) | (
        self.signers & market_packing.TOP_MASK
    )


@internal
@view
def _first_report(head: uint256, length: uint256) -> uint256:
    """
    @return place of the first report
    @custom:reverts "oracle: bad blob", "oracle: no quorum", "oracle: from the future"
    """
    count: uint256 = head // packing.COUNT_AT
    feeds: uint256 = head // packing.FEEDS_AT & packing.MASK_8
    absents: uint256 = head // market_packing.ABSENTS_AT & packing.MASK_8
    # all are single bytes, and no feeds wrap to many
    first: uint256 = unsafe_add(HEAD_BYTES, unsafe_mul(absents, ABSENT_BYTES))
    stride: uint256 = unsafe_add(unsafe_mul(feeds, QUOTE_BYTES), SIGNATURE_BYTES)
    due: uint256 = unsafe_add(first, unsafe_mul(count, stride))
    seats: uint256 = unsafe_add(count, absents)
    if unsafe_sub(feeds, 1) >= MAX_FEEDS or seats > MAX_SIGNERS or length != due:
        errors._fail("oracle: bad blob")
    if count < QUORUM:
        errors._fail("oracle: no quorum")
    # times before MAX_EARLY wrap to the far future, where the reports before them would be
    newest: uint256 = head // market_packing.NEWEST_AT & packing.MASK_32
    if unsafe_sub(newest, MAX_EARLY) > unsafe_sub(block.timestamp, MAX_EARLY - FUTURE):
        errors._fail("oracle: from the future")
    return first
