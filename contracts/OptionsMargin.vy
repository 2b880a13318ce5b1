# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title OptionsMargin: what accounts with options and futures require
@license AGPL-3.0-only
@notice docs/spec/engine.md#check. Asked by Options with an account's legs and words; it holds the
        terms of the scan and nothing of anybody.
@custom:kill nobody; the owner changes the terms inside ranges
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from interfaces import IMarkets
from interfaces import IOptionsMargin
from interfaces import IPortfolioMargin
from libs import errors
from libs import market_packing
from libs import packing
from libs import scan_totals
from modules import engine_averages
from modules import engine_lines as own
from modules import engine_portfolio
from modules import engine_standard

implements: IOptionsMargin

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: own
initializes: engine_averages[own := own]
initializes: engine_standard[own := own]
initializes: engine_portfolio[own := own]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

# of a market's terms: rates in 1e-4
MAX_GROUP: constant(uint256) = 3
LEAST_RANGE: constant(uint256) = 500
MAX_RANGE: constant(uint256) = 10_000
MAX_RATE: constant(uint256) = 2_000

PORTFOLIO: immutable(IPortfolioMargin)


@deploy
def __init__(markets: address, surfaces: address, expiries: address, portfolio: address):
    ownable.__init__()
    ownable_2step.__init__()
    own.__init__(markets, surfaces, expiries)
    PORTFOLIO = IPortfolioMargin(portfolio)


@external
def set_risk(
    market: uint256, group: uint256, ranges: uint256[2], som: uint256, spread: uint256
):
    """
    @notice Set the terms of a market's scan; only the owner.
    @param group [0 .. 3] whose markets offset each other
    @param ranges [1e-4] the least range, and that of volatility at v = 1
    @param som [1e-4] least requirement of a short contract
    @param spread [1e-4] of calendars
    @custom:reverts "engine: out of range"
    """
    ownable._check_owner()
    known: bool = market != 0 and market <= staticcall own.MARKETS.market_count()
    narrow: bool = min(ranges[0], ranges[1]) < LEAST_RANGE or max(ranges[0], ranges[1]) > MAX_RANGE
    if not known or narrow or group > MAX_GROUP or max(som, spread) > MAX_RATE:
        errors._fail("engine: out of range")
    word: uint256 = packing._risk(group, spread, som, ranges[1], ranges[0])
    log IOptionsMargin.RiskSet(market=market, old_risk=own.risks[market], risk=word)
    own.risks[market] = word


@external
@view
@reentrant
def check(
    held: DynArray[uint256, 32],
    portfolio: bool,
    word: uint256,
    legs: uint256[8],
    amounts: uint256[4],
    initial: bool,
) -> IMarkets.Health:
    """
    @notice Equity and requirements of an account whose legs and words are passed in.
    @param initial whether IM is asked for: if not it is that of v_slow, which spares a second scan
    @custom:source docs/spec/engine.md#check
    @custom:rounding requirements up, values down, in favour of the protocol
    @custom:reverts "engine: no room", "engine: size range", and those of Markets and the scan
    """
    open: DynArray[uint256, own.WORDS] = []
    extra: own.Extra = empty(own.Extra)
    open, extra = engine_averages._averaged(held, portfolio, extra)
    # lines stand in few frames: memory that is reserved costs gas
    lines: DynArray[own.Line, own.MAX_LINES] = own._lines(open, portfolio, word, legs)
    if not initial:
        for k: uint256 in range(len(lines), bound=own.MAX_LINES):
            lines[k].price = market_packing._calm(lines[k].price)
    extra.kappa = self._unlined(held, word, len(lines))
    if portfolio:
        rest: engine_portfolio.Rest = empty(engine_portfolio.Rest)
        spots: uint256[own.MAX_LINES] = empty(uint256[own.MAX_LINES])
        rest, spots, extra = engine_portfolio._taken(word, lines, amounts, extra)
        told: IOptionsMargin.Facts = engine_portfolio._facts(rest, spots, open, lines, extra)
        margin: IPortfolioMargin.Margin = staticcall PORTFOLIO.check(
            told.health.equity, told.health.mm, told.markets, told.surfaces, told.legs
        )
        return scan_totals._with_scan(told.health, margin)
    return engine_standard._standard(word, amounts, open, lines, extra)


@external
@view
def facts(
    held: DynArray[uint256, 32], word: uint256, legs: uint256[8], amounts: uint256[4]
) -> IOptionsMargin.Facts:
    """
    @notice What `check` tells the scan of an account under portfolio margin, with IM.
    @custom:source docs/spec/engine.md#check
    @custom:reverts "engine: no room", "engine: size range", and those of Markets
    """
    open: DynArray[uint256, own.WORDS] = []
    extra: own.Extra = empty(own.Extra)
    open, extra = engine_averages._averaged(held, True, extra)
    # lines stand in few frames: memory that is reserved costs gas
    lines: DynArray[own.Line, own.MAX_LINES] = own._lines(open, True, word, legs)
    extra.kappa = self._unlined(held, word, len(lines))
    rest: engine_portfolio.Rest = empty(engine_portfolio.Rest)
    spots: uint256[own.MAX_LINES] = empty(uint256[own.MAX_LINES])
    rest, spots, extra = engine_portfolio._taken(word, lines, amounts, extra)
    return engine_portfolio._facts(rest, spots, open, lines, extra)


@external
@view
def averaged(
    held: DynArray[uint256, 32], portfolio: bool
) -> (DynArray[uint256, 32], uint256):
    """
    @notice What `check` makes of legs before anything else is counted.
    @return the legs, what is in its last half hour by what of it is open; what the rest of that
            requires at every level [WAD]
    @custom:source docs/spec/engine.md#averages
    """
    open: DynArray[uint256, own.WORDS] = []
    extra: own.Extra = empty(own.Extra)
    open, extra = engine_averages._averaged(held, portfolio, extra)
    return open, extra.mm


@external
@view
def risk(market: uint256) -> uint256:
    return own.risks[market]


# ---- internal -----------------------------------------------------------------------------------


@internal
@view
def _unlined(held: DynArray[uint256, own.WORDS], word: uint256, lines: uint256) -> uint256:
    """
    @return [WAD] what keepers are paid for legs beyond the lines, which Markets counts: no fewer
    """
    count: uint256 = packing._leg_count(word)
    for pair: uint256 in held:
        count += 1 if pair <= packing.MASK_128 else 2
    return (count - lines) * own.KAPPA_LEG
