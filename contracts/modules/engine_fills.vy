# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Fills: what two accounts agreed, held to markets, moved, and held to both margins
@license AGPL-3.0-only
@notice docs/spec/engine.md#trade. Legs are written here before the core is asked for the rest.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from interfaces import IOptions
from interfaces import IOptionsMargin
from interfaces import ISurfaces
from libs import errors
from libs import instruments
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import units as u
from modules import engine_books

uses: engine_books

MAX_LEGS: constant(uint256) = 8
# oldest price that opens [s]
AGE_OPEN: constant(uint256) = 15
# smallest leg left [USD WAD at the market's price]
DUST: constant(uint256) = 10 * u.WAD
# a side's fee is at most 1 / FEE_SHARE of what the legs stand for at the market's price
FEE_SHARE: constant(uint256) = 100

CLEARINGHOUSE: immutable(IClearinghouse)
MARGIN: immutable(IOptionsMargin)
MARKETS: immutable(IMarkets)
SURFACES: immutable(ISurfaces)
# oldest price that reduces [s]
AGE_MM: immutable(uint256)

# what two accounts exchange in a fill
struct Sums:
    cash: int256            # WAD leaving the taker
    quote: int256           # WAD leaving the taker
    worth: uint256          # of the legs at the markets' prices
    taker_opens: bool
    maker_opens: bool
    # by leg: where each side has it and how much; the market's price and a perp's funding
    taker_at: uint256[MAX_LEGS]
    maker_at: uint256[MAX_LEGS]
    taker_sizes: int256[MAX_LEGS]
    maker_sizes: int256[MAX_LEGS]
    marks: uint256[MAX_LEGS]
    fundings: int256[MAX_LEGS]


# what a leg asked for, which the next one often shares: a market's words, bounds, a surface
struct Known:
    market: uint256
    word: uint256           # of the price
    funding: int256         # ticks
    bounded: bool           # whether it has its bounds
    furthest: uint256       # s
    widest: uint256
    hours: uint256          # of a surface that may be relied on, 0: none


# a side of a fill, as the core holds it
struct Side:
    word: uint256
    legs: uint256[8]
    amounts: uint256[4]


# most option contracts of a market [lots]
caps: HashMap[uint256, uint256]


@deploy
def __init__(clearinghouse: address, markets: address, surfaces: address, margin: address):
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    MARGIN = IOptionsMargin(margin)
    MARKETS = IMarkets(markets)
    SURFACES = ISurfaces(surfaces)
    timing: IMarkets.Timing = staticcall IMarkets(markets).timing()
    AGE_MM = timing.age_mm


@internal
def _trade(fill: IOptions.Fill):
    """
    @notice Plan, apply, require both sides.
    """
    before_taker: IMarkets.Health = empty(IMarkets.Health)
    before_maker: IMarkets.Health = empty(IMarkets.Health)
    taker: Side = empty(Side)
    maker: Side = empty(Side)
    if self._has_perp(fill.legs):
        taker = self._side(fill.taker)
        maker = self._side(fill.maker)
    sums: Sums = self._sums(fill, taker, maker)
    if not sums.taker_opens:
        before_taker = self._health(fill.taker, self._side(fill.taker))
    if not sums.maker_opens:
        before_maker = self._health(fill.maker, self._side(fill.maker))

    self._apply(fill, sums)

    self._require_side(fill.taker, sums.taker_opens, before_taker)
    self._require_side(fill.maker, sums.maker_opens, before_maker)


@internal
@view
def _side(account: uint256) -> Side:
    side: Side = empty(Side)
    side.word, side.legs, side.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return side


@internal
@pure
def _has_perp(legs: DynArray[IOptions.Leg, MAX_LEGS]) -> bool:
    """
    @return whether the core holds any of the legs
    """
    for leg: IOptions.Leg in legs:
        if instruments._kind(leg.instrument) == instruments.PERP:
            return True
    return False


@internal
@view
def _held(account: uint256, side: Side, instrument: uint256) -> (uint256, int256):
    """
    @param side empty unless the fill has a perp
    @return position and size [lots] of a leg, here or in the core
    """
    if instruments._kind(instrument) != instruments.PERP:
        return engine_books._find(account, instrument)
    count: uint256 = packing._leg_count(side.word)
    for i: uint256 in range(count, bound=u.MAX_LEGS):
        entry: uint256 = packing._half(side.legs[i // 2], i)
        if packing._leg_instrument(entry) == instrument:
            return i, packing._leg_size(entry)
    return count, 0


@internal
@view
def _sums(fill: IOptions.Fill, taker: Side, maker: Side) -> Sums:
    """
    @notice What a fill moves, each leg held to what its market allows.
    """
    if fill.taker == fill.maker:
        errors._fail("options: parties")
    sums: Sums = empty(Sums)
    known: Known = empty(Known)
    last: uint256 = 0
    at: uint256 = 0
    for leg: IOptions.Leg in fill.legs:
        if leg.instrument <= last:
            errors._fail("options: leg order")
        last = leg.instrument
        if leg.size == 0 or leg.price > u.MAX_PRICE or not instruments._is_canonical(last):
            errors._fail("options: instrument")
        if abs(leg.size) > u.MAX_SIZE:
            errors._fail("engine: size range")
        sums.taker_at[at], sums.taker_sizes[at] = self._held(fill.taker, taker, last)
        sums.maker_at[at], sums.maker_sizes[at] = self._held(fill.maker, maker, last)
        taken: int256 = sums.taker_sizes[at] + leg.size
        made: int256 = sums.maker_sizes[at] - leg.size
        taker_opens: bool = self._opens(sums.taker_sizes[at], taken)
        maker_opens: bool = self._opens(sums.maker_sizes[at], made)
        known = self._require_market(known, last, taker_opens or maker_opens)
        mark: uint256 = market_packing._price(known.word)
        self._require_size(taken, mark)
        self._require_size(made, mark)
        sums.taker_opens = sums.taker_opens or taker_opens
        sums.maker_opens = sums.maker_opens or maker_opens
        sums.marks[at] = mark
        sums.fundings[at] = known.funding
        at += 1
        sums.worth += convert(abs(leg.size), uint256) * mark
        price: int256 = convert(leg.price, int256)
        kind: uint256 = instruments._kind(last)
        if kind == instruments.PERP:
            sums.quote += leg.size * (price - known.funding)
        elif kind == instruments.FUTURE:
            sums.quote += leg.size * price
        else:
            sums.cash += leg.size * price
    if max(fill.taker_fee, fill.maker_fee) > sums.worth // FEE_SHARE:
        errors._fail("options: fee")
    return sums


@internal
@pure
def _require_size(size: int256, mark: uint256):
    if size != 0 and convert(abs(size), uint256) * mark < DUST:
        errors._fail("options: leg too small")


@internal
@pure
def _opens(size: int256, after: int256) -> bool:
    """
    @return whether a leg grew or crossed zero
    """
    return after < min(size, 0) or after > max(size, 0)


@internal
@view
def _require_market(known: Known, instrument: uint256, opens: bool) -> Known:
    """
    @notice What opens needs a fresh, trusted price and surface, and stays within the market's
            bounds; what reduces, a price no older than liquidations take.
    @return what the leg asked for
    """
    market: uint256 = instruments._market(instrument)
    found: Known = known
    if market != known.market:
        found = empty(Known)
        found.market = market
        state: uint256 = 0
        found.word, state, found.funding = staticcall MARKETS.market_words(market)
    flags: uint256 = market_packing._price_flags(found.word)
    max_age: uint256 = AGE_MM
    distrust: uint256 = packing.PENDING
    if opens:
        max_age = AGE_OPEN
        distrust = packing.PENDING | packing.UNTRUSTED | packing.OPENING
    late: bool = block.timestamp > market_packing._publish_time(found.word) + max_age
    if late or flags & distrust != 0 or flags & packing.ACTIVE == 0:
        errors._fail("options: price not trusted")
    if instruments._kind(instrument) != instruments.PERP:
        hours: uint256 = instruments._expiry(instrument) // u.HOUR
        if hours * u.HOUR <= block.timestamp:
            errors._fail("options: not open")
        if opens:
            found = self._require_open(found, instrument, hours)
    return found


@internal
@view
def _require_open(known: Known, instrument: uint256, hours: uint256) -> Known:
    found: Known = known
    if self.caps[known.market] == 0:
        errors._fail("options: not open")
    if not known.bounded:
        band: uint256 = 0
        found.furthest, found.widest, band = staticcall SURFACES.bounds(known.market)
        found.bounded = True
    price: uint256 = market_packing._price(known.word)
    if not instruments._may_open(
        instrument, block.timestamp, price, found.furthest, found.widest
    ):
        errors._fail("options: not open")
    if hours != known.hours:
        if not staticcall SURFACES.surface_trusted(known.market, hours):
            errors._fail("options: surface")
        found.hours = hours
    return found


@internal
def _apply(fill: IOptions.Fill, sums: Sums):
    """
    @notice Write legs here, then have the core move perps and money.
    """
    perps: DynArray[IOptions.Leg, MAX_LEGS] = []
    at: uint256 = 0
    for leg: IOptions.Leg in fill.legs:
        taken: int256 = sums.taker_sizes[at]
        made: int256 = sums.maker_sizes[at]
        if instruments._kind(leg.instrument) == instruments.PERP:
            perps.append(leg)
        else:
            change: int256 = self._give(
                fill.taker, leg.instrument, sums.taker_at[at], taken, leg.size
            )
            change += self._give(fill.maker, leg.instrument, sums.maker_at[at], made, -leg.size)
            self._book(leg.instrument, change)
        log IOptions.LegTraded(
            taker=fill.taker,
            maker=fill.maker,
            instrument=leg.instrument,
            size=leg.size,
            price=leg.price,
            mark=sums.marks[at],
            funding=sums.fundings[at],
            taker_size=taken + leg.size,
            maker_size=made - leg.size,
        )
        at += 1

    deal: IClearinghouse.Deal = self._deal(fill.taker, fill.maker, 0, 0)
    deal.cash = sums.cash
    # the maker's fee comes out of what the taker gives him
    deal.quote = sums.quote - convert(fill.maker_fee, int256)
    deal.fee = fill.taker_fee + fill.maker_fee
    # the core is ours and asks nobody in a deal
    extcall CLEARINGHOUSE.deal(deal)
    for leg: IOptions.Leg in perps:
        extcall CLEARINGHOUSE.deal(self._deal(fill.taker, fill.maker, leg.instrument, leg.size))
    log IOptions.FillTraded(
        taker=fill.taker,
        maker=fill.maker,
        cash=sums.cash,
        quote=sums.quote,
        taker_fee=fill.taker_fee,
        maker_fee=fill.maker_fee,
    )


@internal
def _give(
    account: uint256, instrument: uint256, found: uint256, size: int256, delta: int256
) -> int256:
    """
    @return [lots] change of max(size, 0)
    """
    position: uint256 = engine_books._place(account, instrument, found, size)
    return engine_books._change(account, instrument, position, size, delta)


@internal
def _book(instrument: uint256, change: int256):
    """
    @notice Contracts stay under the market's cap where they grow.
    """
    if change == 0:
        return
    interest: uint256 = engine_books._interest(instrument, change)
    if change > 0 and interest > self.caps[instruments._market(instrument)]:
        errors._fail("options: cap")


@internal
@view
def _deal(
    account: uint256, counterparty: uint256, instrument: uint256, size: int256
) -> IClearinghouse.Deal:
    return IClearinghouse.Deal(
        account=account,
        counterparty=counterparty,
        instrument=instrument,
        size=size,
        cash=0,
        quote=0,
        fee=0,
        books=self._books(account, counterparty),
    )


@internal
@view
def _books(account: uint256, counterparty: uint256) -> uint256:
    """
    @return for whom of the two the engine answers: 1 the account, 2 the counterparty
    """
    books: uint256 = 0
    if engine_books._engaged(account):
        books = 1
    if engine_books._engaged(counterparty):
        books |= 2
    return books


@internal
@view
def _check(account: uint256, side: Side) -> IMarkets.Health:
    portfolio: bool = engine_books.books[account] & engine_books.PORTFOLIO_BIT != 0
    return staticcall MARGIN.check(
        engine_books._legs(account), portfolio, side.word, side.legs, side.amounts, True
    )


@internal
@view
def _rest(account: uint256, part: uint256, side: Side) -> IMarkets.Health:
    portfolio: bool = engine_books.books[account] & engine_books.PORTFOLIO_BIT != 0
    # who gives everything away is under standard margin after it
    return staticcall MARGIN.check(
        engine_books._rest(account, part),
        portfolio and part != u.WAD,
        side.word,
        side.legs,
        side.amounts,
        False,
    )


@internal
@view
def _price(market: uint256) -> uint256:
    return market_packing._price((staticcall MARKETS.market_words(market))[0])


@internal
@view
def _health(account: uint256, side: Side) -> IMarkets.Health:
    if engine_books._engaged(account):
        return self._check(account, side)
    return staticcall MARKETS.check(side.word, side.legs, side.amounts)


@internal
def _require_side(account: uint256, opens: bool, before: IMarkets.Health):
    """
    @notice R2: above IM with valid feeds, or nothing opened and nothing worse. At MM an auction is
            over: its clock must not run while nobody may take the account.
    """
    side: Side = self._side(account)
    after: IMarkets.Health = self._health(account, side)
    initial: bool = opens
    if not initial and after.equity < convert(after.im, int256):
        initial = not self._is_no_worse(before, after)
    if initial:
        if after.status & margin_math.LEG_INVALID != 0:
            errors._fail("options: invalid feed")
        if after.equity < convert(after.im, int256):
            errors._fail("options: margin")
    self._cure(account, side.word, after)


@internal
def _cure(account: uint256, word: uint256, health: IMarkets.Health):
    """
    @notice End the auction of who stands above MM, as the core does after its own fills.
    """
    if word & packing.AUCTION_BIT != 0 and health.equity >= convert(health.mm, int256):
        extcall CLEARINGHOUSE.set_auction(account, False)


@internal
@pure
def _is_no_worse(before: IMarkets.Health, after: IMarkets.Health) -> bool:
    """
    @notice E - IM, E - MM and E / MM did not fall (E itself when it is negative).
    """
    gained: int256 = after.equity - before.equity
    if gained < convert(after.im, int256) - convert(before.im, int256):
        return False
    if gained < convert(after.mm, int256) - convert(before.mm, int256):
        return False
    if before.equity < 0:
        return after.equity >= before.equity
    return self._ratio_held(before, after)


@internal
@pure
def _ratio_held(before: IMarkets.Health, after: IMarkets.Health) -> bool:
    """
    @return whether E / MM did not fall, without a division
    """
    return after.equity * convert(before.mm, int256) >= before.equity * convert(after.mm, int256)
