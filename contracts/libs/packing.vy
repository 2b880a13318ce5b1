# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Packed words: accounts, legs, amounts, ids; and where every hot field stands
@license AGPL-3.0-only
@notice One encode and one decode per word. The bit tables are docs/spec/words.md:

        account     cash int96 @160 | quote int96 @64 | meta 64 @0
        meta        legs 7 @57 | collaterals 4 @53 | flags 5 @48 | eight ids of 6 @0
        leg pair    two of (instrument 64 | size int64), first one in the low half
        amount pair two of uint128, first one in the low half
        price       P 64 @192 | Ps 64 @128 | conf 16 @112 | gap 8 @104 | publish 32 @72
                    | v 16 @56 | v_slow 16 @40 | flags 8 @32 | t_v 32 @0
        state       F int64 @192 | rate int32 @160 | tilt int16 @144 | time 32 @112
                    | OI 56 @56 | margin parameters 56 @0
        margin      base 12 @44 (5 bp) | mm_ratio 7 @37 (1 %) | tier 14 @23 (10,000 USD)
                    | spread 6 @17 (25 bp) | oi_max 5 @12 (0.5) | oi_lo 4 @8 (1/16)
                    | cap mantissa 4 @4 | cap exponent 4 @0 (mantissa x 10^exponent USD)
@custom:kill not deployable
"""

MASK_3: constant(uint256) = 2**3 - 1
MASK_4: constant(uint256) = 2**4 - 1
MASK_5: constant(uint256) = 2**5 - 1
MASK_6: constant(uint256) = 2**6 - 1
MASK_7: constant(uint256) = 2**7 - 1
MASK_8: constant(uint256) = 2**8 - 1
MASK_10: constant(uint256) = 2**10 - 1
MASK_12: constant(uint256) = 2**12 - 1
MASK_14: constant(uint256) = 2**14 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_48: constant(uint256) = 2**48 - 1
MASK_56: constant(uint256) = 2**56 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_96: constant(uint256) = 2**96 - 1
MASK_112: constant(uint256) = 2**112 - 1
MASK_128: constant(uint256) = 2**128 - 1
MASK_160: constant(uint256) = 2**160 - 1

# Where the fields of the words of a health check begin, as divisors: `word // P_AT` reads the
# field at the top, `word // CONF_AT & MASK_16` one in the middle. The compiler makes shifts of
# them; a call to a decoder costs three times the field (measured: 45 gas against 15).
P_AT: constant(uint256) = 2**192
STABLE_AT: constant(uint256) = 2**128
CONF_AT: constant(uint256) = 2**112
CONF_MASK: constant(uint256) = 2**128 - 2**112
PUBLISH_AT: constant(uint256) = 2**72
PUBLISH_MASK: constant(uint256) = 2**104 - 2**72
V_AT: constant(uint256) = 2**56
V_MASK: constant(uint256) = 2**72 - 2**56
V_SLOW_AT: constant(uint256) = 2**40
V_SLOW_MASK: constant(uint256) = 2**56 - 2**40
PRICE_FLAGS_AT: constant(uint256) = 2**32
FUNDING_AT: constant(uint256) = 2**192
RATE_AT: constant(uint256) = 2**160
TILT_AT: constant(uint256) = 2**144
TIME_AT: constant(uint256) = 2**112
OPEN_INTEREST_AT: constant(uint256) = 2**56
BASE_AT: constant(uint256) = 2**44
MM_RATIO_AT: constant(uint256) = 2**37
MM_RATIO_MASK: constant(uint256) = 2**44 - 2**37
TIER_AT: constant(uint256) = 2**23
TIER_MASK: constant(uint256) = 2**37 - 2**23
OI_MAX_AT: constant(uint256) = 2**12
OI_MAX_MASK: constant(uint256) = 2**17 - 2**12
OI_LO_AT: constant(uint256) = 2**8
OI_LO_MASK: constant(uint256) = 2**12 - 2**8
CAP_AT: constant(uint256) = 2**4
CAP_MASK: constant(uint256) = 2**8 - 2**4
# below the publish time: v, v_slow, flags and the sample's time; an accepted price clears the
# flags PENDING and UNTRUSTED of them
GAP_AT: constant(uint256) = 2**104
KEPT_BITS: constant(uint256) = 2**72 - 1 - 5 * 2**32
KEPT_FLAGS: constant(uint256) = 250 * 2**32
PENDING_BIT: constant(uint256) = 2**32
UNTRUSTED_BIT: constant(uint256) = 2**34
ACTIVE_BIT: constant(uint256) = 2**35
OPENING_BIT: constant(uint256) = 2**36
# of a pending word: what waits, since when; the ends of a pause of openings and of a grace
OPENING_UNTIL_AT: constant(uint256) = 2**128
OPENING_MASK: constant(uint256) = 2**160 - 2**128
WAITING_AT: constant(uint256) = 2**64
SINCE_AT: constant(uint256) = 2**32
UNTILS_MASK: constant(uint256) = OPENING_MASK + MASK_32
CHECKED_BIT: constant(uint256) = 2**38
POLLED_BIT: constant(uint256) = 2**39
JUMP_AT: constant(uint256) = 2**58
JUMP_RATE_AT: constant(uint256) = 2**53
DELAY_AT: constant(uint256) = 2**48
CONF_CAP_AT: constant(uint256) = 2**43
GROWTH_AT: constant(uint256) = 2**37
TAU_AT: constant(uint256) = 2**31
SIGMA_AT: constant(uint256) = 2**26
V_MAX_AT: constant(uint256) = 2**23
V_STEP_AT: constant(uint256) = 2**18
MIN_MANTISSA_AT: constant(uint256) = 2**14
MIN_AT: constant(uint256) = 2**9
MAX_MANTISSA_AT: constant(uint256) = 2**5
# of a report: its first 32 bytes `signer 8 | publish 32 | ...`, of a quote `feed 8 | price 64
# | conf 16 | ...`, and what is left of a quote after QUOTE_AT
SIGNER_AT: constant(uint256) = 2**248
REPORT_TIME_AT: constant(uint256) = 2**216
QUOTE_AT: constant(uint256) = 2**168
QUOTE_FEED_AT: constant(uint256) = 2**80
QUOTE_PRICE_AT: constant(uint256) = 2**16
# of a blob: its first 32 bytes `reports 8 | feeds 8 | ...`
COUNT_AT: constant(uint256) = 2**248
FEEDS_AT: constant(uint256) = 2**240
CASH_AT: constant(uint256) = 2**160
ACCOUNT_QUOTE_AT: constant(uint256) = 2**64
LEGS_AT: constant(uint256) = 2**57
COLLATERALS_AT: constant(uint256) = 2**53
HOUSE_BIT: constant(uint256) = 2**50
GRACE_BIT: constant(uint256) = 2**33
DOUBT_BITS: constant(uint256) = 7 * 2**32
LEG_MARKET_AT: constant(uint256) = 2**120
UPPER_HALF_AT: constant(uint256) = 2**128
# from one collateral id of an account word to the next
NEXT_ID: constant(uint256) = 2**6
DECIMALS_AT: constant(uint256) = 2**8
DECIMALS_MASK: constant(uint256) = 2**13 - 2**8
HAIRCUT_IM_AT: constant(uint256) = 2**13
CUT_IM_MASK: constant(uint256) = 2**23 - 2**13
HAIRCUT_MM_AT: constant(uint256) = 2**23
CUT_MM_MASK: constant(uint256) = 2**33 - 2**23
SOFT_AT: constant(uint256) = 2**33
SOFT_MASK: constant(uint256) = 2**47 - 2**33
# two's complement fields: (raw ^ SIGN) - SIGN is the signed value
SIGN_16: constant(uint256) = 2**15
SIGN_32: constant(uint256) = 2**31
SIGN_64: constant(uint256) = 2**63
SIGN_96: constant(uint256) = 2**95

# account flags (5 bits at 48 of meta)
IN_AUCTION: constant(uint256) = 1
PORTFOLIO: constant(uint256) = 2
HOUSE: constant(uint256) = 4
LISTED: constant(uint256) = 8
OPTIONS: constant(uint256) = 16

# the same where they stand in an account word, and the two counts
AUCTION_BIT: constant(uint256) = 2**48
LISTED_BIT: constant(uint256) = 2**51
OPTIONS_BIT: constant(uint256) = 2**52
LEGS_MASK: constant(uint256) = 2**64 - 2**57
COLLATERALS_MASK: constant(uint256) = 2**57 - 2**53
# legs here or with the engine; those, or collateral
BOOK_MASK: constant(uint256) = LEGS_MASK + OPTIONS_BIT
HOLDINGS_MASK: constant(uint256) = 2**64 - 2**52
# the owner in an account id, what is tracked and the id in a token word
OWNER_AT: constant(uint256) = 2**96
MARKET_AT: constant(uint256) = 2**56
TRACKED_AT: constant(uint256) = 2**144
HARD_CAP_AT: constant(uint256) = 2**80
SOFT_CAP_AT: constant(uint256) = 2**16
TOKEN_ID_AT: constant(uint256) = 2**8
TOKEN_ID_MASK: constant(uint256) = 2**16 - 2**8

# price flags (8 bits at 32 of the price word)
PENDING: constant(uint256) = 1
GRACE: constant(uint256) = 2
UNTRUSTED: constant(uint256) = 4
ACTIVE: constant(uint256) = 8
OPENING: constant(uint256) = 16
CHECKED: constant(uint256) = 64
POLLED: constant(uint256) = 128


# ---- signed fields ---------------------------------------------------------------------------


@internal
@pure
def _int16(raw: uint256) -> int256:
    return convert(convert(raw << 240, bytes32), int256) >> 240


@internal
@pure
def _int32(raw: uint256) -> int256:
    return convert(convert(raw << 224, bytes32), int256) >> 224


@internal
@pure
def _int64(raw: uint256) -> int256:
    return convert(convert(raw << 192, bytes32), int256) >> 192


@internal
@pure
def _raw(x: int256, mask: uint256) -> uint256:
    """
    @notice Two's complement bits of x under mask; the caller has checked the range.
    """
    return convert(convert(x, bytes32), uint256) & mask


# ---- account word ----------------------------------------------------------------------------


@internal
@pure
def _cash(word: uint256) -> int256:
    return convert(convert(word, bytes32), int256) >> 160


@internal
@pure
def _quote(word: uint256) -> int256:
    return convert(convert(word << 96, bytes32), int256) >> 160


@internal
@pure
def _leg_count(word: uint256) -> uint256:
    return (word >> 57) & MASK_7


@internal
@pure
def _collateral_count(word: uint256) -> uint256:
    return (word >> 53) & MASK_4


@internal
@pure
def _flags(word: uint256) -> uint256:
    return (word >> 48) & MASK_5


@internal
@pure
def _collateral_id(word: uint256, index: uint256) -> uint256:
    return (word >> (index * 6)) & MASK_6


@internal
@pure
def _account_word(cash: int256, quote: int256, meta: uint256) -> uint256:
    """
    @notice Encode; |cash| and |quote| <= MAX_CASH is the caller's check.
    """
    return (self._raw(cash, MASK_96) << 160) | (self._raw(quote, MASK_96) << 64) | meta


@internal
@pure
def _meta(word: uint256) -> uint256:
    return word & MASK_64


@internal
@pure
def _with_counts(meta: uint256, legs: uint256, collaterals: uint256) -> uint256:
    return (meta & ~((MASK_7 << 57) | (MASK_4 << 53))) | (legs << 57) | (collaterals << 53)


@internal
@pure
def _with_collateral_id(meta: uint256, index: uint256, id: uint256) -> uint256:
    return (meta & ~(MASK_6 << (index * 6))) | (id << (index * 6))


# ---- legs and amounts ------------------------------------------------------------------------


@internal
@pure
def _half(pair: uint256, index: uint256) -> uint256:
    """
    @notice The 128-bit entry of a pair: the low half for an even index, the high one for an odd.
    """
    return (pair >> ((index & 1) << 7)) & MASK_128


@internal
@pure
def _with_half(pair: uint256, index: uint256, entry: uint256) -> uint256:
    offset: uint256 = (index & 1) << 7
    return (pair & ~(MASK_128 << offset)) | (entry << offset)


@internal
@pure
def _leg(instrument: uint256, size: int256) -> uint256:
    return (instrument << 64) | self._raw(size, MASK_64)


@internal
@pure
def _leg_instrument(entry: uint256) -> uint256:
    return entry >> 64


@internal
@pure
def _place_in(pair: uint256, instrument: uint256) -> uint256:
    """
    @return which half of a pair is a leg of the instrument: 0 or 1, 2 when neither is
    """
    if (pair >> 64) & MASK_64 == instrument:
        return 0
    if pair >> 192 == instrument:
        return 1
    return 2


@internal
@pure
def _leg_size(entry: uint256) -> int256:
    return self._int64(entry & MASK_64)


# ---- account ids --------------------------------------------------------------


@internal
@pure
def _owner(account: uint256) -> address:
    return convert(account >> 96, address)


@internal
@pure
def _account_of(owner: address, index: uint256) -> uint256:
    return (convert(owner, uint256) << 96) | index


# ---- Markets: instruments and quarters of a word -----------------------------------------------


@internal
@pure
def _instrument_market(instrument: uint256) -> uint256:
    return instrument >> 56


@internal
@pure
def _perp(market: uint256) -> uint256:
    return market << 56


@internal
@pure
def _quarter(word: uint256, index: uint256) -> uint256:
    """
    @notice The 64-bit entry of a word of four, the first one lowest.
    """
    return (word >> ((index & 3) << 6)) & MASK_64


@internal
@pure
def _with_quarter(word: uint256, index: uint256, entry: uint256) -> uint256:
    offset: uint256 = (index & 3) << 6
    return (word & ~(MASK_64 << offset)) | (entry << offset)


# ---- entries of pairs, as plans build them -------------------------------------------------------


@internal
@pure
def _at_half(index: uint256, entry: uint256) -> uint256:
    """
    @return the entry where it stands in its pair, the other half empty
    """
    return entry << ((index & 1) << 7)


@internal
@pure
def _with_size(entry: uint256, size: int256) -> uint256:
    """
    @return a leg's entry with another size [lots]
    """
    return (entry & ~MASK_64) | self._raw(size, MASK_64)


@internal
@pure
def _with_leg_count(word: uint256, legs: uint256) -> uint256:
    """
    @return an account word that counts `legs`, the rest untouched
    """
    return (word & ~(MASK_7 << 57)) | (legs << 57)


@internal
@pure
def _without_collaterals(word: uint256) -> uint256:
    """
    @return an account word that counts and names no collateral
    """
    return word & ~((MASK_4 << 53) | (2**48 - 1))


@internal
@pure
def _with_collateral_count(word: uint256, count: uint256) -> uint256:
    return (word & ~(MASK_4 << 53)) | (count << 53)


@internal
@pure
def _without_money(word: uint256) -> uint256:
    """
    @return an account word with neither cash nor quote
    """
    return word & MASK_64


@internal
@pure
def _same_owner(a: uint256, b: uint256) -> bool:
    """
    @return whether two accounts belong to one address
    """
    return a >> 96 == b >> 96


@internal
@pure
def _risk(
    group: uint256, spread: uint256, som: uint256, range_vol: uint256, range_min: uint256
) -> uint256:
    """
    @notice A risk word, docs/spec/portfolio-margin.md#inputs; 16 bits each, the group 8.
    """
    return (group << 64) | (spread << 48) | (som << 32) | (range_vol << 16) | range_min


@internal
@pure
def _kept_bits(v: uint256, v_slow: uint256, flags: uint256, sample_time: uint256) -> uint256:
    """
    @notice The low 72 bits of a price word; `flags` stand in their place.
    """
    return (v << 56) | (v_slow << 40) | flags | sample_time
