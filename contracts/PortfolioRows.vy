# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
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
MAX_LEGS: constant(uint256) = 64


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


@external
@view
@reentrant
def units(
    market: IPortfolioMargin.Underlying,
    surfaces: DynArray[uint256, MAX_SURFACES],
    ids: DynArray[uint256, MAX_LEGS],
    initial: bool,
) -> DynArray[IPortfolioRows.Unit, MAX_LEGS]:
    """
    @notice What instruments of a market are in its rows, a lot of each: the same for whoever holds
            them.
    @param ids futures, calls and puts of the market
    @custom:source docs/spec/option-lens.md#batch
    @custom:rounding none of N: a book's sums are rounded, not their parts
    """
    price: uint256 = market_packing._price(market.price)
    moves: int256[risk_array.MOVES] = risk_array._moves(self._width(market, initial))
    logs: DynArray[int256, risk_array.MAX_NODES] = risk_array._node_logs(moves)
    far: DynArray[int256, risk_array.BASES] = risk_array._base_logs(moves)
    reach: option_book.Reach = risk_array._reach(logs, far)
    table: int256[scan_cdf.PIECES] = scan_cdf.TABLE
    expiry: scenarios.Expiry = empty(scenarios.Expiry)
    found: DynArray[IPortfolioRows.Unit, MAX_LEGS] = []
    for id: uint256 in ids:
        key: uint256 = market.market * KEY_MARKET + instruments._expiry(id) // u.HOUR
        if key != expiry.key:
            expiry = risk_array._expiry(surfaces, key, price)
        unit: IPortfolioRows.Unit = empty(IPortfolioRows.Unit)
        unit.forward = expiry.forward
        unit.live = expiry.live
        if instruments._kind(id) == instruments.FUTURE:
            found.append(unit)
            continue
        unit.strike = instruments._strike(id)
        option: option_book.Option = option_book._option(1, unit.strike, expiry, reach)
        if expiry.seconds <= u.DAY:
            unit.time_value = option_book._time_value(1, unit.strike, unit.forward, option.base)
        at: uint256 = 0
        for away: int256 in logs:
            # middles and inverses are below 2^92, logarithms below 2^68
            y: int256 = unsafe_add(option.up.middle, unsafe_mul(option.up.inverse, away) >> 64)
            z: int256 = unsafe_sub(y, option.up.deviation)
            p: int256 = unsafe_add(option.down.middle, unsafe_mul(option.down.inverse, away) >> 64)
            q: int256 = unsafe_sub(p, option.down.deviation)
            # N may be a unit below zero: halves are added
            if option.inside:
                # scan_cdf's `_n` with the table in memory
                v: int256 = table[convert(convert(y, bytes32), uint256) >> 60]
                w: int256 = table[convert(convert(p, bytes32), uint256) >> 60]
                unit.gains[at] = unsafe_add(
                    (unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                        unsafe_mul((v << 192) >> 192, y), (v << 128) >> 128
                    ), y), (v << 64) >> 64), y), v) >> 206) << 128,
                    unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                        unsafe_mul((w << 192) >> 192, p), (w << 128) >> 128
                    ), p), (w << 64) >> 64), p), w) >> 206,
                )
                v = table[convert(convert(z, bytes32), uint256) >> 60]
                w = table[convert(convert(q, bytes32), uint256) >> 60]
                unit.costs[at] = unsafe_add(
                    (unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                        unsafe_mul((v << 192) >> 192, z), (v << 128) >> 128
                    ), z), (v << 64) >> 64), z), v) >> 206) << 128,
                    unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                        unsafe_mul((w << 192) >> 192, q), (w << 128) >> 128
                    ), q), (w << 64) >> 64), q), w) >> 206,
                )
            else:
                unit.gains[at] = unsafe_add(scan_cdf._n(y) << 128, scan_cdf._n(p))
                unit.costs[at] = unsafe_add(scan_cdf._n(z) << 128, scan_cdf._n(q))
            at = unsafe_add(at, 1)
        place: uint256 = 128
        for away: int256 in far:
            # as above
            y: int256 = unsafe_add(option.base.middle, unsafe_mul(option.base.inverse, away) >> 64)
            z: int256 = unsafe_sub(y, option.base.deviation)
            gain: int256 = 0
            cost: int256 = 0
            if option.inside_base:
                v: int256 = table[convert(convert(y, bytes32), uint256) >> 60]
                w: int256 = table[convert(convert(z, bytes32), uint256) >> 60]
                gain = unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                    unsafe_mul((v << 192) >> 192, y), (v << 128) >> 128
                ), y), (v << 64) >> 64), y), v) >> 206
                cost = unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                    unsafe_mul((w << 192) >> 192, z), (w << 128) >> 128
                ), z), (w << 64) >> 64), z), w) >> 206
            else:
                gain = scan_cdf._n(y)
                cost = scan_cdf._n(z)
            unit.gains[at] = unsafe_add(unit.gains[at], gain << place)
            unit.costs[at] = unsafe_add(unit.costs[at], cost << place)
            if place == 0:
                at = unsafe_add(at, 1)
            place = unsafe_sub(128, place)
        found.append(unit)
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
    width: uint256 = self._width(market, initial)
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
@pure
def _width(market: IPortfolioMargin.Underlying, initial: bool) -> uint256:
    v: uint256 = market_packing._v_slow(market.price)
    if initial:
        v = market_packing._v(market.price)
    return scenarios._width(market.risk, v)


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
                expiry = risk_array._expiry(surfaces, key, price)
            if kind == instruments.FUTURE:
                sums.book = option_book._with_future(sums.book, size, expiry.forward)
                continue
            strike: uint256 = instruments._strike(instrument)
            option: option_book.Option = option_book._option(size, strike, expiry, reach)
            sums.book = option_book._with_option(sums.book, kind, size, expiry.forward, strike)
            if size > 0 and expiry.seconds <= u.DAY:
                sums.book.theta += option_book._time_value(
                    size, strike, expiry.forward, option.base
                )
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
@pure
def _added(together: risk_array.Rows, rows: IPortfolioRows.MarketRows) -> risk_array.Rows:
    return risk_array._added(
        together,
        risk_array.Rows(losses=rows.losses, gaps=rows.gaps, mark=0, delta=0, worst=0),
    )
