# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Prices at which an account meets IM and MM
@license AGPL-3.0-only
@notice docs/spec/lens.md#prices. What an account holds in one market adds to E, IM and MM; the
        rest of the account does not move with that market's price. So E - IM and E - MM at
        another price are those of now, less what the market adds now, plus what it would add.
        Volatility, funding and the stable price stand still. Nothing is written.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import account_words
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import units as u

# a bracket grows by halves and doubles: down to P / 2^40, up to P x 2^10
DOWN_STEPS: constant(uint256) = 40
UP_STEPS: constant(uint256) = 10
# closes any bracket below 2^63 ticks to one tick
HALVINGS: constant(uint256) = 63
# of the shipped charges a collateral's share of kappa is read from Markets
MAX_FEED_COLLATERALS: constant(uint256) = 8


struct Exposure:                # what an account holds in one market
    size: int256                # lots of its perp
    house: bool
    price_word: uint256
    state: uint256
    funding: int256             # ticks
    kappa: uint256              # of one collateral
    amounts: DynArray[uint256, 8]       # WAD of each collateral that this feed prices
    haircuts_im: DynArray[uint256, 8]   # WAD
    haircuts_mm: DynArray[uint256, 8]   # WAD
    soft: DynArray[uint256, 8]          # 1e-4


@internal
@view
def _exposure(markets: IMarkets, books: account_words.Books, market: uint256) -> Exposure:
    """
    @notice Gather an account's leg and collaterals of one market.
    """
    charges: IMarkets.Charges = staticcall markets.charges()
    exposure: Exposure = empty(Exposure)
    exposure.kappa = charges.kappa_collateral
    exposure.house = packing._flags(books.word) & packing.HOUSE != 0
    exposure.price_word, exposure.state, exposure.funding = staticcall markets.market_words(market)
    position: uint256 = 0
    position, exposure.size = account_words._find_leg(
        books.legs, packing._leg_count(books.word), packing._perp(market)
    )
    for i: uint256 in range(packing._collateral_count(books.word), bound=u.MAX_COLLATERALS):
        feed: uint256 = 0
        decimals: uint256 = 0
        haircut_im: uint256 = 0
        haircut_mm: uint256 = 0
        soft: uint256 = 0
        feed, decimals, haircut_im, haircut_mm, soft = staticcall markets.collateral_params(
            packing._collateral_id(books.word, i)
        )
        if feed == market:
            amount: uint256 = packing._half(books.amounts[i // 2], i)
            exposure.amounts.append(amount * 10 ** (18 - decimals))
            exposure.haircuts_im.append(haircut_im)
            exposure.haircuts_mm.append(haircut_mm)
            exposure.soft.append(soft)
    return exposure


@internal
@pure
def _added(exposure: Exposure, price: uint256) -> (int256, int256):
    """
    @notice What the market adds to E - IM and to E - MM at a price [ticks].
    @custom:source docs/spec/margin.md
    """
    over_im: int256 = 0
    over_mm: int256 = 0
    over_im, over_mm = self._leg_adds(exposure, price)
    for i: uint256 in range(len(exposure.amounts), bound=MAX_FEED_COLLATERALS):
        credit_im: int256 = 0
        credit_mm: int256 = 0
        credit_im, credit_mm = self._collateral_adds(exposure, i, price)
        over_im += credit_im
        over_mm += credit_mm
    return over_im, over_mm


@internal
@pure
def _leg_adds(exposure: Exposure, price: uint256) -> (int256, int256):
    if exposure.size == 0:
        return 0, 0
    lots: uint256 = convert(abs(exposure.size), uint256)
    notional: uint256 = lots * price
    word: uint256 = self._at_price(exposure.price_word, price)
    rates: margin_math.Rates = margin_math._rates(
        word, exposure.state, notional, 0, exposure.house
    )
    gain: int256 = exposure.size * (convert(price, int256) - exposure.funding)
    im: uint256 = self._part_up(rates.im, notional) + lots * self._conf_ticks(word)
    if not exposure.house:
        stable: int256 = convert(market_packing._stable_price(word), int256)
        im += convert(max(0, exposure.size * (convert(price, int256) - stable)), uint256)
    mm: uint256 = self._part_up(rates.mm, notional)
    return gain - convert(im, int256), gain - convert(mm, int256)


@internal
@pure
def _collateral_adds(exposure: Exposure, index: uint256, price: uint256) -> (int256, int256):
    """
    @return credit for IM and for MM: the value less its charge, which never exceeds it
    """
    amount: uint256 = exposure.amounts[index]
    value: uint256 = amount * price // u.TICKS_PER_USD
    mm: uint256 = self._part_up(exposure.haircuts_mm[index], value) + exposure.kappa
    word: uint256 = self._at_price(exposure.price_word, price)
    kept: uint256 = (u.WAD - exposure.haircuts_im[index]) * exposure.soft[index] // u.SOFT_ONE
    im: uint256 = self._part_up(u.WAD - kept, value) + exposure.kappa
    stable: uint256 = market_packing._stable_price(word)
    if price > stable:
        im += self._ticks_up(amount, price - stable)
    im += self._ticks_up(amount, self._conf_ticks(word))
    credit_im: uint256 = value - min(value, im)
    credit_mm: uint256 = value - min(value, mm)
    return convert(credit_im, int256), convert(credit_mm, int256)


@internal
@pure
def _crossing(exposure: Exposure, over: int256, of_im: bool, down: bool) -> uint256:
    """
    @notice Walk away from the mark until the excess is gone, then halve the bracket to a tick.
    @param over [WAD] E - IM or E - MM now, >= 0
    @return [ticks] the nearest price found on this side at which it is negative; 0 when none is
    """
    mark: uint256 = market_packing._price(exposure.price_word)
    base: int256 = over - self._pick(exposure, mark, of_im)
    good: uint256 = mark
    bad: uint256 = 0
    steps: uint256 = UP_STEPS
    if down:
        steps = DOWN_STEPS
    for _: uint256 in range(steps, bound=DOWN_STEPS):
        next: uint256 = min(good * 2, u.MAX_PRICE)
        if down:
            next = max(good // 2, 1)
        if base + self._pick(exposure, next, of_im) < 0:
            bad = next
            break
        good = next
    if bad == 0:
        return 0
    for _: uint256 in range(HALVINGS):
        middle: uint256 = (good + bad) // 2
        if middle == good or middle == bad:
            break
        if base + self._pick(exposure, middle, of_im) < 0:
            bad = middle
        else:
            good = middle
    return bad


@internal
@pure
def _pick(exposure: Exposure, price: uint256, of_im: bool) -> int256:
    over_im: int256 = 0
    over_mm: int256 = 0
    over_im, over_mm = self._added(exposure, price)
    return over_im if of_im else over_mm


# ---- arithmetic ---------------------------------------------------------------------------------


@internal
@pure
def _at_price(word: uint256, price: uint256) -> uint256:
    """
    @return the price word with another P
    """
    return word - market_packing._price(word) * packing.P_AT + price * packing.P_AT


@internal
@pure
def _conf_ticks(word: uint256) -> uint256:
    """
    @return [ticks] rounded up
    """
    return (market_packing._price(word) * market_packing._conf(word) + u.CONF_ONE - 1) // u.CONF_ONE


@internal
@pure
def _part_up(rate: uint256, notional: uint256) -> uint256:
    return (rate * notional + u.WAD - 1) // u.WAD


@internal
@pure
def _ticks_up(amount_wad: uint256, ticks: uint256) -> uint256:
    return (amount_wad * ticks + u.TICKS_PER_USD - 1) // u.TICKS_PER_USD
