# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Where prices come from: polled adapters, and cross-checks
@license AGPL-3.0-only
@notice docs/spec/oracle.md#sources. A market's price has one source: signed reports, or an adapter
        that anyone polls. A second adapter may be asked whether it agrees; it never moves a price.
        Adapters are asked by bounded static calls, and whatever they do wrong is no price.
@custom:kill not deployable
"""

from interfaces import IFeed
from interfaces import IMarkets
from interfaces import IRiskConfigurator
from libs import bounded_calls
from libs import errors
from libs import packing
from libs import units as u

QUOTE: constant(bytes4) = method_id("quote()", output_type=bytes4)
QUOTE_WORDS: constant(uint256) = 4
MAX_AGE: constant(bytes4) = method_id("max_age()", output_type=bytes4)
# what an adapter may use: three bounded calls of a ChainlinkFeed, and what it needs beside them
QUOTE_GAS: constant(uint256) = 220_000
MAX_CONF: constant(uint256) = 2**16 - 1
# whose stored time tells that of reports (docs/spec/oracle.md#told), so that reports bring it
CLOCK: constant(uint256) = 1
# below it, deviation thresholds of two honest sources add up to a disagreement
MIN_BAND: constant(uint256) = u.WAD // 1_000
# a leg that is missing (a rate without its base) is off by more
MAX_BAND: constant(uint256) = u.WAD // 5

MARKETS: immutable(IMarkets)
sources: public(HashMap[uint256, IRiskConfigurator.Sources])


@deploy
def __init__(markets: address):
    MARKETS = IMarkets(markets)


@external
def poll(market: uint256) -> bool:
    """
    @notice Bring what a market's adapter says to Markets, through every guard of a report. Where
            it says nothing, a price of zero goes there, which is outside of every bound: the
            market is in doubt as after a report of it, and its last price stands.
    @return whether it was stored as a new price
    @custom:reverts "sources: not polled", "feed: too little gas"
    """
    primary: address = self.sources[market].primary
    if primary == empty(address):
        errors._fail("sources: not polled")

    quote: IFeed.Quote = self._quote(primary)
    if not quote.valid:
        quote.publish = block.timestamp

    # a valid price has 63 bits
    word: uint256 = unsafe_mul(quote.price, packing.P_AT) | packing.POLLED_BIT | quote.conf
    before: uint256 = self._publish_time(market)
    extcall MARKETS.offer(market, word, quote.publish)
    return self._publish_time(market) != before


@external
@view
@reentrant
def doubts(market: uint256, price: uint256) -> uint256:
    """
    @notice Open to Markets while `poll` runs; it reads what only the owner writes.
    @param price [ticks]
    @return zero when the market's cross-check has a price now and it is within the band, else
            UNTRUSTED_BIT
    @custom:reverts "feed: too little gas"
    """
    named: IRiskConfigurator.Sources = self.sources[market]
    quote: IFeed.Quote = self._quote(named.cross_check)
    if quote.valid and self._near(price, quote.price, named.band):
        return 0
    return packing.UNTRUSTED_BIT


@internal
def _set(market: uint256, new: IRiskConfigurator.Sources, price: uint256) -> uint256:
    """
    @param price [ticks] stored; zero before the listing, which compares then
    @return the bits of the market's price word that turn
    """
    banded: bool = new.band >= MIN_BAND and new.band <= MAX_BAND
    if new.cross_check == empty(address):
        if new.band != 0:
            errors._fail("sources: out of range")
    elif not banded or new.cross_check == new.primary:
        errors._fail("sources: out of range")
    if market == CLOCK and new.primary != empty(address):
        errors._fail("sources: out of range")
    if new.primary != empty(address):
        self._require_quick(new.primary)
    if price != 0:
        self._require_agreement(new, price)

    old: IRiskConfigurator.Sources = self.sources[market]
    self.sources[market] = new

    log IRiskConfigurator.SourcesSet(market=market, old=old, new=new)
    return self._bits(old) ^ self._bits(new)


@internal
@view
def _listing_bits(market: uint256, price: uint256) -> uint256:
    """
    @notice The price of a listing has to agree with a source that somebody else writes, if one is
            named, and the two sources with each other.
    @return the bits of the market's price word
    """
    named: IRiskConfigurator.Sources = self.sources[market]
    second: IRiskConfigurator.Sources = named
    second.primary = empty(address)
    if named.cross_check == empty(address):
        second.cross_check = named.primary
        second.band = MAX_BAND
    self._require_agreement(second, price)
    self._require_agreement(named, price)
    return self._bits(named)


@internal
@view
def _require_agreement(named: IRiskConfigurator.Sources, price: uint256):
    """
    @notice What will price the market agrees with the cross-check. An adapter without one is held
            against the price that stands; with one it may bring a market back from far away.
    @param price [ticks] that stands
    @custom:reverts "sources: no price", "sources: disagree"
    """
    first: uint256 = price
    if named.primary != empty(address):
        first = self._price(named.primary)
    second: uint256 = price
    band: uint256 = MAX_BAND
    if named.cross_check != empty(address):
        second = self._price(named.cross_check)
        band = named.band
    if not self._near(first, second, band):
        errors._fail("sources: disagree")


@internal
@view
def _require_quick(primary: address):
    """
    @notice What prices a market says nothing older than liquidations may use: rounds further apart
            are outages, and the grace after each would bar every liquidation of who holds it.
    @custom:reverts "sources: too slow"
    """
    answered: bool = False
    said: uint256[bounded_calls.MAX_WORDS] = empty(uint256[bounded_calls.MAX_WORDS])
    answered, said = bounded_calls._ask(primary, MAX_AGE, 1, QUOTE_GAS)
    if not answered or said[0] > (staticcall MARKETS.timing()).age_mm:
        errors._fail("sources: too slow")


@internal
@view
def _publish_time(market: uint256) -> uint256:
    word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    word, state, funding = staticcall MARKETS.market_words(market)
    return word // packing.PUBLISH_AT & packing.MASK_32


@internal
@view
def _price(feed: address) -> uint256:
    quote: IFeed.Quote = self._quote(feed)
    if not quote.valid:
        errors._fail("sources: no price")
    return quote.price


@internal
@view
def _quote(feed: address) -> IFeed.Quote:
    """
    @return what an adapter says; zeros where it says that it has no price, or nothing of sense
    """
    answered: bool = False
    said: uint256[bounded_calls.MAX_WORDS] = empty(uint256[bounded_calls.MAX_WORDS])
    answered, said = bounded_calls._ask(feed, QUOTE, QUOTE_WORDS, QUOTE_GAS)
    # a price of zero wraps to the largest number
    sound: bool = unsafe_sub(said[0], 1) < u.MAX_PRICE and said[1] <= MAX_CONF
    if not answered or not sound or said[2] > block.timestamp or said[3] != 1:
        return empty(IFeed.Quote)
    return IFeed.Quote(price=said[0], conf=said[1], publish=said[2], valid=True)


@internal
@pure
def _near(price: uint256, other: uint256, band: uint256) -> bool:
    """
    @notice Exact: no division.
    """
    # larger minus smaller of prices of 64 bits, times WAD; a band of at most WAD
    apart: uint256 = unsafe_sub(max(price, other), min(price, other))
    return unsafe_mul(apart, u.WAD) <= unsafe_mul(other, band)


@internal
@pure
def _bits(named: IRiskConfigurator.Sources) -> uint256:
    bits: uint256 = 0
    if named.primary != empty(address):
        bits = packing.POLLED_BIT
    if named.cross_check != empty(address):
        bits |= packing.CHECKED_BIT
    return bits
