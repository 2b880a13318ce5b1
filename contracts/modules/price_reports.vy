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

from libs import errors
from libs import market_packing
from libs import packing

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
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REPORT_TYPE: constant(bytes32) = keccak256("Report(uint256 publishTime,bytes quotes)")

DOMAIN: immutable(bytes32)
CHAIN: immutable(uint256)
QUORUM: immutable(uint256)
WINDOW: immutable(uint256)

tails: uint256[TAIL_WORDS]
times: uint256


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
    DOMAIN = self._domain()
    CHAIN = chain.id
    QUORUM = quorum
    WINDOW = window


@internal
def _set_signer(index: uint256, signer: address):
    """
    @notice Zero empties the place. A newcomer starts without a publish time: nothing he signed
            before counts against him, and every feed still only moves forward.
    @custom:reverts "oracle: unknown signer"
    """
    if index >= MAX_SIGNERS:
        errors._fail("oracle: unknown signer")
    tail: uint256 = market_packing._tail(signer)
    self.tails[index // 2] = packing._with_half(self.tails[index // 2], index, tail)
    self.times = market_packing._with_signer_time(self.times, index, 0)


@internal
def _verified(reports: Bytes[MAX_BLOB]) -> (uint256, uint256, uint256, uint256):
    """
    @notice Check order, times and signatures, remember the signers' times.
    @return oldest publish time, count of reports, of feeds, bytes of one report; no reports when
            one of them is older than one already taken from its signer
    """
    count: uint256 = 0
    feeds: uint256 = 0
    stride: uint256 = 0
    count, feeds, stride = self._shape(extract32(reports, 0, output_type=uint256), len(reports))

    separator: bytes32 = DOMAIN
    if chain.id != CHAIN:
        separator = self._domain()
    times: uint256 = self.times
    new_times: uint256 = times
    oldest: uint256 = max_value(uint256)
    newest: uint256 = 0
    next_signer: uint256 = 0
    # the blob is below 2^12 bytes, so are all places in it
    start: uint256 = COUNT_BYTES
    for i: uint256 in range(count, bound=MAX_SIGNERS):
        head: uint256 = extract32(reports, start, output_type=uint256)
        signer: uint256 = head // packing.SIGNER_AT
        publish: uint256 = head // packing.REPORT_TIME_AT & packing.MASK_32
        if signer < next_signer:
            errors._fail("oracle: signer order")
        # both are at most 2^32
        next_signer = unsafe_add(signer, 1)
        oldest = min(oldest, publish)
        newest = max(newest, publish)
        quotes: bytes32 = keccak256(
            slice(reports, unsafe_add(start, HEAD_BYTES), unsafe_mul(feeds, QUOTE_BYTES))
        )
        # start is at least 2 + a report
        start = unsafe_add(start, stride)
        self._check_signature(
            signer,
            keccak256(
                concat(x"1901", separator, keccak256(abi_encode(REPORT_TYPE, publish, quotes)))
            ),
            extract32(reports, unsafe_sub(start, 65), output_type=uint256),
            extract32(reports, unsafe_sub(start, 33), output_type=uint256),
            extract32(reports, unsafe_sub(start, 32), output_type=uint256) & packing.MASK_8,
        )
        if publish < market_packing._signer_time(times, signer):
            count = 0
        new_times = market_packing._with_signer_time(new_times, signer, publish)

    self._check_times(oldest, newest)
    if count != 0 and new_times != times:
        self.times = new_times
    return oldest, count, feeds, stride


@internal
@view
def _shape(head: uint256, length: uint256) -> (uint256, uint256, uint256):
    """
    @return reports, feeds and bytes of one report
    @custom:reverts "oracle: bad blob", "oracle: no quorum"
    """
    count: uint256 = head // packing.COUNT_AT
    feeds: uint256 = head // packing.FEEDS_AT & packing.MASK_8
    # count and feeds are single bytes
    stride: uint256 = unsafe_add(HEAD_BYTES + SIGNATURE_BYTES, unsafe_mul(feeds, QUOTE_BYTES))
    expected: uint256 = unsafe_add(COUNT_BYTES, unsafe_mul(count, stride))
    if feeds == 0 or feeds > MAX_FEEDS or count > MAX_SIGNERS or length != expected:
        errors._fail("oracle: bad blob")
    if count < QUORUM:
        errors._fail("oracle: no quorum")
    return count, feeds, stride


@internal
@view
def _domain() -> bytes32:
    """
    @notice EIP-712 domain; after a fork of the chain reports are bound to the new id.
    """
    return keccak256(
        abi_encode(DOMAIN_TYPE, keccak256("Plimsoll"), keccak256("1"), chain.id, self)
    )


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
    if market_packing._tail(ecrecover(digest, v, r, s)) != tail:
        errors._fail("oracle: bad signature")
