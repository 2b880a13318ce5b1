# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Signed price reports: who may sign, what was signed, the median of it
@license AGPL-3.0-only
@notice docs/spec/oracle.md#blob and steps 1-3 of #update. One EIP-712 signature a source covers
        all feeds of its report. A signer is stored as the low 128 bits of the address, two a
        slot, so that three cost two cold slots; finding a second key with the same tail takes
        2^128 tries.
@custom:kill not deployable
"""

from snekmate.utils import eip712_domain_separator as domain

from interfaces import IMarkets
from libs import errors
from libs import feed_math
from libs import packing

initializes: domain

MAX_BLOB: constant(uint256) = 2048
MAX_SIGNERS: constant(uint256) = 8
TAIL_WORDS: constant(uint256) = 4
MAX_FEEDS: constant(uint256) = 16
# of a blob: counts before the reports, head of a report, one quote, signature
COUNT_BYTES: constant(uint256) = 2
HEAD_BYTES: constant(uint256) = 5
QUOTE_BYTES: constant(uint256) = 11
SIGNATURE_BYTES: constant(uint256) = 65
# how far a publish time may run ahead of the block [s]
FUTURE: constant(uint256) = 1
MAX_WINDOW: constant(uint256) = 60
LOCAL_CHAIN: constant(uint256) = 31_337
REPORT_TYPE: constant(bytes32) = keccak256("Report(uint256 publishTime,bytes quotes)")

QUORUM: immutable(uint256)
WINDOW: immutable(uint256)

tails: uint256[TAIL_WORDS]
times: uint256
signers: address[MAX_SIGNERS]


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
    domain.__init__("Plimsoll", "1")
    QUORUM = quorum
    WINDOW = window


@internal
def _set_signer(index: uint256, signer: address):
    """
    @notice A newcomer starts with no publish time of his own: nothing he signed before counts
            against him, and every feed still only moves forward.
    @custom:reverts "oracle: unknown signer", "oracle: signer listed twice"
    """
    if index >= MAX_SIGNERS:
        errors._fail("oracle: unknown signer")
    tail: uint256 = packing._tail(signer)
    for i: uint256 in range(MAX_SIGNERS):
        if tail != 0 and packing._half(self.tails[i // 2], i) == tail:
            errors._fail("oracle: signer listed twice")

    old: address = self.signers[index]
    self.signers[index] = signer
    self.tails[index // 2] = packing._with_half(self.tails[index // 2], index, tail)
    self.times = packing._with_signer_time(self.times, index, 0)

    log IMarkets.SignerSet(index=index, old=old, new=signer)


@internal
def _verified(reports: Bytes[MAX_BLOB]) -> (uint256, DynArray[uint256, MAX_FEEDS]):
    """
    @notice Check order, times and signatures, remember the signers' times.
    @return oldest publish time and the medians; no medians when a report is older than one
            already taken from its signer
    """
    count: uint256 = 0
    feeds: uint256 = 0
    stride: uint256 = 0
    count, feeds, stride = self._shape(extract32(reports, 0, output_type=uint256), len(reports))

    separator: bytes32 = domain._domain_separator_v4()
    times: uint256 = self.times
    new_times: uint256 = times
    oldest: uint256 = max_value(uint256)
    newest: uint256 = 0
    next_signer: uint256 = 0
    replayed: bool = False
    for i: uint256 in range(count, bound=MAX_SIGNERS):
        start: uint256 = COUNT_BYTES + i * stride
        signer: uint256 = 0
        publish: uint256 = 0
        signer, publish = packing._report_head(extract32(reports, start, output_type=uint256))
        if signer < next_signer:
            errors._fail("oracle: signer order")
        next_signer = signer + 1
        oldest = min(oldest, publish)
        newest = max(newest, publish)

        tail: uint256 = start + stride - SIGNATURE_BYTES
        quotes: bytes32 = keccak256(slice(reports, start + HEAD_BYTES, feeds * QUOTE_BYTES))
        self._check_signature(
            signer,
            keccak256(
                concat(
                    x"1901",
                    separator,
                    keccak256(abi_encode(REPORT_TYPE, publish, quotes)),
                )
            ),
            extract32(reports, tail, output_type=uint256),
            extract32(reports, tail + 32, output_type=uint256),
            packing._last_byte(extract32(reports, tail + 33, output_type=uint256)),
        )
        if publish < packing._signer_time(times, signer):
            replayed = True
        new_times = packing._with_signer_time(new_times, signer, publish)

    self._check_times(oldest, newest)
    if replayed:
        return oldest, []
    if new_times != times:
        self.times = new_times
    return oldest, self._medians(reports, count, feeds, stride)


@internal
@view
def _shape(head: uint256, length: uint256) -> (uint256, uint256, uint256):
    """
    @return reports, feeds and bytes of one report
    @custom:reverts "oracle: bad blob", "oracle: no quorum"
    """
    count: uint256 = 0
    feeds: uint256 = 0
    count, feeds = packing._blob_counts(head)
    # count and feeds are single bytes
    stride: uint256 = unsafe_add(HEAD_BYTES + SIGNATURE_BYTES, unsafe_mul(feeds, QUOTE_BYTES))
    if feeds == 0 or feeds > MAX_FEEDS or count > MAX_SIGNERS:
        errors._fail("oracle: bad blob")
    if length != unsafe_add(COUNT_BYTES, unsafe_mul(count, stride)):
        errors._fail("oracle: bad blob")
    if count < QUORUM:
        errors._fail("oracle: no quorum")
    return count, feeds, stride


@internal
@view
def _check_times(oldest: uint256, newest: uint256):
    """
    @custom:reverts "oracle: from the future", "oracle: window"
    """
    if newest > block.timestamp + FUTURE:
        errors._fail("oracle: from the future")
    if newest - oldest > WINDOW:
        errors._fail("oracle: window")


@internal
@view
def _check_signature(index: uint256, digest: bytes32, r: uint256, s: uint256, v: uint256):
    """
    @notice A second signature over the same report changes nothing, so s may be high.
    @custom:reverts "oracle: unknown signer", "oracle: bad signature"
    """
    tail: uint256 = 0
    if index < MAX_SIGNERS:
        tail = packing._half(self.tails[index // 2], index)
    if tail == 0:
        errors._fail("oracle: unknown signer")
    if packing._tail(ecrecover(digest, v, r, s)) != tail:
        errors._fail("oracle: bad signature")


@internal
@pure
def _medians(
    reports: Bytes[MAX_BLOB], count: uint256, feeds: uint256, stride: uint256
) -> DynArray[uint256, MAX_FEEDS]:
    """
    @return one quote a feed: median price, confidence of the update
    @custom:reverts "oracle: feeds differ", "oracle: feed order"
    """
    medians: DynArray[uint256, MAX_FEEDS] = []
    next_feed: uint256 = 0
    for k: uint256 in range(feeds, bound=MAX_FEEDS):
        prices: uint256[MAX_SIGNERS] = empty(uint256[MAX_SIGNERS])
        confs: uint256[MAX_SIGNERS] = empty(uint256[MAX_SIGNERS])
        first: uint256 = 0
        feed: uint256 = 0
        for i: uint256 in range(count, bound=MAX_SIGNERS):
            # all terms are below the length of the blob
            at: uint256 = COUNT_BYTES + HEAD_BYTES + i * stride + k * QUOTE_BYTES
            quote: uint256 = packing._quote_bits(extract32(reports, at, output_type=uint256))
            feed, prices[i], confs[i] = packing._quote_fields(quote)
            if i == 0:
                first = feed
            if feed != first:
                errors._fail("oracle: feeds differ")
        if first < next_feed:
            errors._fail("oracle: feed order")
        next_feed = first + 1
        medians.append(self._median(first, prices, confs, count))
    return medians


@internal
@pure
def _median(
    feed: uint256, prices: uint256[MAX_SIGNERS], confs: uint256[MAX_SIGNERS], count: uint256
) -> uint256:
    """
    @return the quote of one feed: of an even count the mean of the middle prices, rounded down,
            and the larger of the middle confidences
    """
    sorted_prices: uint256[MAX_SIGNERS] = feed_math._sorted(prices, count)
    sorted_confs: uint256[MAX_SIGNERS] = feed_math._sorted(confs, count)
    half: uint256 = count // 2
    price: uint256 = sorted_prices[half]
    if count % 2 == 0:
        price = (sorted_prices[half - 1] + price) // 2
    conf: uint256 = feed_math._confidence(
        sorted_confs[half], sorted_prices[0], sorted_prices[count - 1], price
    )
    return packing._quote_of(feed, price, conf)
