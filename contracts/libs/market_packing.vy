# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Packed words of Markets: price, state, samplers, tuning, collateral, reports
@license AGPL-3.0-only
@notice One encode and one decode per word; the bit tables are docs/spec/words.md.
@custom:kill not deployable
"""

from libs import packing

# Of a blob: its head `reports 8 | feeds 8 | absent 8 | newest 32 | eight entries of 8 | sixteen
# feeds of 8`, an entry `seat 3 | early 5`, an absent signer `seat 3, 5 unused | address 160`,
# a quote `price 64 | conf 16`, s of a signature under its parity; what follows is left over.
ABSENTS_AT: constant(uint256) = 2**232
NEWEST_AT: constant(uint256) = 2**200
# factors that bring the first entry or feed to the top, and the next one
ENTRIES_FROM: constant(uint256) = 2**56
FEEDS_AT: constant(uint256) = 2**8
FEEDS_FROM: constant(uint256) = 2**128
NEXT_BYTE: constant(uint256) = 2**8
GROUP_AT: constant(uint256) = 2**224
# of an event's four feeds the first one
FIRST_FEED: constant(uint256) = 2**24
SEAT_AT: constant(uint256) = 2**253
# a factor that brings the confidence of a quote to the top, and where it stands then
CONF_FROM: constant(uint256) = 2**64
CONF_AT: constant(uint256) = 2**240
PRICE_MASK: constant(uint256) = max_value(uint256) - (2**192 - 1)
ABSENT_AT: constant(uint256) = 2**88
PARITY_AT: constant(uint256) = 2**255
MASK_255: constant(uint256) = 2**255 - 1
# of the state word: tilt, open interest and margin; tilt and open interest
ACCRUAL_KEEPS: constant(uint256) = (2**16 - 1) * 2**144 + 2**112 - 1
TRADED_MASK: constant(uint256) = (2**16 - 1) * 2**144 + (2**56 - 1) * 2**56
# of the sampler word, under P_a
VARIANCE_A_AT: constant(uint256) = 2**144
PRICE_B_AT: constant(uint256) = 2**80
VARIANCE_B_AT: constant(uint256) = 2**32
# of the signers word
DIGEST_AT: constant(uint256) = 2**64
TOP_AT: constant(uint256) = 2**32
TOP_MASK: constant(uint256) = 2**64 - 2**32


# ---- price word ------------------------------------------------------------------------------


@internal
@pure
def _price(word: uint256) -> uint256:
    return word >> 192


@internal
@pure
def _stable_price(word: uint256) -> uint256:
    return (word >> 128) & packing.MASK_64


@internal
@pure
def _conf(word: uint256) -> uint256:
    return (word >> 112) & packing.MASK_16


@internal
@pure
def _gap(word: uint256) -> uint256:
    """
    @notice Seconds between the last two accepted publish times, 255 for that or more.
    """
    return (word >> 104) & packing.MASK_8


@internal
@pure
def _publish_time(word: uint256) -> uint256:
    return (word >> 72) & packing.MASK_32


@internal
@pure
def _v(word: uint256) -> uint256:
    return (word >> 56) & packing.MASK_16


@internal
@pure
def _v_slow(word: uint256) -> uint256:
    return (word >> 40) & packing.MASK_16


@internal
@pure
def _calm(word: uint256) -> uint256:
    """
    @return the price word with v_slow for v
    """
    return (word & ~(packing.MASK_16 << 56)) | (self._v_slow(word) << 56)


@internal
@pure
def _price_flags(word: uint256) -> uint256:
    return (word >> 32) & packing.MASK_8


@internal
@pure
def _sample_time(word: uint256) -> uint256:
    return word & packing.MASK_32


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


# ---- state word ------------------------------------------------------------------------------


@internal
@pure
def _funding(word: uint256) -> int256:
    return convert(convert(word, bytes32), int256) >> 192


@internal
@pure
def _rate(word: uint256) -> int256:
    return packing._int32((word >> 160) & packing.MASK_32)


@internal
@pure
def _tilt(word: uint256) -> int256:
    return packing._int16((word >> 144) & packing.MASK_16)


@internal
@pure
def _accrual_time(word: uint256) -> uint256:
    return (word >> 112) & packing.MASK_32


@internal
@pure
def _open_interest(word: uint256) -> uint256:
    return (word >> 56) & packing.MASK_56


@internal
@pure
def _with_open_interest(word: uint256, lots: uint256) -> uint256:
    """
    @param lots below 2^56
    """
    return (word & ~(packing.MASK_56 << 56)) | (lots << 56)


@internal
@pure
def _margin(word: uint256) -> uint256:
    return word & packing.MASK_56


@internal
@pure
def _accrued_word(state: uint256, funding: int256, rate: int256, time: uint256) -> uint256:
    return (
        (packing._raw(funding, packing.MASK_64) << 192)
        | (packing._raw(rate, packing.MASK_32) << 160)
        | (time << 112)
        | (state & ACCRUAL_KEEPS)
    )


@internal
@pure
def _traded_word(state: uint256, tilt: int256, open_interest: uint256) -> uint256:
    return (
        (state & ~TRADED_MASK)
        | (packing._raw(tilt, packing.MASK_16) << 144)
        | (open_interest << 56)
    )


# ---- Markets: fields of the hot words, several at once ------------------------------------------


@internal
@pure
def _margin_fields(
    word: uint256,
) -> (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256):
    """
    @return base, mm_ratio, tier, spread, oi_max, oi_lo, cap mantissa, cap exponent, in grid units
    """
    return (
        (word >> 44) & packing.MASK_12,
        (word >> 37) & packing.MASK_7,
        (word >> 23) & packing.MASK_14,
        (word >> 17) & packing.MASK_6,
        (word >> 12) & packing.MASK_5,
        (word >> 8) & packing.MASK_4,
        (word >> 4) & packing.MASK_4,
        word & packing.MASK_4,
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
    return (state & ~packing.MASK_56) | margin


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
        (word >> 144) & packing.MASK_48,
        (word >> 80) & packing.MASK_64,
        (word >> 32) & packing.MASK_48,
        word & packing.MASK_32,
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
    @return price, publish time, end of grace:  opening paused until 32 @128 | price 64 @64
            | publish 32 @32 | grace 32 @0
    """
    return (word >> 64) & packing.MASK_64, (word >> 32) & packing.MASK_32, word & packing.MASK_32


@internal
@pure
def _pending_price(word: uint256) -> uint256:
    return (word >> 64) & packing.MASK_64


@internal
@pure
def _pending_since(word: uint256) -> uint256:
    return (word >> 32) & packing.MASK_32


@internal
@pure
def _grace_until(word: uint256) -> uint256:
    return word & packing.MASK_32


@internal
@pure
def _held_word(opening: uint256, price: uint256, publish: uint256, grace_until: uint256) -> uint256:
    """
    @notice All four fields of a pending word, docs/spec/words.md
    """
    return (opening << 128) | (price << 64) | (publish << 32) | grace_until


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
        (tuning >> 58) & packing.MASK_6,
        (tuning >> 53) & packing.MASK_5,
        (tuning >> 48) & packing.MASK_5,
        (tuning >> 43) & packing.MASK_5,
        (tuning >> 14) & packing.MASK_4,
        (tuning >> 9) & packing.MASK_5,
        (tuning >> 5) & packing.MASK_4,
        tuning & packing.MASK_5,
    )


@internal
@pure
def _drift_fields(tuning: uint256) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @return g, tau_s, sigma_ref, v_max, v_step:  g 6 @37 | tau_s 6 @31 | sigma_ref 5 @26
            | v_max 3 @23 | v_step 5 @18
    """
    return (
        (tuning >> 37) & packing.MASK_6,
        (tuning >> 31) & packing.MASK_6,
        (tuning >> 26) & packing.MASK_5,
        (tuning >> 23) & packing.MASK_3,
        (tuning >> 18) & packing.MASK_5,
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
        entry & packing.MASK_8,
        (entry >> 8) & packing.MASK_5,
        (entry >> 13) & packing.MASK_10,
        (entry >> 23) & packing.MASK_10,
        (entry >> 33) & packing.MASK_14,
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
    return (entry >> 8) & packing.MASK_5


@internal
@pure
def _collateral_soft(entry: uint256) -> uint256:
    return (entry >> 33) & packing.MASK_14


@internal
@pure
def _with_soft(entry: uint256, soft: uint256) -> uint256:
    return (entry & ~(packing.MASK_14 << 33)) | (soft << 33)


# ---- Markets: signers and their reports ---------------------------------------------------------


@internal
@pure
def _lane(signers: uint256, seat: uint256) -> uint256:
    """
    @notice digest 192 @64 | newest publish time 32 @32 | eight lanes of 4 @0, seat i at 4 i
    @return [s] how far the seat may stay behind the newest publish time
    """
    return (signers >> (seat << 2)) & packing.MASK_4


@internal
@pure
def _at_lane(seat: uint256, behind: uint256) -> uint256:
    return behind << (seat << 2)
