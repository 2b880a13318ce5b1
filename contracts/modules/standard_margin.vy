# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Standard margin: equity and requirements of an account from its words
@license AGPL-3.0-only
@notice docs/spec/margin.md. Reads two words a market, one of four collaterals, and a pending
        word only where its flag stands. Nothing is written. This is the hottest code of the
        house and written for gas: two loops hold what every account pays for, rare cases are
        functions of their own, what is signed stands as two's complement in uint256, and fields
        are masked where they stand where a division follows, whose divisor carries their place.
        Locals stand in the order of the calls' arguments, which are then copied in one piece.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import errors
from libs import funding_math
from libs import margin_math
from libs import market_packing
from libs import packing as p
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
CLEAN: constant(uint256) = margin_math.FRESH | margin_math.ALIVE
# two's complement from here on
NEGATIVE: constant(uint256) = margin_math.NEGATIVE
# one of a field where it stands, and what added before a division rounds it up
CONF_ONE: constant(uint256) = u.CONF_ONE * p.CONF_AT
CONF_UP: constant(uint256) = CONF_ONE - 1
MM_ONE: constant(uint256) = 1_000 * p.HAIRCUT_MM_AT
MM_UP: constant(uint256) = MM_ONE - 1
IM_ONE: constant(uint256) = 1_000 * p.HAIRCUT_IM_AT
IM_UP: constant(uint256) = IM_ONE - 1
SOFT_ONE: constant(uint256) = u.SOFT_ONE * p.SOFT_AT
TICKS: constant(uint256) = u.TICKS_PER_USD
TICKS_UP: constant(uint256) = TICKS - 1
UP: constant(uint256) = u.WAD - 1

AGE_IM: immutable(uint256)
AGE_MM: immutable(uint256)
DEAD_AFTER: immutable(uint256)
KAPPA_FLAT: immutable(uint256)
KAPPA_LEG: immutable(uint256)
KAPPA_COLLATERAL: immutable(uint256)


struct Sums:
    worth: uint256      # of legs at P - F, signed
    backing: uint256    # value of collaterals
    mm: uint256
    ims: uint256
    im: uint256
    kappa: uint256
    status: uint256
    resume: uint256


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
    @custom:rounding requirements up, values down, in favour of the protocol
    @custom:reverts "margin: value too large"
    """
    sums: Sums = empty(Sums)
    # AGE_IM is minutes; no divisor is 0, here and below
    oldest: uint256 = unsafe_mul(unsafe_sub(block.timestamp, AGE_IM), p.PUBLISH_AT)
    house: bool = word & p.HOUSE_BIT != 0
    pair: uint256 = 0
    for i: uint256 in range(unsafe_div(word, p.LEGS_AT) & p.MASK_7, bound=u.MAX_LEGS):
        pair = unsafe_div(pair, p.UPPER_HALF_AT)
        if i & 1 == 0:
            pair = legs[unsafe_div(i, 2)]
        # z lots at a price, x USD: docs/spec/margin.md; 64 bits of a size become 256
        z: uint256 = unsafe_sub((pair & p.MASK_64) ^ p.SIGN_64, p.SIGN_64)
        market: uint256 = unsafe_div(pair, p.LEG_MARKET_AT) & p.MASK_8
        price_word: uint256 = market_state.prices[market]
        state: uint256 = market_state.states[market]
        x: uint256 = unsafe_mul(z, unsafe_div(price_word, p.P_AT))
        dead: uint256 = 0
        if price_word & p.DOUBT_BITS | convert(price_word & p.PUBLISH_MASK < oldest, uint256) == 0:
            sums.status |= CLEAN
        else:
            sums.status, sums.resume, dead, state = self._leg_doubt(sums, market, price_word, state)

        # sizes have 63 bits, prices 64, F 129; `up` is what the leg gains over the stable price
        price: uint256 = unsafe_div(price_word, p.P_AT)
        funding: uint256 = funding_math._index(
            price, state, market_state.VELOCITY, market_state.RATE_MAX
        )
        sums.worth = unsafe_add(sums.worth, unsafe_mul(z, unsafe_sub(price, funding)))
        up: uint256 = unsafe_sub(x, unsafe_mul(z, unsafe_div(price_word, p.STABLE_AT) & p.MASK_64))
        if up < NEGATIVE:
            if not house:
                sums.im = unsafe_add(sums.im, up)
        if z >= NEGATIVE:
            z = unsafe_sub(0, z)
            x = unsafe_sub(0, x)
        # sizes 63 bits, conf ticks 64
        conf: uint256 = unsafe_add(unsafe_mul(price, price_word & p.CONF_MASK), CONF_UP)
        sums.im = unsafe_add(sums.im, unsafe_mul(z, unsafe_div(conf, CONF_ONE)))
        # rates are at most 1 WAD, x is below 2^127
        rate: margin_math.Rates = margin_math._rates(price_word, state, x, dead, house)
        sums.mm = unsafe_add(sums.mm, unsafe_div(unsafe_add(unsafe_mul(rate.mm, x), UP), u.WAD))
        sums.ims = unsafe_add(sums.ims, unsafe_div(unsafe_add(unsafe_mul(rate.ims, x), UP), u.WAD))
        sums.im = unsafe_add(sums.im, unsafe_div(unsafe_add(unsafe_mul(rate.im, x), UP), u.WAD))
    if word & p.COLLATERALS_MASK != 0:
        sums = self._with_collateral(sums, word, amounts, oldest)
    return self._answer(word, sums)


@internal
@view
def _with_collateral(
    sums: Sums, word: uint256, amounts: uint256[u.AMOUNT_WORDS], oldest: uint256
) -> Sums:
    """
    @notice Add the collaterals to the sums: none costs more than its value.
    """
    kappa: uint256 = KAPPA_COLLATERAL
    pair: uint256 = 0
    fourth: uint256 = max_value(uint256)
    terms: uint256 = 0
    # no divisor is 0, here and below
    for i: uint256 in range(unsafe_div(word, p.COLLATERALS_AT) & p.MASK_4, bound=u.MAX_COLLATERALS):
        pair = unsafe_div(pair, p.UPPER_HALF_AT)
        if i & 1 == 0:
            pair = amounts[unsafe_div(i, 2)]
        # the ids stand lowest in the word: 1 .. 63; id 0 wraps, and finds nothing
        index: uint256 = unsafe_sub(word, 1) & p.MASK_6
        word = unsafe_div(word, p.NEXT_ID)
        # four to a slot; neighbours come in one read
        if unsafe_div(index, 4) != fourth:
            fourth = unsafe_div(index, 4)
            terms = market_state.collaterals[fourth]
        entry: uint256 = p._quarter(terms, index)
        price_word: uint256 = market_state.prices[entry & p.MASK_8]

        # decimals <= 18 by the setter; amounts are 128 bits, 10^18 60, prices 64: below 2^252
        price: uint256 = unsafe_div(price_word, p.P_AT)
        missing: uint256 = unsafe_sub(18, unsafe_div(entry, p.DECIMALS_AT) & p.MASK_5)
        amount: uint256 = unsafe_mul(pair & p.MASK_128, pow_mod256(10, missing))
        x: uint256 = unsafe_div(unsafe_mul(amount, price), TICKS)
        if x > MAX_VALUE:
            errors._fail("margin: value too large")

        # haircuts are at most 1 by the setter: 33 bits where they stand, times 128; 188 times 64
        mm: uint256 = unsafe_div(unsafe_add(unsafe_mul(x, entry & p.CUT_MM_MASK), MM_UP), MM_ONE)
        ims: uint256 = unsafe_div(unsafe_add(unsafe_mul(x, entry & p.CUT_IM_MASK), IM_UP), IM_ONE)
        im: uint256 = unsafe_add(unsafe_mul(price, price_word & p.CONF_MASK), CONF_UP)
        im = unsafe_add(unsafe_mul(amount, unsafe_div(im, CONF_ONE)), TICKS_UP)
        im = unsafe_add(unsafe_div(im, TICKS), ims)
        up: uint256 = unsafe_sub(price, unsafe_div(price_word, p.STABLE_AT) & p.MASK_64)
        if up < NEGATIVE:
            im = unsafe_add(im, unsafe_div(unsafe_add(unsafe_mul(amount, up), TICKS_UP), TICKS))
        if entry & p.SOFT_MASK != SOFT_ONE:
            im = unsafe_add(im, margin_math._soft_charge(entry, x))
        if price_word & p.DOUBT_BITS | convert(price_word & p.PUBLISH_MASK < oldest, uint256) == 0:
            sums.status |= CLEAN
        else:
            sums.status, sums.resume, mm, ims, im = self._collateral_doubt(
                sums.status, sums.resume, entry, price_word, x, im
            )
        if unsafe_add(im, kappa) > x:
            ims, im, sums.kappa = self._capped(x, mm, ims, sums.kappa)
        # 8 terms of 128 bits each
        sums.backing = unsafe_add(sums.backing, x)
        sums.mm = unsafe_add(sums.mm, mm)
        sums.ims = unsafe_add(sums.ims, ims)
        sums.im = unsafe_add(sums.im, im)
        sums.kappa = unsafe_add(sums.kappa, kappa)
    return sums


@internal
@view
def _answer(word: uint256, sums: Sums) -> IMarkets.Health:
    """
    @notice What is left when the sums are made: cash, quote and what keepers are paid.
    """
    # 96 bits become 256; no divisor is 0
    cash: uint256 = unsafe_sub(unsafe_div(word, p.CASH_AT) ^ p.SIGN_96, p.SIGN_96)
    quote: uint256 = unsafe_div(word, p.ACCOUNT_QUOTE_AT) & p.MASK_96
    quote = unsafe_sub(quote ^ p.SIGN_96, p.SIGN_96)
    legs: uint256 = unsafe_div(word, p.LEGS_AT) & p.MASK_7
    # below 2^76
    kappa: uint256 = unsafe_add(unsafe_add(KAPPA_FLAT, unsafe_mul(legs, KAPPA_LEG)), sums.kappa)
    if legs == 0:
        if (cash | quote) < NEGATIVE:
            # an account without legs and debt requires nothing
            kappa = 0
            sums.mm = 0
            sums.ims = 0
            sums.im = 0
    # signed sums stay below 2^199, requirements below 2^132, IMs >= MM term by term
    quote = unsafe_add(quote, sums.worth)
    equity: uint256 = unsafe_add(unsafe_add(sums.backing, cash), quote)
    mm: uint256 = unsafe_add(sums.mm, kappa)
    return IMarkets.Health(
        equity=convert(convert(equity, bytes32), int256),
        unsettled=convert(convert(quote, bytes32), int256),
        im=unsafe_add(sums.im, kappa),
        le=unsafe_add(mm, unsafe_div(unsafe_sub(sums.ims, sums.mm), 2)),
        mm=mm,
        kappa=kappa,
        status=sums.status ^ margin_math.ALL_DEAD,
        resume=sums.resume,
    )


# ---- what few accounts need ----------------------------------------------------------------------


@internal
@view
def _capped(
    x: uint256, mm: uint256, ims: uint256, kappa: uint256
) -> (uint256, uint256, uint256):
    """
    @notice A collateral costs its value at most, so what it pays keepers is what MM leaves of it.
    @param x [USD WAD] its value
    @param kappa of the sums
    @return IMs, IM without that charge, and kappa short of what will be added too much
    """
    # a haircut is at most the value; the charge at most that, and at most KAPPA_COLLATERAL
    charge: uint256 = min(KAPPA_COLLATERAL, unsafe_sub(x, mm))
    ims_capped: uint256 = min(unsafe_add(ims, KAPPA_COLLATERAL), x)
    return (
        unsafe_sub(ims_capped, charge),
        unsafe_sub(x, charge),
        unsafe_sub(unsafe_add(kappa, charge), KAPPA_COLLATERAL),
    )


@internal
@view
def _leg_doubt(
    sums: Sums, market: uint256, price_word: uint256, state: uint256
) -> (uint256, uint256, uint256, uint256):
    """
    @notice What an old or flagged feed means for a leg.
    @return status and resume with it, what a dying feed adds to rates [WAD], and the state word
            without the time that pays no funding
    """
    bits: uint256 = 0
    decay: uint256 = 0
    bits, decay = self._doubt(market, price_word)
    return (
        sums.status | bits,
        max(sums.resume, self._grace(market, price_word)),
        margin_math._dead_rate(state, decay),
        funding_math._rested(price_word, state),
    )


@internal
@view
def _collateral_doubt(
    status: uint256,
    resume: uint256,
    entry: uint256,
    price_word: uint256,
    x: uint256,
    im: uint256,
) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice What an old or flagged feed means for a collateral.
    @param x [USD WAD] its value
    @return status and resume with it, MM, IMs, and IM, which an invalid feed takes to the limit
    """
    bits: uint256 = 0
    decay: uint256 = 0
    bits, decay = self._doubt(entry & p.MASK_8, price_word)
    # twice the bit of a leg is the bit of a collateral
    invalid: uint256 = bits & margin_math.LEG_INVALID
    return (
        status | unsafe_add(bits, invalid),
        max(resume, self._grace(entry & p.MASK_8, price_word)),
        margin_math._grown(x, entry // p.HAIRCUT_MM_AT, decay),
        margin_math._grown(x, entry // p.HAIRCUT_IM_AT, decay),
        MAX_VALUE if invalid != 0 else im,
    )


@internal
@view
def _doubt(market: uint256, price_word: uint256) -> (uint256, uint256):
    """
    @return status bits of a feed that is old or carries a flag (LEG_INVALID for any invalid one),
            and how far on its way to a worthless price it is [WAD]
    """
    age: uint256 = market_packing._publish_time(price_word)
    # not below either
    age = unsafe_sub(max(block.timestamp, age), age)
    bits: uint256 = margin_math.ALIVE
    decay: uint256 = 0
    if age <= AGE_MM:
        bits = CLEAN
    elif age > DEAD_AFTER:
        bits = 0
        # age is below 2^64
        decay = min(u.WAD, unsafe_div(unsafe_mul(unsafe_sub(age, DEAD_AFTER), u.WAD), DECAY))
    if age > AGE_IM or price_word & p.UNTRUSTED_BIT != 0:
        bits |= margin_math.LEG_INVALID
    if price_word & p.PENDING_BIT != 0:
        # 32 bits and a minute
        since: uint256 = market_packing._pending_since(market_state.pendings[market])
        if block.timestamp <= unsafe_add(since, PENDING_LIFE):
            bits |= margin_math.PENDING | margin_math.LEG_INVALID
    if block.timestamp < self._grace(market, price_word):
        bits |= margin_math.GRACE
    return bits, decay


@internal
@view
def _grace(market: uint256, price_word: uint256) -> uint256:
    """
    @return end of a feed's grace, 0 where it carries no flag of it
    """
    if price_word & p.GRACE_BIT == 0:
        return 0
    return market_packing._grace_until(market_state.pendings[market])
