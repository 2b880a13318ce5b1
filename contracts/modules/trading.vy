# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Trading: fills with venues that are asked, both sides checked
@license AGPL-3.0-only
@notice docs/spec/ledger.md (Trade, R2). The only writer of the list of venues.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from interfaces import IVenue
from libs import errors
from libs import ledger_packing
from libs import packing
from libs import units as u
from modules import accounts
from modules import ledger

uses: accounts
uses: ledger

# oldest price that opens [s] (R13)
AGE_OPEN: constant(uint256) = 15
# smallest leg after an opening fill, and where the venue's word marks the market as small (R13)
MIN_LEG: constant(int256) = 1_000 * u.IWAD
MIN_LEG_SMALL: constant(int256) = 500 * u.IWAD
# smallest leg after a reducing fill
DUST: constant(int256) = 10 * u.IWAD
# a venue's fee is at most 1 / FEE_SHARE of the fill's value
FEE_SHARE: constant(int256) = 100
# from the smallest size to the largest
SIZE_RANGE: constant(uint256) = 2**64 - 2

# oldest price that reduces: the one that liquidations take [s]
AGE_MM: immutable(uint256)


# docs/spec/words.md#venue
venues: HashMap[address, uint256]


@deploy
def __init__():
    timing: IMarkets.Timing = staticcall ledger.MARKETS.timing()
    AGE_MM = timing.age_mm


# ---- listing ----------------------------------------------------------------------------------


@internal
def _set_venue(venue: address, allowed: bool, house: bool, small_markets: uint256):
    """
    @notice Allow a venue or stop new fills with it; a house account has a pool's margin rules.
    """
    # 160 bits shifted up by 96
    account: uint256 = unsafe_mul(convert(venue, uint256), packing.OWNER_AT)
    self.venues[venue] = ledger_packing._venue_word(allowed, small_markets)
    accounts._set_flag(account, packing.HOUSE_BIT, house)

    log IClearinghouse.VenueSet(
        venue=venue, allowed=allowed, house=house, small_markets=small_markets
    )


# ---- trade ------------------------------------------------------------------------------------


@internal
def _trade(t: IClearinghouse.Trade) -> IClearinghouse.Traded:
    """
    @notice Ask the venue for a fill, move it between the two accounts, check them both.
    """
    venue: uint256 = self._require_venue(t)
    # 160 bits shifted up by 96
    maker: uint256 = unsafe_mul(convert(t.venue, uint256), packing.OWNER_AT)
    position: uint256 = 0
    maker_position: uint256 = 0
    size: int256 = 0
    maker_size: int256 = 0
    position, size = accounts._find_leg(t.account, t.instrument)
    maker_position, maker_size = accounts._find_leg(maker, t.instrument)
    ask: IVenue.Ask = IVenue.Ask(
        account=t.account,
        instrument=t.instrument,
        size=t.size,
        account_size=size,
        venue_size=maker_size,
        reduce_only=t.reduce_only,
        liquidation=False,
    )
    # sizes are int64, and so is what is asked for
    opens: bool = not accounts._reduces(size, unsafe_add(size, t.size))
    mark: int256 = 0
    funding: int256 = 0
    mark, funding = self._require_market(ask, venue, opens)
    fill: IVenue.Fill = self._match(t, ask)

    before: accounts.Words = empty(accounts.Words)
    if not opens:
        before = accounts._words(t.account)
    change: int256 = accounts._change_leg(t.account, t.instrument, position, size, t.size)
    # as above
    given: int256 = unsafe_sub(0, t.size)
    other: int256 = accounts._change_leg(maker, t.instrument, maker_position, maker_size, given)
    ledger._record(t.instrument, unsafe_add(change, other), fill.tilt)
    self._pay(t, maker, fill, funding)
    self._require_taker(t.account, opens, before)

    # as above
    log IClearinghouse.Filled(
        account=t.account,
        venue=maker,
        instrument=t.instrument,
        size=t.size,
        price=fill.price,
        funding=funding,
        mark=convert(mark, uint256),
        fee=fill.fee,
        account_size=unsafe_add(size, t.size),
        venue_size=unsafe_sub(maker_size, t.size),
    )
    self._require_confirmed(t.venue, ask)
    return IClearinghouse.Traded(price=fill.price, fee=fill.fee, funding=funding)


@internal
def _pay(t: IClearinghouse.Trade, maker: uint256, fill: IVenue.Fill, funding: int256):
    """
    @notice Move a fill's value between the two sides, the product computed once, and its fee.
    """
    value: int256 = t.size * (convert(fill.price, int256) - funding)
    fee: int256 = convert(fill.fee, int256)
    ledger._exchange(t.account, maker, 0, value + fee, value, fee)


# ---- require ----------------------------------------------------------------------------------


@internal
def _require_taker(account: uint256, opens: bool, before: accounts.Words):
    """
    @notice R2. What opens ends above IM; what reduces may stay below it when nothing got worse,
            and health before is only asked for then.
    """
    word: uint256 = accounts.words[account]
    after: IMarkets.Health = ledger._health(account, word)
    initial: bool = opens
    if not initial and not ledger._covers(after.equity, after.im):
        initial = not self._is_no_worse(ledger._check(account, before), after)
    if initial:
        ledger._require_initial(after.equity, after.im, after.status)
    ledger._cure(account, word, after)


@internal
@view
def _require_venue(t: IClearinghouse.Trade) -> uint256:
    venue: uint256 = self.venues[t.venue]
    if venue & 1 == 0:
        errors._fail("trading: unknown venue")
    # no divisor is 0, and no market times it is more than an instrument
    market: uint256 = unsafe_div(t.instrument, packing.MARKET_AT)
    own: bool = unsafe_div(t.account, packing.OWNER_AT) == convert(t.venue, uint256)
    # what wraps around lies far out of the range, which is symmetric: 0 <= size + max <= 2 max
    shifted: uint256 = convert(convert(unsafe_add(t.size, u.MAX_SIZE), bytes32), uint256)
    absurd: bool = t.size == 0 or shifted > SIZE_RANGE
    if own or absurd or unsafe_mul(market, packing.MARKET_AT) != t.instrument:
        errors._fail("trading: bad order")
    return venue


@internal
@view
def _require_market(ask: IVenue.Ask, venue: uint256, opens: bool) -> (int256, int256):
    """
    @notice What opens needs a fresh, trusted price and a leg worth closing later; what reduces
            needs a price no older than liquidations take, and leaves no dust.
    @return [ticks] price, cumulative funding brought to now
    """
    # no divisor is 0
    market: uint256 = unsafe_div(ask.instrument, packing.MARKET_AT)
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall ledger.MARKETS.market_words(market)
    # no divisor is 0
    publish: uint256 = unsafe_div(price_word, packing.PUBLISH_AT) & packing.MASK_32
    flags: uint256 = unsafe_div(price_word, packing.PRICE_FLAGS_AT) & packing.MASK_8
    mark: int256 = convert(unsafe_div(price_word, packing.P_AT), int256)

    max_age: uint256 = AGE_MM
    distrust: uint256 = packing.PENDING
    smallest: int256 = DUST
    if opens:
        if ask.reduce_only:
            errors._fail("trading: reduce only")
        max_age = AGE_OPEN
        distrust |= packing.UNTRUSTED | packing.OPENING
        smallest = MIN_LEG
        if ledger_packing._has_bit(venue, market):
            smallest = MIN_LEG_SMALL
    # 32 bits and minutes
    if block.timestamp > unsafe_add(publish, max_age) or flags & distrust != 0:
        errors._fail("trading: price not trusted")
    # sizes and price are int64: 129 bits
    value: int256 = unsafe_mul(unsafe_add(ask.account_size, ask.size), mark)
    if value != 0 and max(value, unsafe_sub(0, value)) < smallest:
        errors._fail("trading: leg too small")
    return mark, funding


@internal
@view
def _match(t: IClearinghouse.Trade, ask: IVenue.Ask) -> IVenue.Fill:
    """
    @notice Ask the venue for its fill: the price within the taker's limit, the fee within what
            any venue may ask.
    """
    fill: IVenue.Fill = staticcall IVenue(t.venue).match(ask)
    better: bool = fill.price >= t.limit_price
    if t.size > 0:
        better = fill.price <= t.limit_price
    if not better:
        errors._fail("trading: limit price")
    value: int256 = t.size * convert(fill.price, int256)
    if convert(fill.fee, int256) * FEE_SHARE > max(value, 0 - value):
        errors._fail("trading: fee")
    return fill


@internal
@view
def _require_confirmed(venue: address, ask: IVenue.Ask):
    """
    @notice The venue stands by the fill: its own limits and margin, after it.
    """
    # 160 bits shifted up by 96
    account: uint256 = unsafe_mul(convert(venue, uint256), packing.OWNER_AT)
    words: accounts.Words = accounts._words(account)
    confirmed: bool = staticcall IVenue(venue).confirm(
        ask,
        ledger._check(account, words),
        words.legs,
        # no divisor is 0
        unsafe_div(words.word, packing.LEGS_AT) & packing.MASK_7,
    )
    if not confirmed:
        errors._fail("trading: not confirmed")


@internal
@pure
def _is_no_worse(before: IMarkets.Health, after: IMarkets.Health) -> bool:
    """
    @notice R2 below IM: E - IM, E - MM and E / MM did not fall (E itself when it is negative).
    """
    # Markets answers with less than 200 bits
    gained: int256 = unsafe_sub(after.equity, before.equity)
    if gained < unsafe_sub(convert(after.im, int256), convert(before.im, int256)):
        return False
    if gained < unsafe_sub(convert(after.mm, int256), convert(before.mm, int256)):
        return False
    if before.equity >= 0:
        return ledger._ratio_held(before, after)
    return after.equity >= before.equity
