# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Lines of the engine's margin: what an account has of each market, what expired is worth
@license AGPL-3.0-only
@notice docs/spec/engine.md#check. The facts that both kinds of margin start from, and how sums
        become an answer.
@custom:kill not deployable
"""

from interfaces import IExpiries
from interfaces import IMarkets
from interfaces import ISurfaces
from libs import errors
from libs import fixed_point
from libs import instruments
from libs import market_packing
from libs import packing
from libs import units as u

MAX_LINES: constant(uint256) = 16
MAX_SCANNED: constant(uint256) = 8
WORDS: constant(uint256) = 32
ENTRIES: constant(uint256) = 64
# of a leg whose settlement price is awaited [% of the price]
AWAITED: constant(uint256) = 10
# a feed beyond T_DEAD loses its worth over a day, as in Markets
DECAY: constant(uint256) = u.DAY
# of a leg's entry: the upper bit of its kind, which calls and puts have
OPTION_BIT: constant(uint256) = 2**119
# where a surface word has its time
PUBLISHED_AT: constant(uint256) = 2**192

MARKETS: immutable(IMarkets)
SURFACES: immutable(ISurfaces)
EXPIRIES: immutable(IExpiries)
AGE_IM: immutable(uint256)
DEAD_AFTER: immutable(uint256)
KAPPA_LEG: immutable(uint256)
KAPPA_COLLATERAL: immutable(uint256)


struct Line:                # what an account has of one market
    market: uint256
    price: uint256          # the price word
    state: uint256          # the state word
    funding: int256         # ticks
    perp: int256            # lots, like the rest
    net: int256             # of perp and futures
    long: uint256           # of both
    short: uint256
    gross: uint256          # of every leg
    held: bool              # a leg of the engine
    scanned: bool


struct Extra:               # WAD: beyond what Markets says
    worth: int256           # of E
    unsettled: int256       # of U
    mm: uint256
    ims: uint256
    im: uint256
    kappa: uint256


# what a market's scan is made with (docs/spec/portfolio-margin.md#inputs), 0: no options of it
risks: HashMap[uint256, uint256]


@deploy
def __init__(markets: address, surfaces: address, expiries: address):
    MARKETS = IMarkets(markets)
    SURFACES = ISurfaces(surfaces)
    EXPIRIES = IExpiries(expiries)
    timing: IMarkets.Timing = staticcall IMarkets(markets).timing()
    charges: IMarkets.Charges = staticcall IMarkets(markets).charges()
    AGE_IM = timing.age_im
    DEAD_AFTER = timing.dead_after
    KAPPA_LEG = charges.kappa_leg
    KAPPA_COLLATERAL = charges.kappa_collateral


@internal
@view
def _lines(
    held: DynArray[uint256, WORDS], portfolio: bool, word: uint256, legs: uint256[u.LEG_WORDS]
) -> DynArray[Line, MAX_LINES]:
    """
    @notice Sum up by market, those of the engine's legs first, then perps in their order. Under
            portfolio margin the first markets with a risk word take part, eight at most.
    """
    lines: DynArray[Line, MAX_LINES] = []
    room: uint256 = MAX_SCANNED if portfolio else 0
    own: uint256 = 2 * len(held)
    at: uint256 = 0
    for i: uint256 in range(own + packing._leg_count(word), bound=ENTRIES + u.MAX_LEGS):
        pair: uint256 = held[i // 2] if i < own else legs[(i - own) // 2]
        entry: uint256 = pair & packing.MASK_128 if i & 1 == 0 else pair // packing.UPPER_HALF_AT
        if entry == 0:
            continue
        market: uint256 = entry // packing.LEG_MARKET_AT
        # legs of a market are often neighbours
        if at == len(lines) or lines[at].market != market:
            at = 0
            for k: uint256 in range(len(lines), bound=MAX_LINES):
                if lines[k].market == market:
                    break
                at += 1
        if at == len(lines):
            if at == MAX_LINES:
                errors._fail("engine: no room")
            lines.append(self._line(market, room != 0, i < own))
            if lines[at].scanned:
                room -= 1
            elif portfolio and i < own:
                # its options would count for nothing
                errors._fail("engine: no room")
        size: int256 = packing._leg_size(entry)
        lines[at].gross += convert(abs(size), uint256)
        if entry & OPTION_BIT == 0:
            lines[at] = self._with_straight(lines[at], packing._leg_instrument(entry), size)
    return lines


@internal
@view
def _line(market: uint256, may: bool, held: bool) -> Line:
    """
    @param may whether there is room in the scan
    @param held whether it has legs of the engine, which come first
    """
    line: Line = empty(Line)
    line.market = market
    line.held = held
    line.price, line.state, line.funding = staticcall MARKETS.market_words(market)
    line.scanned = may and self.risks[market] != 0
    return line


@internal
@view
def _with_straight(line: Line, instrument: uint256, size: int256) -> Line:
    """
    @param instrument a perp or a future
    """
    changed: Line = line
    if instruments._kind(instrument) == instruments.PERP:
        changed.perp = size
    elif instruments._expiry(instrument) <= block.timestamp:
        # what has expired moves no more
        return changed
    changed.net += size
    if size > 0:
        changed.long += convert(size, uint256)
    else:
        changed.short += convert(-size, uint256)
    return changed


@internal
@view
def _expired(extra: Extra, instrument: uint256, size: int256, price: uint256) -> Extra:
    """
    @notice What expired is worth its payoff; as long as its price is awaited, at the market's,
            and it requires a tenth of that.
    """
    changed: Extra = extra
    hours: uint256 = instruments._expiry(instrument) // u.HOUR
    settled: uint256 = staticcall EXPIRIES.settlement_price(instruments._market(instrument), hours)
    worth: int256 = 0
    if settled != 0:
        worth = size * instruments._payoff(instrument, settled)
    else:
        worth = size * instruments._payoff(instrument, price)
        charge: uint256 = fixed_point._ceil_div(
            convert(abs(size), uint256) * price * AWAITED, 100
        )
        changed.mm += charge
        changed.ims += charge
        changed.im += charge
    changed.worth += worth
    changed.unsettled += worth
    return changed


@internal
@pure
def _total(health: IMarkets.Health, sums: Extra) -> IMarkets.Health:
    total: IMarkets.Health = health
    total.equity += sums.worth
    total.unsettled += sums.unsettled
    total.kappa += sums.kappa
    total.mm += sums.mm + sums.kappa
    total.le += sums.mm + (sums.ims - sums.mm + 1) // 2 + sums.kappa
    total.im += sums.im + sums.kappa
    return total


@internal
@view
def _surface_age(surface: uint256) -> uint256:
    publish: uint256 = (surface // PUBLISHED_AT) & packing.MASK_32
    return max(block.timestamp, publish) - publish


@internal
@view
def _decay(price: uint256) -> uint256:
    """
    @return [WAD] how far a feed is on its way to a worthless price
    """
    publish: uint256 = market_packing._publish_time(price)
    age: uint256 = max(block.timestamp, publish) - publish
    if age <= DEAD_AFTER:
        return 0
    return min(u.WAD, (age - DEAD_AFTER) * u.WAD // DECAY)
