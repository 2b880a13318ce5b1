# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Co-signed surfaces: the signers of Markets, and what they sign together
@license AGPL-3.0-only
@notice docs/spec/surfaces.md#report. A quorum signs the same words, so one hash serves all
        signatures, and no parameter is of anybody alone. Who the signers are, Markets says, by the
        hash of their list; a report names the ones that it leaves out.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import errors
from libs import market_packing
from libs import packing
from libs import signed_domain
from libs import surface_packing

MAX_SIGNERS: constant(uint256) = 8
MAX_WORDS: constant(uint256) = 16
HEAD_BYTES: constant(uint256) = 11
ABSENT_BYTES: constant(uint256) = 21
WORD_BYTES: constant(uint256) = 32
SIGNATURE_BYTES: constant(uint256) = 64
# a head, sixteen words, eight signatures
MAX_REPORT: constant(uint256) = 1_035
REPORT_TYPE: constant(bytes32) = keccak256("Surfaces(uint256[] words)")

MARKETS: immutable(IMarkets)
QUORUM: immutable(uint256)
DOMAIN: immutable(bytes32)
CHAIN: immutable(uint256)


@deploy
def __init__(markets: address):
    """
    @param markets whose quorum and signers these are
    """
    MARKETS = IMarkets(markets)
    QUORUM = staticcall IMarkets(markets).quorum()
    DOMAIN = signed_domain._domain()
    CHAIN = chain.id


@internal
@view
def _words(report: Bytes[MAX_REPORT]) -> DynArray[uint256, MAX_WORDS]:
    """
    @return what a quorum of the signers of this moment has signed
    @custom:reverts "surfaces: bad report", "surfaces: no quorum", "surfaces: signer order",
                    "surfaces: bad signature"
    """
    if len(report) < HEAD_BYTES + WORD_BYTES:
        errors._fail("surfaces: bad report")
    head: uint256 = extract32(report, 0, output_type=uint256)
    signed: uint256 = head // packing.COUNT_AT
    count: uint256 = head // packing.FEEDS_AT & packing.MASK_8
    absent: uint256 = head // market_packing.ABSENTS_AT & packing.MASK_8
    # all are single bytes, and no words wrap to many; places are below 2^15, here and below
    first: uint256 = unsafe_add(HEAD_BYTES, unsafe_mul(absent, ABSENT_BYTES))
    signatures: uint256 = unsafe_add(first, unsafe_mul(count, WORD_BYTES))
    due: uint256 = unsafe_add(signatures, unsafe_mul(signed, SIGNATURE_BYTES))
    seats: uint256 = unsafe_add(signed, absent)
    if unsafe_sub(count, 1) >= MAX_WORDS or seats > MAX_SIGNERS or len(report) != due:
        errors._fail("surfaces: bad report")
    if signed < QUORUM:
        errors._fail("surfaces: no quorum")
    self._require_signed(report, head, self._digest(report, first, signatures), signatures)

    words: DynArray[uint256, MAX_WORDS] = []
    for i: uint256 in range(count, bound=MAX_WORDS):
        # as above
        at: uint256 = unsafe_add(first, unsafe_mul(i, WORD_BYTES))
        words.append(extract32(report, at, output_type=uint256))
    return words


@internal
@view
def _digest(report: Bytes[MAX_REPORT], first: uint256, end: uint256) -> bytes32:
    """
    @return what EIP-712 has the signers sign of the words between two places
    """
    # the end comes after the first word
    body: bytes32 = keccak256(slice(report, first, unsafe_sub(end, first)))
    domain: bytes32 = DOMAIN
    if chain.id != CHAIN:
        domain = signed_domain._domain()
    return keccak256(concat(x"1901", domain, keccak256(abi_encode(REPORT_TYPE, body))))


@internal
@view
def _require_signed(
    report: Bytes[MAX_REPORT], head: uint256, digest: bytes32, signatures: uint256
):
    """
    @notice Put who signed and who is left out into their seats; the hash of all eight has to be the
            one that Markets knows.
    @param signatures place of the first one
    """
    seats: address[MAX_SIGNERS] = empty(address[MAX_SIGNERS])
    at: uint256 = HEAD_BYTES
    for _: uint256 in range(head // market_packing.ABSENTS_AT & packing.MASK_8, bound=MAX_SIGNERS):
        absent: uint256 = extract32(report, at, output_type=uint256)
        seats[absent // market_packing.SEAT_AT] = convert(
            absent // market_packing.ABSENT_AT & packing.MASK_160, address
        )
        # places in a report, seats and one bit of a signature, here and below
        at = unsafe_add(at, ABSENT_BYTES)

    at = signatures
    # what is left of a head are its entries
    entries: uint256 = unsafe_mul(head, surface_packing.ENTRIES_FROM)
    next_seat: uint256 = 0
    # as above
    for _: uint256 in range(head // packing.COUNT_AT, bound=MAX_SIGNERS):
        seat: uint256 = entries // market_packing.SEAT_AT
        entries = unsafe_mul(entries, market_packing.NEXT_BYTE)
        if seat < next_seat:
            errors._fail("surfaces: signer order")
        next_seat = unsafe_add(seat, 1)
        vs: uint256 = extract32(report, unsafe_add(at, WORD_BYTES), output_type=uint256)
        signer: address = ecrecover(
            digest,
            unsafe_add(vs // market_packing.PARITY_AT, 27),
            extract32(report, at, output_type=uint256),
            vs & market_packing.MASK_255,
        )
        at = unsafe_add(at, SIGNATURE_BYTES)
        if signer == empty(address):
            errors._fail("surfaces: bad signature")
        seats[seat] = signer
    known: uint256 = staticcall MARKETS.signers()
    if (convert(keccak256(abi_encode(seats)), uint256) ^ known) // market_packing.DIGEST_AT != 0:
        errors._fail("surfaces: bad signature")
