# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Standard margin of who holds options or futures (R4)
@license AGPL-3.0-only
@notice docs/spec/engine.md#check. Markets sees the net of perp and futures as a perp; spreads
        between them and options come on top.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import errors
from libs import fixed_point
from libs import instruments
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import scenarios
from libs import units as u
from modules import engine_lines as own

uses: own

# of a short option, parts of the price: R4
SHORT_IM: constant(uint256) = 15
SHORT_LEAST: constant(uint256) = 10
SHORT_MM_TWICE: constant(uint256) = 15
# of a short option whose surface is dead
DEAD_SHORT: constant(uint256) = 10
V_CAP: constant(uint256) = 2 * u.V_ONE
# 1.0 of a spread in a margin word
SPREAD_ONE: constant(uint256) = 400


@internal
@view
def _standard(
    word: uint256,
    amounts: uint256[u.AMOUNT_WORDS],
    held: DynArray[uint256, own.WORDS],
    lines: DynArray[own.Line, own.MAX_LINES],
    extra: own.Extra,
) -> IMarkets.Health:
    """
    @notice R4: Markets sees the net of perp and futures as a perp, which what follows puts right;
            spreads between them and options come on top.
    """
    sums: own.Extra = extra
    legs: uint256[u.LEG_WORDS] = empty(uint256[u.LEG_WORDS])
    at: uint256 = 0
    for line: own.Line in lines:
        if abs(line.net) > u.MAX_SIZE:
            errors._fail("engine: size range")
        entry: uint256 = packing._leg(packing._perp(line.market), line.net)
        legs[at // 2] = packing._with_half(legs[at // 2], at, entry)
        at += 1
        if line.held:
            sums = self._with_spread(sums, line)
            sums = self._with_options(sums, line, held)
    health: IMarkets.Health = staticcall own.MARKETS.check(
        packing._with_leg_count(word, len(lines)), legs, amounts
    )
    return own._total(health, sums)


@internal
@view
def _with_spread(sums: own.Extra, line: own.Line) -> own.Extra:
    """
    @notice The calendar charge of R4, and of futures what Markets took for a perp's F.
    """
    changed: own.Extra = sums
    price: uint256 = market_packing._price(line.price)
    base: uint256 = 0
    ratio: uint256 = 0
    tier: uint256 = 0
    spread: uint256 = 0
    rest: uint256[4] = empty(uint256[4])
    base, ratio, tier, spread, rest[0], rest[1], rest[2], rest[3] = market_packing._margin_fields(
        line.state
    )
    lots: uint256 = min(line.long, line.short)
    calendar: uint256 = fixed_point._ceil_div(lots * price * spread, SPREAD_ONE)
    changed.mm += fixed_point._ceil_div(calendar * ratio, 100)
    changed.ims += calendar
    changed.im += calendar
    # their marks come with the other legs
    futures: int256 = line.net - line.perp
    entry: int256 = futures * (convert(price, int256) - line.funding)
    changed.worth -= entry
    changed.unsettled -= entry
    return changed


@internal
@view
def _with_options(sums: own.Extra, line: own.Line, held: DynArray[uint256, own.WORDS]) -> own.Extra:
    """
    @notice Marks of a market's futures and options, and what the options require.
    """
    changed: own.Extra = sums
    price: uint256 = market_packing._price(line.price)
    marks: DynArray[uint256, own.ENTRIES] = staticcall own.SURFACES.marks(line.market, price, held)
    rate: uint256 = margin_math._dead_rate(line.state, own._decay(line.price))
    position: uint256 = 0
    for pair: uint256 in held:
        for half: uint256 in range(2):
            entry: uint256 = packing._half(pair, half)
            mark: uint256 = marks[position]
            position += 1
            instrument: uint256 = packing._leg_instrument(entry)
            if instruments._market(instrument) != line.market:
                continue
            size: int256 = packing._leg_size(entry)
            if instruments._expiry(instrument) <= block.timestamp:
                changed = own._expired(changed, instrument, size, price)
                continue
            worth: int256 = size * convert(mark, int256)
            changed.worth += worth
            if instruments._kind(instrument) == instruments.FUTURE:
                changed.unsettled += worth
                continue
            if rate != 0:
                lots: uint256 = convert(abs(size), uint256)
                charge: uint256 = fixed_point._mul_up(lots * price, min(rate, u.WAD))
                changed.mm += charge
                changed.ims += charge
                changed.im += charge
            if size > 0:
                changed.mm += convert(worth, uint256)
                changed.ims += convert(worth, uint256)
                changed.im += convert(worth, uint256)
            else:
                changed = self._with_short(changed, line, instrument, convert(-size, uint256), mark)
    return changed


@internal
@view
def _with_short(
    sums: own.Extra, line: own.Line, instrument: uint256, lots: uint256, mark: uint256
) -> own.Extra:
    """
    @notice R4's short option: IM max(15 % - otm/P, 10 %) min(2, v) P, MM 7.5 % min(2, v_slow) P; a
            put's both at most strike - mark; of a dead surface 10 % of P besides, out of E.
    """
    changed: own.Extra = sums
    price: uint256 = market_packing._price(line.price)
    strike: uint256 = instruments._strike(instrument)
    put: bool = instruments._kind(instrument) == instruments.PUT
    # a call is out of the money by what its strike is above the price, a put the other way
    away: uint256 = max(price, strike) - (strike if put else price)
    percent: uint256 = max(
        SHORT_IM * price - min(100 * away, SHORT_IM * price), SHORT_LEAST * price
    )
    v: uint256 = min(market_packing._v(line.price), V_CAP)
    v_slow: uint256 = min(market_packing._v_slow(line.price), V_CAP)
    most: uint256 = max_value(uint256)
    if put:
        most = lots * (max(strike, mark) - mark)
    changed.mm += min(
        fixed_point._ceil_div(SHORT_MM_TWICE * price * lots * v_slow, 200 * u.V_ONE), most
    )
    changed.ims += min(fixed_point._ceil_div(percent * lots * v_slow, 100 * u.V_ONE), most)
    changed.im += min(fixed_point._ceil_div(percent * lots * v, 100 * u.V_ONE), most)
    hours: uint256 = instruments._expiry(instrument) // u.HOUR
    surface: uint256 = staticcall own.SURFACES.surface(line.market, hours)
    if own._surface_age(surface) > scenarios.SURFACE_DEAD:
        changed.worth -= convert(
            fixed_point._ceil_div(lots * price * DEAD_SHORT, 100), int256
        )
    return changed
