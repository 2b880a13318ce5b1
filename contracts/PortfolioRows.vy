# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title PortfolioRows: the rows of the portfolio scan, one by one
@license AGPL-3.0-only
@notice docs/spec/option-lens.md#rows. What PortfolioMargin sums up on its way and does not tell, by
        the same libs: deployed with the same array, it answers for the same scan. No margin
        depends on it; it stores nothing and calls nobody.
@custom:kill none: it holds neither power nor funds
"""

from interfaces import IPortfolioMargin
from interfaces import IPortfolioRows
from libs import errors
from libs import instruments
from libs import market_packing
from libs import option_book
from libs import packing
from libs import scan_cdf
from libs import scenarios
from libs import units as u
from modules import risk_array

implements: IPortfolioRows

initializes: scan_cdf
initializes: option_book[scan_cdf := scan_cdf]
initializes: risk_array

MAX_MARKETS: constant(uint256) = 8
MAX_SURFACES: constant(uint256) = 16
LEG_WORDS: constant(uint256) = 32
# an expiry in the key of a surface stands under its market
KEY_MARKET: constant(uint256) = 2**24


@deploy
def __init__(array: IPortfolioMargin.RiskArray):
    """
    @param array that of the PortfolioMargin that it explains
    @custom:reverts "portfolio: out of range"
    """
    scan_cdf.__init__()
    risk_array.__init__(array)


@external
@view
@reentrant
def rows(
    markets: DynArray[IPortfolioMargin.Underlying, MAX_MARKETS],
    surfaces: DynArray[uint256, MAX_SURFACES],
    legs: DynArray[uint256, LEG_WORDS],
    initial: bool,
) -> IPortfolioRows.Scan:
    """
    @notice What each row loses, market by market, and what their groups require.
    @param initial whether the ranges are those of IM (of v), not of MM (of v_slow)
    @custom:source docs/spec/portfolio-margin.md#rows
    @custom:rounding losses and charges up, as PortfolioMargin
    @custom:reverts "portfolio: value too large", "portfolio: group order"
    """
    found: IPortfolioRows.Scan = empty(IPortfolioRows.Scan)
    found.nodes = risk_array.NODE_COUNT
    found.extremes = risk_array.EXTREME_COUNT
    together: risk_array.Rows = empty(risk_array.Rows)
    for market: IPortfolioMargin.Underlying in markets:
        group: uint256 = scenarios._group(market.risk)
        last: uint256 = len(found.groups)
        if last == 0 or found.groups[last - 1].group != group:
            if group >= risk_array.GROUPS or last != 0 and group < found.groups[last - 1].group:
                errors._fail("portfolio: group order")
            found.groups.append(IPortfolioRows.GroupScan(group=group, apart=0, together=0, scan=0))
            together = empty(risk_array.Rows)
            last += 1

        rows: IPortfolioRows.MarketRows = self._rows(market, surfaces, legs, initial)
        found.markets.append(rows)
        together = self._added(together, rows)
        # one market alone: together is apart
        found.groups[last - 1].apart += rows.worst
        found.groups[last - 1].together = risk_array._worst(together)
    for i: uint256 in range(len(found.groups), bound=risk_array.GROUPS):
        at: IPortfolioRows.GroupScan = found.groups[i]
        saved: uint256 = (at.apart - at.together) * risk_array.RHOS[at.group] // u.WAD
        found.groups[i].scan = at.apart - saved
        found.scan += at.apart - saved
    return found


@internal
@view
def _rows(
    market: IPortfolioMargin.Underlying,
    surfaces: DynArray[uint256, MAX_SURFACES],
    legs: DynArray[uint256, LEG_WORDS],
    initial: bool,
) -> IPortfolioRows.MarketRows:
    """
    @return the rows of a market, and what it requires beside them
    """
    v: uint256 = market_packing._v_slow(market.price)
    if initial:
        v = market_packing._v(market.price)
    width: uint256 = scenarios._width(market.risk, v)
    moves: int256[risk_array.MOVES] = risk_array._moves(width)
    sums: risk_array.Sums = self._sums(market, surfaces, legs, moves)
    rows: risk_array.Rows = risk_array._rows(sums, moves)

    price: uint256 = market_packing._price(market.price)
    spot: uint256 = convert(market.spot, uint256)
    delta: int256 = sums.book.linear + rows.delta
    static: uint256 = option_book._static(sums.book, price, market.risk, spot)
    oracle: uint256 = option_book._doubt(delta, market.price, 0)
    # without legs on one side there is no spread
    straight: option_book.Book = sums.book
    straight.long = 0
    alone: uint256 = option_book._static(straight, price, market.risk, spot)
    return IPortfolioRows.MarketRows(
        market=market.market,
        group=scenarios._group(market.risk),
        width=width,
        moves=moves,
        losses=rows.losses,
        gaps=rows.gaps,
        worst=convert(rows.worst, uint256),
        least=option_book._minimum(sums.book, price, market.risk),
        static=alone,
        calendar=static - alone,
        oracle=oracle,
        open_interest=option_book._doubt(delta, market.price, market.oi_rate) - oracle,
    )


@internal
@view
def _sums(
    market: IPortfolioMargin.Underlying,
    surfaces: DynArray[uint256, MAX_SURFACES],
    legs: DynArray[uint256, LEG_WORDS],
    moves: int256[risk_array.MOVES],
) -> risk_array.Sums:
    """
    @notice The sums of a market's legs in every row, a leg at a time.
    """
    price: uint256 = market_packing._price(market.price)
    logs: DynArray[int256, risk_array.MAX_NODES] = risk_array._node_logs(moves)
    far: DynArray[int256, risk_array.BASES] = risk_array._base_logs(moves)
    reach: option_book.Reach = risk_array._reach(logs, far)
    sums: risk_array.Sums = empty(risk_array.Sums)
    sums.book = option_book._with_spot(market.spot, price)
    expiry: scenarios.Expiry = empty(scenarios.Expiry)
    for pair: uint256 in legs:
        for half: uint256 in range(2):
            entry: uint256 = packing._half(pair, half)
            instrument: uint256 = packing._leg_instrument(entry)
            if instruments._market(instrument) != market.market:
                continue
            size: int256 = packing._leg_size(entry)
            kind: uint256 = instruments._kind(instrument)
            if kind == instruments.PERP:
                sums.book = option_book._with_perp(sums.book, size, price, market.funding)
                continue
            hours: uint256 = instruments._expiry(instrument) // u.HOUR
            key: uint256 = market.market * KEY_MARKET + hours
            if key != expiry.key:
                expiry = self._expiry(surfaces, key, price)
            if kind == instruments.FUTURE:
                sums.book = option_book._with_future(sums.book, size, expiry.forward)
                continue
            strike: uint256 = instruments._strike(instrument)
            option: option_book.Option = option_book._option(size, strike, expiry, reach)
            sums.book = self._with_option(sums.book, kind, size, strike, expiry, option.base)
            side: uint256 = 1 if size < 0 else 0
            at: uint256 = side * risk_array.BASES
            for away: int256 in far:
                sums.base[at] += option_book._row(option, option.base, away)
                at += 1
            at = side * risk_array.SIDES
            for away: int256 in logs:
                sums.nodes[at] += option_book._row(option, option.up, away)
                sums.nodes[at + risk_array.MAX_NODES] += option_book._row(option, option.down, away)
                at += 1
    return sums


@internal
@view
def _expiry(
    surfaces: DynArray[uint256, MAX_SURFACES], key: uint256, price: uint256
) -> scenarios.Expiry:
    for surface: uint256 in surfaces:
        if surface // 2**224 == key:
            return scenarios._expiry(
                surface, price, risk_array.SHOCK_UP, risk_array.SHOCK_DOWN
            )
    return scenarios._without_surface(key, price)


@internal
@view
def _with_option(
    book: option_book.Book,
    kind: uint256,
    size: int256,
    strike: uint256,
    expiry: scenarios.Expiry,
    base: option_book.Shock,
) -> option_book.Book:
    """
    @notice Add what charges and the linear part take of an option.
    """
    changed: option_book.Book = book
    if kind == instruments.PUT:
        changed = option_book._with_put(book, size, expiry.forward, strike)
    else:
        changed.calls += size
    if size < 0:
        changed.shorts -= size
    elif expiry.seconds <= u.DAY:
        changed.theta += option_book._time_value(size, strike, expiry.forward, base)
    return changed


@internal
@pure
def _added(together: risk_array.Rows, rows: IPortfolioRows.MarketRows) -> risk_array.Rows:
    return risk_array._added(
        together,
        risk_array.Rows(losses=rows.losses, gaps=rows.gaps, mark=0, delta=0, worst=0),
    )
