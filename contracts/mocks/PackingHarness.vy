# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title PackingHarness: encoders and decoders of the words of accounts and markets, one by one
@license AGPL-3.0-only
@custom:kill not deployable
"""

from libs import market_packing
from libs import packing


@external
@pure
def price_word(fields: uint256[9]) -> (uint256, uint256[9]):
    word: uint256 = market_packing._price_word(
        fields[0],
        fields[1],
        fields[2],
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        fields[7],
        fields[8],
    )
    return word, [
        market_packing._price(word),
        market_packing._stable_price(word),
        market_packing._conf(word),
        market_packing._gap(word),
        market_packing._publish_time(word),
        market_packing._v(word),
        market_packing._v_slow(word),
        market_packing._price_flags(word),
        market_packing._sample_time(word),
    ]


@external
@pure
def price_word_in_place(word: uint256) -> uint256[8]:
    """
    @notice The same fields as the kernels read them, by divisors.
    """
    return [
        word // packing.P_AT,
        word // packing.STABLE_AT & packing.MASK_64,
        word // packing.CONF_AT & packing.MASK_16,
        word // packing.GAP_AT & packing.MASK_8,
        word // packing.PUBLISH_AT & packing.MASK_32,
        word // packing.V_AT & packing.MASK_16,
        word // packing.V_SLOW_AT & packing.MASK_16,
        word // packing.PRICE_FLAGS_AT & packing.MASK_8,
    ]


@external
@pure
def kept_bits(v: uint256, v_slow: uint256, flags: uint256, sample_time: uint256) -> uint256:
    return packing._kept_bits(v, v_slow, flags * packing.PRICE_FLAGS_AT, sample_time)


@external
@pure
def state_word(
    signed: int256[3], time: uint256, open_interest: uint256, margin: uint256
) -> (uint256, int256[3], uint256[3]):
    # what is to be replaced stands there before
    word: uint256 = market_packing._accrued_word(~margin, signed[0], signed[1], time)
    word = market_packing._with_margin(word, margin)
    word = market_packing._traded_word(word, signed[2], open_interest)
    return (
        word,
        [
            market_packing._funding(word),
            market_packing._rate(word),
            market_packing._tilt(word),
        ],
        [
            market_packing._accrual_time(word),
            market_packing._open_interest(word),
            market_packing._margin(word),
        ],
    )


@external
@pure
def state_word_in_place(word: uint256) -> int256[3]:
    """
    @notice Signed fields as the kernels read them: (raw ^ sign) - sign.
    """
    # two's complement
    funding: uint256 = unsafe_sub((word // packing.FUNDING_AT) ^ packing.SIGN_64, packing.SIGN_64)
    rate: uint256 = word // packing.RATE_AT & packing.MASK_32
    rate = unsafe_sub(rate ^ packing.SIGN_32, packing.SIGN_32)
    tilt: uint256 = word // packing.TILT_AT & packing.MASK_16
    tilt = unsafe_sub(tilt ^ packing.SIGN_16, packing.SIGN_16)
    return [
        convert(convert(funding, bytes32), int256),
        convert(convert(rate, bytes32), int256),
        convert(convert(tilt, bytes32), int256),
    ]


@external
@pure
def margin_bits(fields: uint256[8]) -> (uint256, uint256[8]):
    word: uint256 = market_packing._margin_bits(
        fields[0],
        fields[1],
        fields[2],
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        fields[7],
    )
    result: uint256[8] = empty(uint256[8])
    (
        result[0],
        result[1],
        result[2],
        result[3],
        result[4],
        result[5],
        result[6],
        result[7],
    ) = market_packing._margin_fields(word)
    return word, result


@external
@pure
def sampler_word(fields: uint256[5]) -> (uint256, uint256[5]):
    word: uint256 = market_packing._sampler_word(
        fields[0], fields[1], fields[2], fields[3], fields[4]
    )
    result: uint256[5] = empty(uint256[5])
    result[0], result[1], result[2], result[3], result[4] = market_packing._sampler_fields(word)
    return word, result


@external
@pure
def pending_word(fields: uint256[4]) -> (uint256, uint256[4]):
    word: uint256 = market_packing._held_word(fields[0], fields[1], fields[2], fields[3])
    result: uint256[4] = empty(uint256[4])
    result[0] = word // packing.OPENING_UNTIL_AT
    result[1], result[2], result[3] = market_packing._pending_fields(word)
    return word, result


@external
@pure
def tuning(fields: uint256[13]) -> (uint256, uint256[13]):
    """
    @param fields jump_0, jump_rate, delta, conf_cap, min and max as mantissa and exponent each,
           then g, tau_s, sigma_ref, v_max, v_step
    """
    word: uint256 = market_packing._guard_bits(fields[0], fields[1], fields[2], fields[3])
    word |= market_packing._bound_bits(fields[4], fields[5], fields[6], fields[7])
    word |= market_packing._drift_bits(fields[8], fields[9], fields[10], fields[11], fields[12])
    result: uint256[13] = empty(uint256[13])
    (
        result[0],
        result[1],
        result[2],
        result[3],
        result[4],
        result[5],
        result[6],
        result[7],
    ) = market_packing._guard_fields(word)
    result[8], result[9], result[10], result[11], result[12] = market_packing._drift_fields(word)
    return word, result


@external
@pure
def collateral(fields: uint256[5]) -> (uint256, uint256[5]):
    word: uint256 = market_packing._collateral_bits(
        fields[0], fields[1], fields[2], fields[3], fields[4]
    )
    result: uint256[5] = empty(uint256[5])
    result[0], result[1], result[2], result[3], result[4] = (
        market_packing._collateral_fields(word)
    )
    return word, result


@external
@pure
def with_soft(entry: uint256, soft: uint256) -> uint256:
    return market_packing._with_soft(entry, soft)


@external
@pure
def quarter(word: uint256, index: uint256, entry: uint256) -> (uint256, uint256):
    changed: uint256 = packing._with_quarter(word, index, entry)
    return changed, packing._quarter(changed, index)


@external
@pure
def half(pair: uint256, index: uint256, entry: uint256) -> (uint256, uint256):
    changed: uint256 = packing._with_half(pair, index, entry)
    return changed, packing._half(changed, index)


@external
@pure
def leg(instrument: uint256, size: int256) -> (uint256, uint256, int256):
    entry: uint256 = packing._leg(instrument, size)
    return entry, packing._leg_instrument(entry), packing._leg_size(entry)


@external
@pure
def account_word(cash: int256, quote: int256, meta: uint256) -> (int256, int256, uint256):
    word: uint256 = packing._account_word(cash, quote, meta)
    return packing._cash(word), packing._quote(word), packing._meta(word)


@external
@pure
def lane(seat: uint256, behind: uint256) -> (uint256, uint256):
    signers: uint256 = market_packing._at_lane(seat, behind)
    return signers, market_packing._lane(signers, seat)
