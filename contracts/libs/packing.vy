# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Packed words: the only file with shifts
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
PUBLISH_AT: constant(uint256) = 2**72
V_AT: constant(uint256) = 2**56
V_SLOW_AT: constant(uint256) = 2**40
PRICE_FLAGS_AT: constant(uint256) = 2**32
FUNDING_AT: constant(uint256) = 2**192
RATE_AT: constant(uint256) = 2**160
TILT_AT: constant(uint256) = 2**144
TIME_AT: constant(uint256) = 2**112
OPEN_INTEREST_AT: constant(uint256) = 2**56
BASE_AT: constant(uint256) = 2**44
MM_RATIO_AT: constant(uint256) = 2**37
TIER_AT: constant(uint256) = 2**23
OI_MAX_AT: constant(uint256) = 2**12
OI_LO_AT: constant(uint256) = 2**8
CAP_AT: constant(uint256) = 2**4
# below the publish time: v, v_slow, flags and the sample's time; an accepted price clears the
# flags PENDING and UNTRUSTED of them
GAP_AT: constant(uint256) = 2**104
KEPT_BITS: constant(uint256) = 2**72 - 1 - 5 * 2**32
KEPT_FLAGS: constant(uint256) = 250 * 2**32
PENDING_BIT: constant(uint256) = 2**32
UNTRUSTED_BIT: constant(uint256) = 2**34
ACTIVE_BIT: constant(uint256) = 2**35
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
LEGS_AT: constant(uint256) = 2**57
COLLATERALS_AT: constant(uint256) = 2**53
HOUSE_BIT: constant(uint256) = 2**50
GRACE_BIT: constant(uint256) = 2**33
DOUBT_BITS: constant(uint256) = 7 * 2**32
LEG_MARKET_AT: constant(uint256) = 2**120
UPPER_HALF_AT: constant(uint256) = 2**128
DECIMALS_AT: constant(uint256) = 2**8
HAIRCUT_IM_AT: constant(uint256) = 2**13
HAIRCUT_MM_AT: constant(uint256) = 2**23
SOFT_AT: constant(uint256) = 2**33
# two's complement fields: (raw ^ SIGN) - SIGN is the signed value
SIGN_16: constant(uint256) = 2**15
SIGN_32: constant(uint256) = 2**31
SIGN_64: constant(uint256) = 2**63

# account flags (5 bits at 48 of meta)
IN_AUCTION: constant(uint256) = 1
PORTFOLIO: constant(uint256) = 2
HOUSE: constant(uint256) = 4
LISTED: constant(uint256) = 8

# the same where they stand in an account word, and the two counts
AUCTION_BIT: constant(uint256) = 2**48
LISTED_BIT: constant(uint256) = 2**51
LEGS_MASK: constant(uint256) = 2**64 - 2**57
HOLDINGS_MASK: constant(uint256) = 2**64 - 2**53
# the owner in an account id, what is tracked and the id in a token word
OWNER_AT: constant(uint256) = 2**96
MARKET_AT: constant(uint256) = 2**56
TRACKED_AT: constant(uint256) = 2**144
TOKEN_ID_AT: constant(uint256) = 2**8
TOKEN_ID_MASK: constant(uint256) = 2**16 - 2**8

# price flags (8 bits at 32 of the price word)
PENDING: constant(uint256) = 1
GRACE: constant(uint256) = 2
UNTRUSTED: constant(uint256) = 4
ACTIVE: constant(uint256) = 8


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
def _with_flags(meta: uint256, flags: uint256) -> uint256:
    return (meta & ~(MASK_5 << 48)) | (flags << 48)


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
def _leg_size(entry: uint256) -> int256:
    return self._int64(entry & MASK_64)


# ---- price word ------------------------------------------------------------------------------


@internal
@pure
def _price(word: uint256) -> uint256:
    return word >> 192


@internal
@pure
def _stable_price(word: uint256) -> uint256:
    return (word >> 128) & MASK_64


@internal
@pure
def _conf(word: uint256) -> uint256:
    return (word >> 112) & MASK_16


@internal
@pure
def _gap(word: uint256) -> uint256:
    """
    @notice Seconds between the last two accepted publish times, 255 for that or more.
    """
    return (word >> 104) & MASK_8


@internal
@pure
def _publish_time(word: uint256) -> uint256:
    return (word >> 72) & MASK_32


@internal
@pure
def _v(word: uint256) -> uint256:
    return (word >> 56) & MASK_16


@internal
@pure
def _v_slow(word: uint256) -> uint256:
    return (word >> 40) & MASK_16


@internal
@pure
def _price_flags(word: uint256) -> uint256:
    return (word >> 32) & MASK_8


@internal
@pure
def _sample_time(word: uint256) -> uint256:
    return word & MASK_32


@internal
@pure
def _price_word(
    price: uint256,
    stable: uint256,
    conf: uint256,
    gap: uint256,
    publish: uint256,
    v: uint256,
    v_slow: uint256,
    flags: uint256,
    sample_time: uint256,
) -> uint256:
    return (
        (price << 192)
        | (stable << 128)
        | (conf << 112)
        | (gap << 104)
        | (publish << 72)
        | (v << 56)
        | (v_slow << 40)
        | (flags << 32)
        | sample_time
    )


@internal
@pure
def _with_price_flags(word: uint256, flags: uint256) -> uint256:
    return (word & ~(MASK_8 << 32)) | (flags << 32)


# ---- state word ------------------------------------------------------------------------------


@internal
@pure
def _funding(word: uint256) -> int256:
    return convert(convert(word, bytes32), int256) >> 192


@internal
@pure
def _rate(word: uint256) -> int256:
    return self._int32((word >> 160) & MASK_32)


@internal
@pure
def _tilt(word: uint256) -> int256:
    return self._int16((word >> 144) & MASK_16)


@internal
@pure
def _accrual_time(word: uint256) -> uint256:
    return (word >> 112) & MASK_32


@internal
@pure
def _open_interest(word: uint256) -> uint256:
    return (word >> 56) & MASK_56


@internal
@pure
def _margin(word: uint256) -> uint256:
    return word & MASK_56


@internal
@pure
def _state_word(
    funding: int256,
    rate: int256,
    tilt: int256,
    time: uint256,
    open_interest: uint256,
    margin: uint256,
) -> uint256:
    return (
        (self._raw(funding, MASK_64) << 192)
        | (self._raw(rate, MASK_32) << 160)
        | (self._raw(tilt, MASK_16) << 144)
        | (time << 112)
        | (open_interest << 56)
        | margin
    )


# ---- account ids --------------------------------------------------------------


@internal
@pure
def _owner(account: uint256) -> address:
    return convert(account >> 96, address)


@internal
@pure
def _account_of(owner: address, index: uint256) -> uint256:
    return (convert(owner, uint256) << 96) | index


# ---- the ledger's books: pot 128 @128 | protected int128 @0 -----------------------------------


@internal
@pure
def _books(pot: int256, protected: int256) -> uint256:
    """
    @notice Neither field can fill its 128 bits: each is a sum of int96 fields of accounts.
    """
    return (self._raw(pot, MASK_128) << 128) | self._raw(protected, MASK_128)


@internal
@pure
def _books_fields(word: uint256) -> (int256, int256):
    """
    @return pot, protected
    """
    signed: int256 = convert(convert(word, bytes32), int256)
    return signed >> 128, convert(convert(word << 128, bytes32), int256) >> 128


@internal
@pure
def _fits(cash: int256, quote: int256) -> bool:
    """
    @return whether both are int96: shifted up by 2^95 neither has a bit above 96
    """
    # what wraps around ends far above 2^96 too
    shifted: int256 = unsafe_add(cash, 2**95) | unsafe_add(quote, 2**95)
    return convert(convert(shifted, bytes32), uint256) <= MASK_96


@internal
@pure
def _with_legs(word: uint256, count: uint256) -> uint256:
    return (word & ~LEGS_MASK) | (count << 57)


@internal
@pure
def _with_collaterals(word: uint256, count: uint256) -> uint256:
    return (word & ~(MASK_4 << 53)) | (count << 53)


# ---- token: tracked 112 @144 | hard cap 64 @80 | soft cap 64 @16 | id 8 @8 | listed 1 @7
#             | decimals 5 @0 ----------------------------------------------------------------


@internal
@pure
def _token_word(
    tracked: uint256, hard_cap: uint256, soft_cap: uint256, id: uint256, decimals: uint256
) -> uint256:
    """
    @notice Encode a listed token: tracked < 2^112 atoms, caps < 2^64 whole tokens.
    """
    return (tracked << 144) | (hard_cap << 80) | (soft_cap << 16) | (id << 8) | 128 | decimals


@internal
@pure
def _with_tracked(word: uint256, tracked: uint256) -> uint256:
    return (word & (2**144 - 1)) | (tracked << 144)


@internal
@pure
def _with_caps(word: uint256, hard_cap: uint256, soft_cap: uint256) -> uint256:
    return (word & ~(MASK_128 << 16)) | (hard_cap << 80) | (soft_cap << 16)


@internal
@pure
def _hard_cap(word: uint256) -> uint256:
    return (word >> 80) & MASK_64


@internal
@pure
def _soft_cap(word: uint256) -> uint256:
    return (word >> 16) & MASK_64


@internal
@pure
def _token_unit(word: uint256) -> uint256:
    """
    @return [atoms] of one whole token
    """
    return 10 ** (word & MASK_5)


@internal
@pure
def _token_decimals(word: uint256) -> uint256:
    return word & MASK_5


# ---- venue: allowed 1 @0 | bit m: market m opens from the small minimum -------------------------


@internal
@pure
def _venue_word(allowed: bool, small_markets: uint256) -> uint256:
    return (small_markets & ~convert(1, uint256)) | convert(allowed, uint256)


@internal
@pure
def _has_bit(word: uint256, index: uint256) -> bool:
    return (word >> index) & 1 != 0


# ---- pool params: scale 48 @136 | max_skew 48 @88 (USD) | spread_min 16 @72 | fee 16 @56
#      | liquidation_fee 16 @40 | keeper_rate 16 @24 (1e-6) | lambda 16 @8 (1e-4) | mu 8 @0 (0.01)


@internal
@pure
def _pool_word(
    scale: uint256,
    max_skew: uint256,
    spread_min: uint256,
    fee: uint256,
    liquidation_fee: uint256,
    keeper_rate: uint256,
    lambda_: uint256,
    mu: uint256,
) -> uint256:
    """
    @notice Encode in grid steps; the setter has checked the ranges.
    """
    return (
        (scale << 136)
        | (max_skew << 88)
        | (spread_min << 72)
        | (fee << 56)
        | (liquidation_fee << 40)
        | (keeper_rate << 24)
        | (lambda_ << 8)
        | mu
    )


@internal
@pure
def _pool_scale(word: uint256) -> uint256:
    return word >> 136


@internal
@pure
def _pool_curve(word: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @return scale, max_skew, spread_min, fee in grid steps
    """
    return (
        word >> 136,
        (word >> 88) & (2**48 - 1),
        (word >> 72) & MASK_16,
        (word >> 56) & MASK_16,
    )


@internal
@pure
def _pool_terms(word: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @return liquidation_fee, keeper_rate, lambda, mu in grid steps
    """
    return (word >> 40) & MASK_16, (word >> 24) & MASK_16, (word >> 8) & MASK_16, word & MASK_8


@internal
@pure
def _pool_caps(word: uint256) -> (uint256, uint256):
    """
    @return max_skew, lambda in grid steps
    """
    return (word >> 88) & (2**48 - 1), (word >> 8) & MASK_16


@internal
@pure
def _leg_fields(pair: uint256, index: uint256) -> (uint256, int256):
    """
    @return market and size of the entry at an index of its pair
    """
    entry: uint256 = pair >> ((index & 1) << 7)
    return (entry >> 120) & MASK_8, convert(convert(entry << 192, bytes32), int256) >> 192


# ---- pool request: redeem 1 @192 | owner 160 @32 | time 32 @0 ------------------------------------


@internal
@pure
def _request(owner: address, time: uint256, redeem: uint256) -> uint256:
    return (redeem << 192) | (convert(owner, uint256) << 32) | time


@internal
@pure
def _request_is_redeem(word: uint256) -> bool:
    return word >> 192 != 0


@internal
@pure
def _request_owner(word: uint256) -> address:
    return convert((word >> 32) & MASK_160, address)


@internal
@pure
def _request_time(word: uint256) -> uint256:
    return word & MASK_32


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


# ---- Markets: fields of the hot words, several at once ------------------------------------------


@internal
@pure
def _price_clock(word: uint256) -> (uint256, uint256):
    """
    @return publish time, flags
    """
    return (word >> 72) & MASK_32, (word >> 32) & MASK_8


@internal
@pure
def _margin_fields(
    word: uint256,
) -> (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256):
    """
    @return base, mm_ratio, tier, spread, oi_max, oi_lo, cap mantissa, cap exponent, in grid units
    """
    return (
        (word >> 44) & MASK_12,
        (word >> 37) & MASK_7,
        (word >> 23) & MASK_14,
        (word >> 17) & MASK_6,
        (word >> 12) & MASK_5,
        (word >> 8) & MASK_4,
        (word >> 4) & MASK_4,
        word & MASK_4,
    )


@internal
@pure
def _margin_bits(
    base: uint256,
    mm_ratio: uint256,
    tier: uint256,
    spread: uint256,
    oi_max: uint256,
    oi_lo: uint256,
    mantissa: uint256,
    exponent: uint256,
) -> uint256:
    return (
        (base << 44)
        | (mm_ratio << 37)
        | (tier << 23)
        | (spread << 17)
        | (oi_max << 12)
        | (oi_lo << 8)
        | (mantissa << 4)
        | exponent
    )


@internal
@pure
def _with_margin(state: uint256, margin: uint256) -> uint256:
    return (state & ~MASK_56) | margin


# ---- Markets: samplers and pending prices -------------------------------------------------------


@internal
@pure
def _sampler_fields(word: uint256) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @return P_a, var_a, P_b, var_b, t_b:  P_a 64 @192 | var_a 48 @144 | P_b 64 @80 | var_b 48 @32
            | t_b 32 @0
    """
    return (
        word >> 192,
        (word >> 144) & MASK_48,
        (word >> 80) & MASK_64,
        (word >> 32) & MASK_48,
        word & MASK_32,
    )


@internal
@pure
def _sampler_word(
    price_a: uint256, variance_a: uint256, price_b: uint256, variance_b: uint256, time_b: uint256
) -> uint256:
    return (price_a << 192) | (variance_a << 144) | (price_b << 80) | (variance_b << 32) | time_b


@internal
@pure
def _pending_fields(word: uint256) -> (uint256, uint256, uint256):
    """
    @return price, publish time, end of grace:  price 64 @64 | publish 32 @32 | grace 32 @0
    """
    return (word >> 64) & MASK_64, (word >> 32) & MASK_32, word & MASK_32


@internal
@pure
def _pending_word(price: uint256, publish: uint256, grace_until: uint256) -> uint256:
    return (price << 64) | (publish << 32) | grace_until


# ---- Markets: feed tuning, 64 bits --------------------------------------------------------------


@internal
@pure
def _guard_fields(
    tuning: uint256,
) -> (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256):
    """
    @return jump_0, jump_rate, delta, conf_cap, then mantissa and exponent of min and of max:
            jump_0 6 @58 | jump_rate 5 @53 | delta 5 @48 | conf_cap 5 @43 | ... | min 9 @9
            | max 9 @0, each mantissa 4 @5 | exponent 5 @0
    """
    return (
        (tuning >> 58) & MASK_6,
        (tuning >> 53) & MASK_5,
        (tuning >> 48) & MASK_5,
        (tuning >> 43) & MASK_5,
        (tuning >> 14) & MASK_4,
        (tuning >> 9) & MASK_5,
        (tuning >> 5) & MASK_4,
        tuning & MASK_5,
    )


@internal
@pure
def _drift_fields(tuning: uint256) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @return g, tau_s, sigma_ref, v_max, v_step:  g 6 @37 | tau_s 6 @31 | sigma_ref 5 @26
            | v_max 3 @23 | v_step 5 @18
    """
    return (
        (tuning >> 37) & MASK_6,
        (tuning >> 31) & MASK_6,
        (tuning >> 26) & MASK_5,
        (tuning >> 23) & MASK_3,
        (tuning >> 18) & MASK_5,
    )


@internal
@pure
def _guard_bits(
    jump_0: uint256, jump_rate: uint256, delta: uint256, conf_cap: uint256
) -> uint256:
    return (jump_0 << 58) | (jump_rate << 53) | (delta << 48) | (conf_cap << 43)


@internal
@pure
def _drift_bits(
    growth: uint256, tau: uint256, sigma_ref: uint256, v_max: uint256, v_step: uint256
) -> uint256:
    return (growth << 37) | (tau << 31) | (sigma_ref << 26) | (v_max << 23) | (v_step << 18)


@internal
@pure
def _bound_bits(
    min_mantissa: uint256, min_exponent: uint256, max_mantissa: uint256, max_exponent: uint256
) -> uint256:
    return (min_mantissa << 14) | (min_exponent << 9) | (max_mantissa << 5) | max_exponent


# ---- Markets: collateral, 64 bits ---------------------------------------------------------------


@internal
@pure
def _collateral_fields(entry: uint256) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @return feed, decimals, haircut_im, haircut_mm [0.1 %], soft factor [1e-4]:
            feed 8 @0 | decimals 5 @8 | haircut_im 10 @13 | haircut_mm 10 @23 | soft 14 @33
    """
    return (
        entry & MASK_8,
        (entry >> 8) & MASK_5,
        (entry >> 13) & MASK_10,
        (entry >> 23) & MASK_10,
        (entry >> 33) & MASK_14,
    )


@internal
@pure
def _collateral_bits(
    feed: uint256, decimals: uint256, haircut_im: uint256, haircut_mm: uint256, soft: uint256
) -> uint256:
    return feed | (decimals << 8) | (haircut_im << 13) | (haircut_mm << 23) | (soft << 33)


@internal
@pure
def _collateral_decimals(entry: uint256) -> uint256:
    return (entry >> 8) & MASK_5


@internal
@pure
def _collateral_feed(entry: uint256) -> uint256:
    return entry & MASK_8


@internal
@pure
def _collateral_soft(entry: uint256) -> uint256:
    return (entry >> 33) & MASK_14


@internal
@pure
def _with_soft(entry: uint256, soft: uint256) -> uint256:
    return (entry & ~(MASK_14 << 33)) | (soft << 33)


# ---- Markets: signers and their reports ---------------------------------------------------------


@internal
@pure
def _tail(signer: address) -> uint256:
    """
    @notice Low 128 bits of an address: what a signer is known by, two a slot (`_half`). Finding
            a second key with the same tail takes 2^128 tries.
    """
    return convert(signer, uint256) & MASK_128


@internal
@pure
def _signer_time(times: uint256, index: uint256) -> uint256:
    return (times >> ((index & 7) << 5)) & MASK_32


@internal
@pure
def _with_signer_time(times: uint256, index: uint256, publish: uint256) -> uint256:
    offset: uint256 = (index & 7) << 5
    return (times & ~(MASK_32 << offset)) | (publish << offset)


# ---- liquidation clock: live 32 @32 | last 32 @0; usage of a block: block 64 @192 | used 192 @0 ---


@internal
@pure
def _clock_word(live: uint256, last: uint256) -> uint256:
    """
    @notice Seconds and a unix time: both below 2^32 until 2106.
    """
    return (live << 32) | last


@internal
@pure
def _clock_live(word: uint256) -> uint256:
    return word >> 32


@internal
@pure
def _clock_last(word: uint256) -> uint256:
    return word & MASK_32


@internal
@pure
def _usage_word(block_number: uint256, used: uint256) -> uint256:
    """
    @notice USD WAD closed in a block; used < 2^192 by the capacity of a block.
    """
    return (block_number << 192) | used


@internal
@pure
def _usage_block(word: uint256) -> uint256:
    return word >> 192


@internal
@pure
def _usage_used(word: uint256) -> uint256:
    return word & (2**192 - 1)


# ---- insurance fund: day 32 @224 | cash at its start 112 @112 | rewards paid 112 @0 -------------


@internal
@pure
def _fund_word(day: uint256, start_cash: uint256, spent: uint256) -> uint256:
    """
    @notice Encode; amounts are WAD of an int96 account, so they fit.
    """
    return (day << 224) | (start_cash << 112) | spent


@internal
@pure
def _fund_fields(word: uint256) -> (uint256, uint256, uint256):
    """
    @return day, cash at its start, rewards paid
    """
    return word >> 224, (word >> 112) & MASK_112, word & MASK_112


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
def _kept_bits(v: uint256, v_slow: uint256, flags: uint256, sample_time: uint256) -> uint256:
    """
    @notice The low 72 bits of a price word; `flags` stand in their place.
    """
    return (v << 56) | (v_slow << 40) | flags | sample_time
