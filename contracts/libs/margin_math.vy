# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Standard margin: the rates of a leg, the charges of a collateral
@license AGPL-3.0-only
@notice docs/spec/margin.md, words in and terms out. Requirements round up, values down: in
        favour of the protocol. Rates are WAD, at most 1.
@custom:kill not deployable
"""

from libs import packing as p
from libs import units as u

# status bits of docs/spec/margin.md#status
LEG_INVALID: constant(uint256) = 1
COLLATERAL_INVALID: constant(uint256) = 2
PENDING: constant(uint256) = 4
GRACE: constant(uint256) = 8
FRESH: constant(uint256) = 16
ALL_DEAD: constant(uint256) = 32
# while sums are made, the bit of ALL_DEAD says the opposite: some held feed is not beyond T_DEAD
ALIVE: constant(uint256) = ALL_DEAD

BASE_GRID: constant(uint256) = u.WAD // 2_000
RATIO_GRID: constant(uint256) = u.WAD // 100
TIER_GRID: constant(uint256) = 10_000 * u.WAD
HAIRCUT_GRID: constant(uint256) = u.WAD // 1_000
HAIRCUT_ONE: constant(uint256) = 1_000
WAD_SQUARED: constant(uint256) = u.WAD * u.WAD
# two's complement from here on
NEGATIVE: constant(uint256) = 2**255
# Of fields that are masked and not shifted down: their unit where they stand in their word. A
# quotient is the same, and a shift less.
V_ONE: constant(uint256) = u.V_ONE * p.V_AT
V_SLOW_ONE: constant(uint256) = u.V_ONE * p.V_SLOW_AT
MM_RATIO_ONE: constant(uint256) = 100 * p.MM_RATIO_AT
OI_LO_ONE: constant(uint256) = 16 * p.OI_LO_AT
# both fields stand low enough for their unit to divide the WAD
OI_MAX_GRID: constant(uint256) = u.WAD // (2 * p.OI_MAX_AT)
CAP_GRID: constant(uint256) = u.WAD // p.CAP_AT
# (x / start in WAD^2) = x TIER_SQUARE / field
TIER_SQUARE: constant(uint256) = WAD_SQUARED // TIER_GRID * p.TIER_AT
# a first guess at sqrt(x): 4.3557 - 23.94 / (x + 6.14) is within 0.3 % of it for x in [1, 4]
GUESS: constant(uint256) = u.WAD * 43_557 // 10_000
GUESS_OVER: constant(uint256) = WAD_SQUARED * 2_394 // 100
GUESS_UNDER: constant(uint256) = u.WAD * 614 // 100


struct Rates:  # WAD, at most 1, each at least the one before
    mm: uint256
    ims: uint256
    im: uint256


@internal
@pure
def _rates(
    price_word: uint256, state: uint256, x: uint256, dead: uint256, house: bool
) -> Rates:
    """
    @notice The rates rise without a max: mm_ratio <= 0.8 by its range, v_slow <= v in every stored
            word, the open-interest multiplier >= 1; floors, sums and caps keep the order. IM0 lies
            between IMs and IM.
    @param x [USD WAD] value of the leg, below 2^127
    @param dead [WAD] what a feed on its way to a worthless price adds, at most 2
    @param house whether the account is a pool's, which is spared the tier and open interest
    @custom:source docs/spec/margin.md
    """
    # 12 bits times 2^49, at most 1 WAD
    f: uint256 = unsafe_mul(unsafe_div(state, p.BASE_AT) & p.MASK_12, BASE_GRID)
    scale: uint256 = u.WAD
    if not house:
        # x / start in WAD^2: 2^127 times 2^70; neither start nor root is 0
        square: uint256 = unsafe_div(unsafe_mul(x, TIER_SQUARE), state & p.TIER_MASK)
        if square > WAD_SQUARED:
            # The rate grows with the root. Three steps of Newton from a guess, whose relative error
            # e becomes e^2 / 2 from above each time: 3e-3, 5e-6, 2e-11, and less than 1e-21; what
            # that may lift over a whole number is one too much.
            root: uint256 = unsafe_sub(
                GUESS, unsafe_div(GUESS_OVER, unsafe_add(unsafe_div(square, u.WAD), GUESS_UNDER))
            )
            if square > 4 * WAD_SQUARED:
                root = isqrt(square)
            root = unsafe_div(unsafe_add(root, unsafe_div(square, root)), 2)
            root = unsafe_div(unsafe_add(root, unsafe_div(square, root)), 2)
            root = unsafe_div(unsafe_add(root, unsafe_div(square, root)), 2)
            if root > unsafe_div(square, root):
                root = unsafe_sub(root, 1)
            f = unsafe_div(unsafe_mul(f, root), u.WAD)
            if f > u.WAD:
                f = u.WAD

        # mantissa, exponent and oi_lo are 4 bits: below 2^126; 56 bits of lots times 64 of ticks
        cap: uint256 = unsafe_mul(
            unsafe_mul(state & p.CAP_MASK, CAP_GRID), pow_mod256(10, state & p.MASK_4)
        )
        low: uint256 = unsafe_div(unsafe_mul(cap, state & p.OI_LO_MASK), OI_LO_ONE)
        above: uint256 = unsafe_mul(
            unsafe_div(state, p.OPEN_INTEREST_AT) & p.MASK_56, unsafe_div(price_word, p.P_AT)
        )
        if above >= low:
            # oi_max is 1 to 10 by its range; a cap of 0 is reached at once
            scale = unsafe_mul(state & p.OI_MAX_MASK, OI_MAX_GRID)
            if above < cap:
                above = unsafe_div(unsafe_mul(unsafe_sub(above, low), u.WAD), unsafe_sub(cap, low))
                scale = unsafe_div(unsafe_mul(unsafe_sub(scale, u.WAD), above), u.WAD)
                scale = unsafe_add(u.WAD, scale)

    # fields where they stand are below 2^72, scale <= 10 WAD: products below 2^140
    mm: uint256 = unsafe_div(unsafe_mul(f, state & p.MM_RATIO_MASK), MM_RATIO_ONE)
    im: uint256 = unsafe_div(unsafe_mul(f, price_word & p.V_MASK), V_ONE)
    rates: Rates = Rates(
        mm=unsafe_div(unsafe_mul(mm, price_word & p.V_SLOW_MASK), V_SLOW_ONE),
        ims=unsafe_div(unsafe_mul(f, price_word & p.V_SLOW_MASK), V_SLOW_ONE),
        im=unsafe_div(unsafe_mul(im, scale), u.WAD),
    )
    if dead | convert(rates.im > u.WAD, uint256) != 0:
        return self._bounded(rates, dead)
    return rates


@internal
@pure
def _bounded(rates: Rates, dead: uint256) -> Rates:
    # rates below 2^140
    return Rates(
        mm=min(unsafe_add(rates.mm, dead), u.WAD),
        ims=min(unsafe_add(rates.ims, dead), u.WAD),
        im=min(unsafe_add(rates.im, dead), u.WAD),
    )


@internal
@pure
def _dead_rate(state: uint256, decay: uint256) -> uint256:
    """
    @param decay [WAD] share of the way from T_DEAD to a worthless price
    @return [WAD] what it adds to every rate: twice the base at the end
    @custom:rounding down, as all rates; the requirement that they make of a value rounds up
    """
    # 12 bits times 2^50, at most 2 WAD; decay at most 1 WAD
    twice: uint256 = unsafe_mul(unsafe_div(state, p.BASE_AT) & p.MASK_12, 2 * BASE_GRID)
    return unsafe_div(unsafe_mul(twice, decay), u.WAD)


@internal
@pure
def _tiered(base: uint256, notional: uint256, start: uint256) -> uint256:
    """
    @notice The rate of a leg above the tier's start, as _rates has it.
    @param base [WAD] at most 1
    @param notional [USD WAD] below 2^127, above start
    @return min(1, base sqrt(notional / start)) [WAD]
    @custom:rounding down, as all rates; the requirement that they make of a value rounds up
    """
    # 2^127 times 2^120; the root is below 2^124, base at most 2^60
    root: uint256 = isqrt(unsafe_div(unsafe_mul(notional, WAD_SQUARED), start))
    f: uint256 = unsafe_div(unsafe_mul(base, root), u.WAD)
    return f if f < u.WAD else u.WAD


@internal
@pure
def _soft_charge(entry: uint256, held: uint256) -> uint256:
    """
    @param held [USD WAD] value of a collateral
    @return [USD WAD] what the soft cap takes of the value beyond the haircut
    @custom:rounding up
    """
    # haircut <= 1 and soft <= SOFT_ONE, so what is left of the credit is at most the credit
    cut: uint256 = unsafe_div(entry, p.HAIRCUT_IM_AT) & p.MASK_10
    soft: uint256 = unsafe_div(entry, p.SOFT_AT) & p.MASK_14
    left: uint256 = unsafe_mul(unsafe_sub(HAIRCUT_ONE, cut), HAIRCUT_GRID)
    left = unsafe_div(unsafe_mul(left, soft), u.SOFT_ONE)
    lost: uint256 = unsafe_add(unsafe_mul(unsafe_sub(u.WAD, left), held), u.WAD - 1)
    haircut: uint256 = unsafe_add(unsafe_mul(cut, held), HAIRCUT_ONE - 1)
    return unsafe_sub(unsafe_div(lost, u.WAD), unsafe_div(haircut, HAIRCUT_ONE))


@internal
@pure
def _grown(held: uint256, cut: uint256, decay: uint256) -> uint256:
    """
    @param held [USD WAD] value of a collateral
    @param cut [1 / HAIRCUT_ONE] its haircut, under higher fields of the word
    @param decay [WAD] share of the way from T_DEAD to a worthless price
    @return [USD WAD] what the haircut takes when it has grown so far toward 1
    @custom:rounding up
    """
    # 10 bits times 2^50; haircut and decay are at most 1
    rate: uint256 = unsafe_mul(cut & p.MASK_10, HAIRCUT_GRID)
    rate += (u.WAD - rate) * decay // u.WAD
    return (rate * held + u.WAD - 1) // u.WAD
