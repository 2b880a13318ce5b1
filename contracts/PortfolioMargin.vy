# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title PortfolioMargin: what a book may lose when price and volatility move
@license AGPL-3.0-only
@notice docs/spec/portfolio-margin.md. Facts are passed in, the risk array stands in the code: it
        stores nothing and calls nobody. `_sums` is the hottest code of the house and written for
        gas: N in place with its table in memory, two options a turn, both products of a row in one
        word. What `_sums` writes out is `_row`.
@custom:kill none: it holds neither power nor funds
"""

from interfaces import IPortfolioMargin

implements: IPortfolioMargin

from libs import errors
from libs import instruments
from libs import market_packing
from libs import option_book
from libs import scan_cdf
from libs import scenarios
from libs import units as u
from modules import risk_array

initializes: scan_cdf
initializes: option_book[scan_cdf := scan_cdf]
initializes: risk_array

MAX_MARKETS: constant(uint256) = 8
MAX_SURFACES: constant(uint256) = 16
LEG_WORDS: constant(uint256) = 32
ENTRY: constant(uint256) = 2**128 - 1
MASK_24: constant(uint256) = 2**24 - 1
MASK_64: constant(uint256) = 2**64 - 1


struct Totals:  # [WAD]
    worth: int256
    scan: uint256
    least: uint256
    static: uint256
    doubt: uint256
    wider: bool     # whether a range of v is another than that of v_slow


@deploy
def __init__(array: IPortfolioMargin.RiskArray):
    """
    @custom:reverts "portfolio: out of range"
    """
    scan_cdf.__init__()
    risk_array.__init__(array)


@external
@view
@reentrant
def check(
    equity: int256,
    kappa: uint256,
    markets: DynArray[IPortfolioMargin.Underlying, MAX_MARKETS],
    surfaces: DynArray[uint256, MAX_SURFACES],
    legs: DynArray[uint256, LEG_WORDS],
) -> IPortfolioMargin.Margin:
    """
    @notice Equity and requirements of a book. Legs of a market that is not passed do not count.
    @param equity [WAD] cash, quote and the collateral that takes no part in the scan
    @param kappa [WAD] what keepers are paid
    @param markets in the order of their groups
    @param surfaces one word an expiry, docs/spec/portfolio-margin.md#inputs
    @param legs two a word, as stored
    @custom:source docs/spec/portfolio-margin.md#requirements
    @custom:rounding requirements up, values down, in favour of the protocol
    @custom:reverts "portfolio: value too large", "portfolio: group order"
    """
    slow: Totals = self._scan(markets, surfaces, legs, False)
    scan_im: uint256 = slow.scan
    if slow.wider:
        scan_im = max(scan_im, self._scan(markets, surfaces, legs, True).scan)

    risk: uint256 = max(slow.scan, slow.least)
    mm: uint256 = risk + slow.static + kappa
    im0: uint256 = mm + (5 * max(scan_im, slow.least) + 3) // 4 - risk
    return IPortfolioMargin.Margin(
        equity=equity + slow.worth,
        im=im0 + slow.doubt,
        im0=im0,
        le=mm + (risk + 7) // 8,
        mm=mm,
        scan_mm=slow.scan,
        scan_im=scan_im,
    )


@internal
@view
def _scan(
    markets: DynArray[IPortfolioMargin.Underlying, MAX_MARKETS],
    surfaces: DynArray[uint256, MAX_SURFACES],
    legs: DynArray[uint256, LEG_WORDS],
    fast: bool,
) -> Totals:
    """
    @param fast whether the ranges are those of v, not of v_slow
    """
    total: Totals = empty(Totals)
    together: risk_array.Rows = empty(risk_array.Rows)
    apart: uint256 = 0
    members: uint256 = 0
    group: uint256 = 0
    for market: IPortfolioMargin.Underlying in markets:
        own: uint256 = scenarios._group(market.risk)
        if own != group:
            if own < group or own >= risk_array.GROUPS:
                errors._fail("portfolio: group order")
            total.scan += risk_array._offset(together, apart, members, group)
            apart = 0
            members = 0
            group = own

        width: uint256 = scenarios._width(market.risk, market_packing._v_slow(market.price))
        width_im: uint256 = scenarios._width(market.risk, market_packing._v(market.price))
        if width_im != width:
            total.wider = True
        moves: int256[risk_array.MOVES] = risk_array._moves(width_im if fast else width)
        sums: risk_array.Sums = self._sums(market, surfaces, legs, moves)
        rows: risk_array.Rows = risk_array._rows(sums, moves)
        apart += convert(rows.worst, uint256)
        together = risk_array._added(together, rows) if members != 0 else rows
        members += 1

        price: uint256 = market_packing._price(market.price)
        spot: uint256 = convert(market.spot, uint256)
        delta: int256 = sums.book.linear + rows.delta
        total.worth += sums.book.worth + rows.mark
        total.least += option_book._minimum(sums.book, price, market.risk)
        total.static += option_book._static(sums.book, price, market.risk, spot)
        total.doubt += option_book._doubt(delta, market.price, market.oi_rate)
    total.scan += risk_array._offset(together, apart, members, group)
    return total


@internal
@view
def _sums(
    market: IPortfolioMargin.Underlying,
    surfaces: DynArray[uint256, MAX_SURFACES],
    legs: DynArray[uint256, LEG_WORDS],
    moves: int256[risk_array.MOVES],
) -> risk_array.Sums:
    """
    @notice The sums of a market's legs in every row. Options whose rows all stay inside the table
            are priced two at a time, the rest by `_with_nodes` and `_with_base`; a sum is the same.
    """
    table: int256[scan_cdf.PIECES] = scan_cdf.TABLE
    price: uint256 = market_packing._price(market.price)
    logs: DynArray[int256, risk_array.MAX_NODES] = risk_array._node_logs(moves)
    far: DynArray[int256, risk_array.BASES] = risk_array._base_logs(moves)
    reach: option_book.Reach = risk_array._reach(logs, far)
    expiries: DynArray[scenarios.Expiry, MAX_SURFACES] = []
    for surface: uint256 in surfaces:
        if scenarios._surface_market(surface) == market.market:
            expiries.append(
                scenarios._expiry(surface, price, risk_array.SHOCK_UP, risk_array.SHOCK_DOWN)
            )

    sums: risk_array.Sums = empty(risk_array.Sums)
    sums.book = option_book._with_spot(market.spot, price)
    expiry: scenarios.Expiry = empty(scenarios.Expiry)
    held: option_book.Option[2] = empty(option_book.Option[2])
    waiting: bool[2] = [False, False]
    for pair: uint256 in legs:
        rest: uint256 = pair
        for half: uint256 in range(2):
            entry: uint256 = rest & ENTRY
            rest = pair >> 128
            if entry >> 120 != market.market:
                continue
            size: int256 = (convert(convert(entry, bytes32), int256) << 192) >> 192
            kind: uint256 = (entry >> 118) & 3
            if kind == instruments.PERP:
                sums.book = option_book._with_perp(sums.book, size, price, market.funding)
                continue
            # market and expiry, as a surface word has them on top
            key: uint256 = (market.market << 24) | ((entry >> 94) & MASK_24)
            if key != expiry.key:
                for found: scenarios.Expiry in expiries:
                    if found.key == key:
                        expiry = found
                        break
                if expiry.key != key:
                    expiry = scenarios._without_surface(key, price)
            if kind == instruments.FUTURE:
                sums.book = option_book._with_future(sums.book, size, expiry.forward)
                continue

            strike: uint256 = instruments._strike((entry >> 64) & MASK_64)
            option: option_book.Option = option_book._option(size, strike, expiry, reach)
            # sums of 64 legs of 64 bits
            if kind == instruments.PUT:
                sums.book = option_book._with_put(sums.book, size, expiry.forward, strike)
            else:
                sums.book.calls = unsafe_add(sums.book.calls, size)
            if size < 0:
                sums.book.shorts = unsafe_sub(sums.book.shorts, size)
                if not expiry.live:
                    sums.book.worth += option_book._dead_short(size, price)
            elif expiry.seconds <= u.DAY:
                sums.book.theta += option_book._time_value(
                    size, strike, expiry.forward, option.base
                )

            # N is at most 2^40 (1 + 2^-28) and a leg below 2^80: no half of 64 of them reaches
            # 2^127; y and z stay inside the table
            side: uint256 = 1 if size < 0 else 0
            at: uint256 = unsafe_mul(risk_array.BASES, side)
            if not option.inside_base:
                sums.base = self._with_base(sums.base, option, far, at)
            if not option.inside:
                if option.inside_base:
                    sums.base = self._with_base(sums.base, option, far, at)
                at = unsafe_mul(risk_array.SIDES, side)
                sums.nodes = self._with_nodes(sums.nodes, option, logs, at)
                continue
            if not waiting[side]:
                held[side] = option
                waiting[side] = True
                continue
            first: option_book.Option = held[side]
            waiting[side] = False
            if first.inside_base and option.inside_base:
                for away: int256 in far:
                    y0: int256 = unsafe_add(
                        first.base.middle, unsafe_mul(first.base.inverse, away) >> 64
                    )
                    z0: int256 = unsafe_sub(y0, first.base.deviation)
                    v0: int256 = table[convert(convert(y0, bytes32), uint256) >> 60]
                    w0: int256 = table[convert(convert(z0, bytes32), uint256) >> 60]
                    y1: int256 = unsafe_add(
                        option.base.middle, unsafe_mul(option.base.inverse, away) >> 64
                    )
                    z1: int256 = unsafe_sub(y1, option.base.deviation)
                    v1: int256 = table[convert(convert(y1, bytes32), uint256) >> 60]
                    w1: int256 = table[convert(convert(z1, bytes32), uint256) >> 60]
                    sums.base[at] = unsafe_add(sums.base[at], unsafe_add(
                        unsafe_add(
                            unsafe_mul(
                                first.gain,
                                unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                    unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128
                                ), y0), (v0 << 64) >> 64), y0), v0) >> 206,
                            ),
                            unsafe_mul(
                                first.cost,
                                unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                    unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128
                                ), z0), (w0 << 64) >> 64), z0), w0) >> 206,
                            ),
                        ),
                        unsafe_add(
                            unsafe_mul(
                                option.gain,
                                unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                    unsafe_mul((v1 << 192) >> 192, y1), (v1 << 128) >> 128
                                ), y1), (v1 << 64) >> 64), y1), v1) >> 206,
                            ),
                            unsafe_mul(
                                option.cost,
                                unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                    unsafe_mul((w1 << 192) >> 192, z1), (w1 << 128) >> 128
                                ), z1), (w1 << 64) >> 64), z1), w1) >> 206,
                            ),
                        ),
                    ))
                    at = unsafe_add(at, 1)
            elif first.inside_base:
                sums.base = self._with_base(sums.base, first, far, at)
            elif option.inside_base:
                sums.base = self._with_base(sums.base, option, far, at)
            at = unsafe_mul(risk_array.SIDES, side)
            # as above
            for away: int256 in logs:
                y0: int256 = unsafe_add(first.up.middle, unsafe_mul(first.up.inverse, away) >> 64)
                z0: int256 = unsafe_sub(y0, first.up.deviation)
                v0: int256 = table[convert(convert(y0, bytes32), uint256) >> 60]
                w0: int256 = table[convert(convert(z0, bytes32), uint256) >> 60]
                y1: int256 = unsafe_add(option.up.middle, unsafe_mul(option.up.inverse, away) >> 64)
                z1: int256 = unsafe_sub(y1, option.up.deviation)
                v1: int256 = table[convert(convert(y1, bytes32), uint256) >> 60]
                w1: int256 = table[convert(convert(z1, bytes32), uint256) >> 60]
                sums.nodes[at] = unsafe_add(sums.nodes[at], unsafe_add(
                    unsafe_add(
                        unsafe_mul(first.gain, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128), y0
                        ), (v0 << 64) >> 64), y0), v0) >> 206),
                        unsafe_mul(first.cost, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128), z0
                        ), (w0 << 64) >> 64), z0), w0) >> 206),
                    ),
                    unsafe_add(
                        unsafe_mul(option.gain, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((v1 << 192) >> 192, y1), (v1 << 128) >> 128), y1
                        ), (v1 << 64) >> 64), y1), v1) >> 206),
                        unsafe_mul(option.cost, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((w1 << 192) >> 192, z1), (w1 << 128) >> 128), z1
                        ), (w1 << 64) >> 64), z1), w1) >> 206),
                    ),
                ))
                at = unsafe_add(at, risk_array.MAX_NODES)
                y0 = unsafe_add(first.down.middle, unsafe_mul(first.down.inverse, away) >> 64)
                z0 = unsafe_sub(y0, first.down.deviation)
                v0 = table[convert(convert(y0, bytes32), uint256) >> 60]
                w0 = table[convert(convert(z0, bytes32), uint256) >> 60]
                y1 = unsafe_add(option.down.middle, unsafe_mul(option.down.inverse, away) >> 64)
                z1 = unsafe_sub(y1, option.down.deviation)
                v1 = table[convert(convert(y1, bytes32), uint256) >> 60]
                w1 = table[convert(convert(z1, bytes32), uint256) >> 60]
                sums.nodes[at] = unsafe_add(sums.nodes[at], unsafe_add(
                    unsafe_add(
                        unsafe_mul(first.gain, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128), y0
                        ), (v0 << 64) >> 64), y0), v0) >> 206),
                        unsafe_mul(first.cost, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128), z0
                        ), (w0 << 64) >> 64), z0), w0) >> 206),
                    ),
                    unsafe_add(
                        unsafe_mul(option.gain, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((v1 << 192) >> 192, y1), (v1 << 128) >> 128), y1
                        ), (v1 << 64) >> 64), y1), v1) >> 206),
                        unsafe_mul(option.cost, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
                            unsafe_add(unsafe_mul((w1 << 192) >> 192, z1), (w1 << 128) >> 128), z1
                        ), (w1 << 64) >> 64), z1), w1) >> 206),
                    ),
                ))
                at = unsafe_sub(at, risk_array.MAX_NODES - 1)

    for side: uint256 in range(2):
        if waiting[side]:
            if held[side].inside_base:
                sums.base = self._with_base(sums.base, held[side], far, risk_array.BASES * side)
            sums.nodes = self._with_nodes(sums.nodes, held[side], logs, risk_array.SIDES * side)
    return sums


@internal
@view
def _with_nodes(
    nodes: int256[2 * risk_array.SIDES],
    option: option_book.Option,
    logs: DynArray[int256, risk_array.MAX_NODES],
    first: uint256,
) -> int256[2 * risk_array.SIDES]:
    changed: int256[2 * risk_array.SIDES] = nodes
    at: uint256 = first
    gain: int256 = option.gain
    cost: int256 = option.cost
    # as in _sums
    for away: int256 in logs:
        changed[at] = unsafe_add(changed[at], self._row(gain, cost, option.up, away))
        at = unsafe_add(at, risk_array.MAX_NODES)
        changed[at] = unsafe_add(changed[at], self._row(gain, cost, option.down, away))
        at = unsafe_sub(at, risk_array.MAX_NODES - 1)
    return changed


@internal
@view
def _with_base(
    base: int256[2 * risk_array.BASES],
    option: option_book.Option,
    far: DynArray[int256, risk_array.BASES],
    first: uint256,
) -> int256[2 * risk_array.BASES]:
    changed: int256[2 * risk_array.BASES] = base
    at: uint256 = first
    gain: int256 = option.gain
    cost: int256 = option.cost
    # as in _sums
    for away: int256 in far:
        changed[at] = unsafe_add(changed[at], self._row(gain, cost, option.base, away))
        at = unsafe_add(at, 1)
    return changed


@internal
@view
def _row(gain: int256, cost: int256, shock: option_book.Shock, away: int256) -> int256:
    """
    @param away [2^-64] ln of the row's price over P
    @return what the row adds to its sum
    """
    # middle and inverse are below 2^92; products as in _sums
    y: int256 = unsafe_add(shock.middle, unsafe_mul(shock.inverse, away) >> 64)
    z: int256 = unsafe_sub(y, shock.deviation)
    if z < 0 or y >= scan_cdf.BEYOND:
        return unsafe_add(unsafe_mul(scan_cdf._n(y), gain), unsafe_mul(scan_cdf._n(z), cost))
    # both inside the table, as there
    v: int256 = scan_cdf.TABLE[convert(convert(y, bytes32), uint256) >> 60]
    w: int256 = scan_cdf.TABLE[convert(convert(z, bytes32), uint256) >> 60]
    return unsafe_add(
        unsafe_mul(gain, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
            unsafe_add(unsafe_mul((v << 192) >> 192, y), (v << 128) >> 128), y
        ), (v << 64) >> 64), y), v) >> 206),
        unsafe_mul(cost, unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(
            unsafe_add(unsafe_mul((w << 192) >> 192, z), (w << 128) >> 128), z
        ), (w << 64) >> 64), z), w) >> 206),
    )
