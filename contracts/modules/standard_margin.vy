# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Standard margin: equity and requirements of an account from its words
@license AGPL-3.0-only
@notice docs/spec/margin.md. Reads two words a market, one of four collaterals, and a pending
        word only where its flag stands. Nothing is written. This is the hottest code of the
        house: fields are read in place, and a feed that is fresh and clean takes a short way.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import errors
from libs import funding_math
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import units as u
from modules import market_state

uses: market_state

# an unconfirmed jump holds up liquidations for so long [s]
PENDING_LIFE: constant(uint256) = 60
# beyond T_DEAD a feed loses its worth over a day
DECAY: constant(uint256) = u.DAY
MAX_KAPPA: constant(uint256) = 100 * u.WAD
# of one collateral [USD WAD], far above every cap
MAX_VALUE: constant(uint256) = 2**128 - 1
ROUND: constant(uint256) = u.WAD - 1
CLEAN: constant(uint256) = margin_math.FRESH | margin_math.ALIVE
STATUS: constant(uint256) = 31
CUT_GRID: constant(uint256) = u.WAD // 1_000
TICKS_ROUND: constant(uint256) = u.TICKS_PER_USD - 1
# two's complement from here on
NEGATIVE: constant(uint256) = 2**255

AGE_IM: immutable(uint256)
AGE_MM: immutable(uint256)
DEAD_AFTER: immutable(uint256)
KAPPA_FLAT: immutable(uint256)
KAPPA_LEG: immutable(uint256)
KAPPA_COLLATERAL: immutable(uint256)


struct Sums:
    worth: uint256
    mm: uint256
    ims: uint256
    im: uint256
    kappa: uint256
    status: uint256


@deploy
def __init__(timing: IMarkets.Timing, charges: IMarkets.Charges):
    """
    @custom:reverts "markets: out of range"
    """
    ages_rise: bool = timing.age_im <= timing.age_mm and timing.age_mm < timing.dead_after
    if timing.age_im == 0 or not ages_rise or timing.dead_after > u.DAY:
        errors._fail("markets: out of range")
    if max(max(charges.kappa_flat, charges.kappa_leg), charges.kappa_collateral) > MAX_KAPPA:
        errors._fail("markets: out of range")
    AGE_IM = timing.age_im
    AGE_MM = timing.age_mm
    DEAD_AFTER = timing.dead_after
    KAPPA_FLAT = charges.kappa_flat
    KAPPA_LEG = charges.kappa_leg
    KAPPA_COLLATERAL = charges.kappa_collateral


@external
@view
@reentrant
def check(
    word: uint256, legs: uint256[u.LEG_WORDS], amounts: uint256[u.AMOUNT_WORDS]
) -> IMarkets.Health:
    """
    @notice Equity and requirements of an account whose words are passed in.
    @custom:source docs/spec/margin.md
    @custom:reverts "margin: value too large"
    """
    sums: Sums = self._leg_sums(word, legs)
    unsettled: uint256 = sums.worth
    if word // packing.COLLATERALS_AT & packing.MASK_4 != 0:
        sums = self._with_collateral(sums, word, amounts)
    resume: uint256 = 0
    if sums.status & margin_math.HELD_UP != 0:
        resume = self._latest_grace(word, legs)
    status: uint256 = sums.status & STATUS
    if sums.status & margin_math.ALIVE == 0:
        status |= margin_math.ALL_DEAD

    # an account without legs and debt requires nothing
    cash: int256 = packing._cash(word)
    quote: int256 = packing._quote(word)
    leg_count: uint256 = word // packing.LEGS_AT & packing.MASK_7
    kappa: uint256 = 0
    if leg_count != 0 or cash < 0 or quote < 0:
        # below 2^75
        kappa = unsafe_add(KAPPA_FLAT, unsafe_mul(leg_count, KAPPA_LEG))
    else:
        sums = Sums(worth=sums.worth, mm=0, ims=0, im=0, kappa=0, status=0)
    # worth is two's complement below 2^198, requirements below 2^132, IMs >= MM term by term
    owed: int256 = unsafe_add(cash, quote)
    mm: uint256 = unsafe_add(sums.mm, kappa)
    return IMarkets.Health(
        equity=unsafe_add(convert(convert(sums.worth, bytes32), int256), owed),
        unsettled=unsafe_add(convert(convert(unsettled, bytes32), int256), quote),
        im=unsafe_add(sums.im, kappa),
        le=unsafe_add(mm, unsafe_div(unsafe_sub(sums.ims, sums.mm), 2)),
        mm=mm,
        kappa=unsafe_add(sums.kappa, kappa),
        status=status,
        resume=resume,
    )


@internal
@view
def _leg_sums(word: uint256, legs: uint256[u.LEG_WORDS]) -> Sums:
    """
    @notice Sums over the legs; `worth` is signed, two's complement.
    """
    sums: Sums = empty(Sums)
    house: bool = word & packing.HOUSE_BIT != 0
    # AGE_IM is minutes
    oldest: uint256 = unsafe_sub(block.timestamp, AGE_IM)
    for i: uint256 in range(word // packing.LEGS_AT & packing.MASK_7, bound=u.MAX_LEGS):
        entry: uint256 = legs[i // 2]
        if i % 2 != 0:
            entry = entry // packing.UPPER_HALF_AT
        market: uint256 = entry // packing.LEG_MARKET_AT & packing.MASK_8
        price_word: uint256 = market_state.prices[market]
        state: uint256 = market_state.states[market]
        decay: uint256 = 0
        bits: uint256 = CLEAN
        published: uint256 = price_word // packing.PUBLISH_AT & packing.MASK_32
        if price_word & packing.DOUBT_BITS != 0 or published < oldest:
            decay, bits = self._doubtful(market, price_word)
        sums.status |= bits

        # 64-bit two's complement becomes 256-bit; price and funding 129 bits
        price: uint256 = price_word // packing.P_AT
        lots: uint256 = unsafe_sub((entry & packing.MASK_64) ^ packing.SIGN_64, packing.SIGN_64)
        funding: uint256 = funding_math._index(
            price_word, state, market_state.VELOCITY, market_state.RATE_MAX
        )
        sums.worth = unsafe_add(sums.worth, unsafe_mul(lots, unsafe_sub(price, funding)))
        lead: uint256 = 0
        if not house:
            stable: uint256 = price_word // packing.STABLE_AT & packing.MASK_64
            # a gain against the stable price, two's complement of 129 bits
            lead = unsafe_mul(lots, unsafe_sub(price, stable))
            if lead >= NEGATIVE:
                lead = 0
        if lots >= NEGATIVE:
            lots = unsafe_sub(0, lots)

        # lots 63 bits, price 64, rates 60, conf ticks 64; 16 legs
        notional: uint256 = unsafe_mul(lots, price)
        rates: margin_math.Rates = margin_math._rates(price_word, state, notional, decay, house)
        sums.mm = unsafe_add(
            sums.mm, unsafe_div(unsafe_add(unsafe_mul(rates.mm, notional), ROUND), u.WAD)
        )
        sums.ims = unsafe_add(
            sums.ims, unsafe_div(unsafe_add(unsafe_mul(rates.ims, notional), ROUND), u.WAD)
        )
        conf: uint256 = price_word // packing.CONF_AT & packing.MASK_16
        conf = unsafe_div(unsafe_add(unsafe_mul(price, conf), u.CONF_ONE - 1), u.CONF_ONE)
        sums.im = unsafe_add(
            unsafe_add(sums.im, unsafe_add(lead, unsafe_mul(lots, conf))),
            unsafe_div(unsafe_add(unsafe_mul(rates.im, notional), ROUND), u.WAD),
        )
    return sums


@internal
@view
def _with_collateral(
    leg_sums: Sums, word: uint256, amounts: uint256[u.AMOUNT_WORDS]
) -> Sums:
    """
    @notice Add the collaterals to the sums: none costs more than its value.
    """
    sums: Sums = leg_sums
    # AGE_IM is minutes
    oldest: uint256 = unsafe_sub(block.timestamp, AGE_IM)
    kappa: uint256 = KAPPA_COLLATERAL
    ids: uint256 = word
    count: uint256 = word // packing.COLLATERALS_AT & packing.MASK_4
    for i: uint256 in range(count, bound=u.MAX_COLLATERALS):
        entry: uint256 = market_state._collateral(ids & packing.MASK_6)
        ids = ids // packing.NEXT_ID
        price_word: uint256 = market_state.prices[entry & packing.MASK_8]
        decay: uint256 = 0
        valid: bool = True
        bits: uint256 = CLEAN
        published: uint256 = price_word // packing.PUBLISH_AT & packing.MASK_32
        if price_word & packing.DOUBT_BITS != 0 or published < oldest:
            decay, bits = self._doubtful(entry & packing.MASK_8, price_word)
            valid = bits & margin_math.LEG_INVALID == 0
            # twice the bit of a leg is the bit of a collateral
            bits = unsafe_add(bits, bits & margin_math.LEG_INVALID)
        sums.status |= bits

        # decimals <= 18 by the setter; amounts are 128 bits, 10^18 60, prices 64: below 2^252
        amount: uint256 = packing._half(amounts[i // 2], i)
        missing: uint256 = unsafe_sub(18, entry // packing.DECIMALS_AT & packing.MASK_5)
        if missing != 0:
            amount = unsafe_mul(amount, pow_mod256(10, missing))
        held: uint256 = unsafe_div(unsafe_mul(amount, price_word // packing.P_AT), u.TICKS_PER_USD)
        if held > MAX_VALUE:
            errors._fail("margin: value too large")
        # haircuts are at most 1,000 units of WAD / 1,000 by the setter; 60 bits times 128
        cut_im: uint256 = unsafe_mul(entry // packing.HAIRCUT_IM_AT & packing.MASK_10, CUT_GRID)
        cut_mm: uint256 = unsafe_mul(entry // packing.HAIRCUT_MM_AT & packing.MASK_10, CUT_GRID)
        if decay != 0:
            cut_im += (u.WAD - cut_im) * decay // u.WAD
            cut_mm += (u.WAD - cut_mm) * decay // u.WAD
        loss: uint256 = unsafe_div(unsafe_add(unsafe_mul(cut_mm, held), ROUND), u.WAD)
        ims: uint256 = unsafe_div(unsafe_add(unsafe_mul(cut_im, held), ROUND), u.WAD)
        # 8 terms of 128 bits each
        sums.worth = unsafe_add(sums.worth, held)
        mm: uint256 = unsafe_add(loss, kappa)
        mm = mm if mm < held else held
        sums.mm = unsafe_add(sums.mm, mm)
        sums.kappa = unsafe_add(sums.kappa, unsafe_sub(mm, loss))
        ims = unsafe_add(ims, kappa)
        sums.ims = unsafe_add(sums.ims, ims if ims < held else held)
        ims = unsafe_add(ims, self._doubts(price_word, entry, amount, held, cut_im))
        sums.im = unsafe_add(sums.im, ims if valid and ims < held else held)
    return sums


@internal
@pure
def _doubts(
    price_word: uint256, entry: uint256, amount_wad: uint256, held: uint256, cut: uint256
) -> uint256:
    """
    @notice What IM takes beyond the haircut: soft cap, distance from the stable price, conf.
    @custom:rounding up
    """
    charge: uint256 = 0
    soft: uint256 = entry // packing.SOFT_AT & packing.MASK_14
    if soft != u.SOFT_ONE:
        # cut <= 1 WAD and soft <= SOFT_ONE, so what is left of the credit is at most the credit
        left: uint256 = unsafe_div(unsafe_mul(unsafe_sub(u.WAD, cut), soft), u.SOFT_ONE)
        charge = unsafe_sub(
            unsafe_div(unsafe_add(unsafe_mul(unsafe_sub(u.WAD, left), held), ROUND), u.WAD),
            unsafe_div(unsafe_add(unsafe_mul(cut, held), ROUND), u.WAD),
        )
    # 188 bits times 64
    price: uint256 = price_word // packing.P_AT
    stable: uint256 = price_word // packing.STABLE_AT & packing.MASK_64
    if price > stable:
        stable = unsafe_mul(amount_wad, unsafe_sub(price, stable))
        charge = unsafe_add(charge, unsafe_div(unsafe_add(stable, TICKS_ROUND), u.TICKS_PER_USD))
    # conf ticks are below the price
    conf: uint256 = price_word // packing.CONF_AT & packing.MASK_16
    conf = unsafe_div(unsafe_add(unsafe_mul(price, conf), u.CONF_ONE - 1), u.CONF_ONE)
    conf = unsafe_mul(amount_wad, conf)
    return unsafe_add(charge, unsafe_div(unsafe_add(conf, TICKS_ROUND), u.TICKS_PER_USD))


@internal
@view
def _doubtful(market: uint256, price_word: uint256) -> (uint256, uint256):
    """
    @return decay [WAD], status bits (LEG_INVALID for any invalid feed)
    """
    publish: uint256 = price_word // packing.PUBLISH_AT & packing.MASK_32
    age: uint256 = 0
    if block.timestamp > publish:
        # now > publish
        age = unsafe_sub(block.timestamp, publish)
    decay: uint256 = 0
    bits: uint256 = margin_math.ALIVE
    if age <= AGE_MM:
        bits = CLEAN
    elif age > DEAD_AFTER:
        # age is below 2^64
        decay = min(u.WAD, unsafe_div(unsafe_mul(unsafe_sub(age, DEAD_AFTER), u.WAD), DECAY))
        bits = 0
    if age > AGE_IM or price_word & packing.UNTRUSTED_BIT != 0:
        bits |= margin_math.LEG_INVALID
    if price_word & (packing.PENDING_BIT | packing.GRACE_BIT) == 0:
        return decay, bits

    waiting: uint256 = 0
    since: uint256 = 0
    grace_until: uint256 = 0
    waiting, since, grace_until = market_packing._pending_fields(market_state.pendings[market])
    bits |= margin_math.HELD_UP
    if price_word & packing.PENDING_BIT != 0:
        # 32 bits and a minute
        if block.timestamp <= unsafe_add(since, PENDING_LIFE):
            bits |= margin_math.PENDING | margin_math.LEG_INVALID
    if price_word & packing.GRACE_BIT != 0 and block.timestamp < grace_until:
        bits |= margin_math.GRACE
    return decay, bits


@internal
@view
def _latest_grace(word: uint256, legs: uint256[u.LEG_WORDS]) -> uint256:
    """
    @return the largest end of grace among the held feeds that carry the flag
    """
    latest: uint256 = 0
    legs_held: uint256 = packing._leg_count(word)
    collaterals_held: uint256 = packing._collateral_count(word)
    for i: uint256 in range(legs_held + collaterals_held, bound=u.MAX_LEGS + u.MAX_COLLATERALS):
        market: uint256 = 0
        if i < legs_held:
            market = packing._half(legs[i // 2], i) // packing.LEG_MARKET_AT
        else:
            id: uint256 = packing._collateral_id(word, i - legs_held)
            market = market_state._collateral(id) & packing.MASK_8
        if market_state.prices[market] & packing.GRACE_BIT != 0:
            latest = max(latest, market_state._grace_until(market))
    return latest
