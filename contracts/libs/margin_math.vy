# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Standard margin: the rates of a leg, the charges of a collateral
@license AGPL-3.0-only
@notice docs/spec/margin.md, words in and terms out. Requirements round up, values down: in
        favour of the protocol. Rates are WAD, at most 1.
@custom:kill not deployable
"""

from libs import packing
from libs import units as u

# status bits of docs/spec/margin.md#status
LEG_INVALID: constant(uint256) = 1
COLLATERAL_INVALID: constant(uint256) = 2
PENDING: constant(uint256) = 4
GRACE: constant(uint256) = 8
FRESH: constant(uint256) = 16
ALL_DEAD: constant(uint256) = 32
# not part of an answer: some held feed is not beyond T_DEAD
ALIVE: constant(uint256) = 64
# not part of an answer: some held feed carries a pending or a grace flag
HELD_UP: constant(uint256) = 128

BASE_GRID: constant(uint256) = u.WAD // 2_000
RATIO_GRID: constant(uint256) = u.WAD // 100
TIER_GRID: constant(uint256) = 10_000 * u.WAD
HALF: constant(uint256) = u.WAD // 2
HAIRCUT_GRID: constant(uint256) = u.WAD // 1_000
WAD_SQUARED: constant(uint256) = u.WAD * u.WAD


struct Rates:  # WAD, at most 1, each at least the one before
    mm: uint256
    ims: uint256
    im: uint256


@internal
@pure
def _rates(
    price_word: uint256, state: uint256, notional: uint256, decay: uint256, house: bool
) -> Rates:
    """
    @notice The rates rise without a max: mm_ratio <= 0.8 by its range, v_slow <= v in every stored
            word, the open-interest multiplier >= 1; floors, sums and caps keep the order. IM0 lies
            between IMs and IM.
    @param notional [USD WAD] below 2^127
    @param decay [WAD] share of the way from T_DEAD to a worthless price
    """
    # 12 bits times 2^49; base and decay are at most 1 WAD
    f: uint256 = unsafe_mul(state // packing.BASE_AT & packing.MASK_12, BASE_GRID)
    dead: uint256 = 0
    if decay != 0:
        dead = unsafe_div(unsafe_mul(unsafe_mul(f, 2), decay), u.WAD)
    scale: uint256 = u.WAD
    if not house:
        # 14 bits times 2^74
        start: uint256 = unsafe_mul(state // packing.TIER_AT & packing.MASK_14, TIER_GRID)
        if notional > start:
            f = self._tiered(f, notional, start)
        scale = self._oi_scale(state, price_word // packing.P_AT)

    # f <= 1 WAD, v and v_slow < 2^16, mm_ratio <= 1 WAD, scale <= 10 WAD: products below 2^140
    v_slow: uint256 = price_word // packing.V_SLOW_AT & packing.MASK_16
    ratio: uint256 = unsafe_mul(state // packing.MM_RATIO_AT & packing.MASK_7, RATIO_GRID)
    fast: uint256 = unsafe_div(
        unsafe_mul(f, price_word // packing.V_AT & packing.MASK_16), u.V_ONE
    )
    im: uint256 = unsafe_add(unsafe_div(unsafe_mul(fast, scale), u.WAD), dead)
    ims: uint256 = unsafe_add(unsafe_div(unsafe_mul(f, v_slow), u.V_ONE), dead)
    mm: uint256 = unsafe_div(unsafe_mul(unsafe_div(unsafe_mul(f, ratio), u.WAD), v_slow), u.V_ONE)
    if im > u.WAD:
        return Rates(mm=min(u.WAD, unsafe_add(mm, dead)), ims=min(u.WAD, ims), im=u.WAD)
    return Rates(mm=unsafe_add(mm, dead), ims=ims, im=im)


@internal
@pure
def _tiered(base: uint256, notional: uint256, start: uint256) -> uint256:
    """
    @param base [WAD] at most 1
    @param notional [USD WAD] below 2^127, above start
    @return min(1, base sqrt(notional / start)) [WAD]
    """
    # 2^127 times 2^120; the root is below 2^124, base at most 2^60
    root: uint256 = isqrt(unsafe_div(unsafe_mul(notional, WAD_SQUARED), start))
    f: uint256 = unsafe_div(unsafe_mul(base, root), u.WAD)
    return f if f < u.WAD else u.WAD


@internal
@pure
def _oi_scale(state: uint256, price: uint256) -> uint256:
    """
    @return multiplier of IM, from 1 below the low mark to oi_max at the cap [WAD]
    """
    # 56 bits of lots times 64 of ticks; mantissa, exponent and oi_lo are 4 bits: below 2^118
    open_interest: uint256 = unsafe_mul(state // packing.OPEN_INTEREST_AT & packing.MASK_56, price)
    cap: uint256 = unsafe_mul(
        unsafe_mul(state // packing.CAP_AT & packing.MASK_4, u.WAD),
        pow_mod256(10, state & packing.MASK_4),
    )
    most: uint256 = unsafe_mul(state // packing.OI_MAX_AT & packing.MASK_5, HALF)
    if open_interest >= cap:
        return most
    low: uint256 = unsafe_div(unsafe_mul(cap, state // packing.OI_LO_AT & packing.MASK_4), 16)
    if open_interest <= low:
        return u.WAD

    # low < open interest < cap, so the share is below 1 WAD; oi_max is 1 to 10 by its range
    share: uint256 = unsafe_div(
        unsafe_mul(unsafe_sub(open_interest, low), u.WAD), unsafe_sub(cap, low)
    )
    return unsafe_add(u.WAD, unsafe_div(unsafe_mul(unsafe_sub(most, u.WAD), share), u.WAD))
