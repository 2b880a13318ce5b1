# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Expiries: the settlement price of every market and expiry, written once
@license AGPL-3.0-only
@notice docs/spec/expiries.md. Anyone notes the price that Markets has stored, while it is fresh;
        the time-weighted average of the last thirty minutes settles what expires. Calls Markets
        alone, which calls nobody back, so its views are `reentrant`.
@custom:kill none: without owner and without parameters; it ends with the prices of its Markets
"""

from interfaces import IExpiries
from interfaces import IMarkets
from libs import errors
from libs import expiry_packing
from libs import packing
from libs import units as u

implements: IExpiries

# R5: what is averaged, the least number of prices in it, the longest time without one [s]
WINDOW: constant(uint256) = 1_800
MIN_COUNT: constant(uint256) = 15
MAX_GAP: constant(uint256) = 300
# how old a price may be when it is noted [s]: nobody chooses among prices whose sequel he knows
MAX_LAG: constant(uint256) = 60
# without a sound window for so long, and without a price for an hour, a feed counts as dead [s]
PATIENCE: constant(uint256) = u.DAY
SILENCE: constant(uint256) = u.HOUR
MAX_SERIES: constant(uint256) = 16
# of a price that counts ACTIVE alone is set of these
TRUST_BITS: constant(uint256) = (
    packing.ACTIVE_BIT | packing.PENDING_BIT | packing.UNTRUSTED_BIT
)

MARKETS: immutable(IMarkets)

# market and hours -> docs/spec/words.md (expiry window)
windows: HashMap[uint256, uint256]


@deploy
def __init__(markets: address):
    MARKETS = IMarkets(markets)


# ---- external -----------------------------------------------------------------------------------


@external
def observe(market: uint256, expiry_hours: uint256) -> bool:
    """
    @notice Note the stored price of a market for a series that expires soon, and write the
            settlement price when the window is complete. Anyone.
    @param expiry_hours [hours since 1970]
    @return whether it changed anything: not for a price that is noted already, that is doubted or
            older than 60 s, nor earlier than five minutes before the window
    @custom:reverts "expiries: no such hour", "markets: unknown market"
    """
    return self._observe(market, expiry_hours)


@external
def update_and_observe(
    reports: Bytes[2048], series: DynArray[IExpiries.Series, MAX_SERIES]
) -> uint256:
    """
    @notice Bring a price update, then note what it stored: both in one transaction, so that no
            other update comes between.
    @param reports docs/spec/oracle.md#blob
    @return how many series it changed
    @custom:reverts as observe, as Markets.update
    """
    extcall MARKETS.update(reports)

    changed: uint256 = 0
    for each: IExpiries.Series in series:
        if self._observe(each.market, each.expiry_hours):
            changed += 1
    return changed


@external
def settle_dead(market: uint256, expiry_hours: uint256):
    """
    @notice Write the price of a series whose feed has died: a day after the expiry, with nothing
            accepted for an hour. It is the average if that was complete but for a price after its
            end, else the last price, at which the market's perps stand as well. Anyone.
    @custom:reverts "expiries: no such hour", "markets: unknown market", "expiries: settled",
                    "expiries: not dead"
    """
    window: IExpiries.Window = self._window(market, expiry_hours)
    if window.settled:
        errors._fail("expiries: settled")
    price_word: uint256 = self._price_word(market)
    publish: uint256 = price_word // packing.PUBLISH_AT & packing.MASK_32
    now: uint256 = block.timestamp
    if now < expiry_hours * u.HOUR + PATIENCE or now <= publish + SILENCE:
        errors._fail("expiries: not dead")

    if self._is_complete(window, now):
        self._complete(market, expiry_hours, window)
    else:
        window.price = price_word // packing.P_AT
        self._write(market, expiry_hours, window, 0)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
@reentrant
def settlement_price(market: uint256, expiry_hours: uint256) -> uint256:
    """
    @return [ticks] 0 while it is not written
    """
    if expiry_hours > expiry_packing.MAX_HOURS:
        return 0
    return expiry_packing._settlement(self.windows[expiry_packing._key(market, expiry_hours)])


@external
@view
@reentrant
def average(market: uint256, expiry_hours: uint256) -> (uint256, uint256):
    """
    @notice For marks within the last thirty minutes, and after the expiry until the price stands.
    @return [s, at most 1,800] how much of the window has been observed, [ticks] its average so far;
            zeros before the window
    @custom:rounding down, by less than a tick: a mark is on nobody's side
    """
    window: IExpiries.Window = self._window(market, expiry_hours)
    if window.settled:
        return WINDOW, window.price
    if window.last <= window.start:
        return 0, 0
    # larger minus smaller, which is not 0
    elapsed: uint256 = unsafe_sub(window.last, window.start)
    return min(elapsed, WINDOW), unsafe_div(window.total, elapsed)


@external
@view
@reentrant
def window(market: uint256, expiry_hours: uint256) -> IExpiries.Window:
    """
    @return what has been noted for a series
    """
    return self._window(market, expiry_hours)


# ---- internal -----------------------------------------------------------------------------------


@internal
def _observe(market: uint256, expiry_hours: uint256) -> bool:
    window: IExpiries.Window = self._window(market, expiry_hours)
    if window.settled:
        return False
    price_word: uint256 = self._price_word(market)
    publish: uint256 = price_word // packing.PUBLISH_AT & packing.MASK_32

    # whatever this price is worth, no other one can come before it
    if self._is_complete(window, publish):
        self._complete(market, expiry_hours, window)
        return True
    first: uint256 = expiry_hours * u.HOUR - WINDOW
    late: bool = block.timestamp > publish + MAX_LAG
    if publish <= window.last or publish + MAX_GAP < first or late:
        return False
    if price_word & TRUST_BITS != packing.ACTIVE_BIT:
        return False

    self._note(market, expiry_hours, window, price_word // packing.P_AT, publish, first)
    return True


@internal
def _note(
    market: uint256,
    expiry_hours: uint256,
    window: IExpiries.Window,
    price: uint256,
    publish: uint256,
    first: uint256,
):
    """
    @notice Weigh the price before with the time that it stood; after a gap begin anew. The
            fifteenth price completes a window whose thirty minutes are over.
    """
    after: IExpiries.Window = window
    if window.last == 0 or publish > window.last + MAX_GAP:
        after.start = max(publish, first)
        after.total = 0
        after.count = 0
    elif publish > after.start:
        after.total += window.price * (publish - max(window.last, after.start))
    if publish >= after.start:
        after.count = min(after.count + 1, packing.MASK_8)
    after.price = price
    after.last = publish

    if after.count >= MIN_COUNT and publish >= after.start + WINDOW:
        after.price = after.total // (publish - after.start)
        self._write(market, expiry_hours, after, publish)
        return
    self.windows[expiry_packing._key(market, expiry_hours)] = expiry_packing._word(after)

    log IExpiries.Observed(
        market=market,
        expiry_hours=expiry_hours,
        price=price,
        publish_time=publish,
        total=after.total,
        start=after.start,
        count=after.count,
    )


@internal
@view
def _is_complete(window: IExpiries.Window, reached: uint256) -> bool:
    """
    @param reached [unix s] until when no other price can come
    @return whether the thirty minutes are over, with enough prices and no gap before their end
    """
    end: uint256 = window.start + WINDOW
    return window.count >= MIN_COUNT and reached >= end and window.last + MAX_GAP >= end


@internal
def _complete(market: uint256, expiry_hours: uint256, window: IExpiries.Window):
    """
    @notice The last price stands until the end of the thirty minutes, whenever this is called.
    @custom:rounding down, by less than a tick: holders and writers are on both sides of it
    """
    after: IExpiries.Window = window
    end: uint256 = window.start + WINDOW
    after.total += window.price * (end - window.last)
    after.price = after.total // WINDOW
    self._write(market, expiry_hours, after, end)


@internal
def _write(market: uint256, expiry_hours: uint256, window: IExpiries.Window, end: uint256):
    """
    @notice The only writer of settlement prices; whoever calls it has found none.
    """
    after: IExpiries.Window = window
    after.settled = True
    self.windows[expiry_packing._key(market, expiry_hours)] = expiry_packing._word(after)

    log IExpiries.ExpiryPriceSet(
        market=market,
        expiry_hours=expiry_hours,
        price=after.price,
        start=after.start,
        end=end,
        count=after.count,
    )


@internal
@view
def _window(market: uint256, expiry_hours: uint256) -> IExpiries.Window:
    """
    @custom:reverts "expiries: no such hour"
    """
    if expiry_hours == 0 or expiry_hours > expiry_packing.MAX_HOURS:
        errors._fail("expiries: no such hour")
    return expiry_packing._window(self.windows[expiry_packing._key(market, expiry_hours)])


@internal
@view
def _price_word(market: uint256) -> uint256:
    """
    @custom:reverts "markets: unknown market"
    """
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall MARKETS.market_words(market)
    return price_word
