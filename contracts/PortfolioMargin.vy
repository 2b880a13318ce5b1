# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title PortfolioMargin: what a book may lose when price and volatility move
@license AGPL-3.0-only
@notice docs/spec/portfolio-margin.md. Facts are passed in, the risk array stands in the code: it
        stores nothing and calls nobody. `check` is written for gas, in one piece, so that nothing
        is copied: N in place with its table in memory, two options of a side at once, two products
        in a word. What it writes out is option_book's `_row` and risk_array's `_rows`.
@custom:kill none: it holds neither power nor funds
"""

from interfaces import IPortfolioMargin

implements: IPortfolioMargin

from libs import errors
from libs import instruments
from libs import market_packing
from libs import option_book
from libs import scan_cdf
from libs import scan_totals
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
    table: int256[scan_cdf.PIECES] = scan_cdf.TABLE
    total: scan_totals.Totals = empty(scan_totals.Totals)
    slow: scan_totals.Totals = empty(scan_totals.Totals)
    scan_im: uint256 = 0
    # in the ranges of v_slow, then in those of v where they are others
    for fast: bool in [False, True]:
        total = empty(scan_totals.Totals)
        together: risk_array.Rows = empty(risk_array.Rows)
        apart: uint256 = 0
        many: bool = len(markets) > 1
        members: uint256 = 0
        group: uint256 = 0
        for market: IPortfolioMargin.Underlying in markets:
            own: uint256 = scenarios._group(market.risk)
            if own != group:
                if own < group or own >= risk_array.GROUPS:
                    errors._fail("portfolio: group order")
                if members > 1:
                    apart = risk_array._offset(risk_array._worst(together), apart, group)
                total.scan += apart
                together = empty(risk_array.Rows)
                apart = 0
                members = 0
                group = own

            price: uint256 = market_packing._price(market.price)
            width: uint256 = scenarios._width(market.risk, market_packing._v_slow(market.price))
            width_im: uint256 = scenarios._width(market.risk, market_packing._v(market.price))
            total.wider = total.wider or width_im != width
            ladder: risk_array.Ladder = risk_array._ladder(width_im if fast else width)
            sums: risk_array.Sums = empty(risk_array.Sums)
            sums.book = option_book._with_spot(market.spot, price)
            expiries: DynArray[scenarios.Expiry, MAX_SURFACES] = []
            for surface: uint256 in surfaces:
                if scenarios._surface_market(surface) == market.market:
                    expiries.append(
                        scenarios._expiry(
                            surface, price, risk_array.SHOCK_UP, risk_array.SHOCK_DOWN
                        )
                    )

            expiry: scenarios.Expiry = empty(scenarios.Expiry)
            # who waits for a second one: with the nodes and without a shock, long and short
            option: option_book.Option = empty(option_book.Option)
            held: option_book.Option[2] = empty(option_book.Option[2])
            still: option_book.Option[2] = empty(option_book.Option[2])
            # a bit for each side
            holds: uint256 = 0
            stands: uint256 = 0
            count: uint256 = len(legs)
            for turn: uint256 in range(unsafe_add(count, 1), bound=LEG_WORDS + 1):
                # after the last word comes who still waits, long and short
                rest: uint256 = 0
                entered: bool = turn < count
                if entered:
                    rest = legs[turn]
                for half: uint256 in range(2):
                    side: uint256 = half
                    if entered:
                        entry: uint256 = rest & ENTRY
                        rest >>= 128
                        if entry >> 120 != market.market:
                            continue
                        size: int256 = (convert(convert(entry, bytes32), int256) << 192) >> 192
                        kind: uint256 = (entry >> 118) & 3
                        forward: uint256 = price
                        if kind != instruments.PERP:
                            # market and expiry, as a surface word has them on top
                            key: uint256 = (market.market << 24) | ((entry >> 94) & MASK_24)
                            if key != expiry.key:
                                for found: scenarios.Expiry in expiries:
                                    if found.key == key:
                                        expiry = found
                                        break
                                if expiry.key != key:
                                    expiry = scenarios._without_surface(key, price)
                            forward = expiry.forward
                        # what option_book's `_with_perp`, `_with_future` and `_with_put` do:
                        # 64 bits of lots times 64 of ticks, and sums of 64 such legs
                        worth: int256 = unsafe_mul(size, convert(convert(forward, bytes32), int256))
                        if kind < instruments.CALL:
                            sums.book.linear = unsafe_add(sums.book.linear, worth)
                            sums.book.worth = unsafe_add(sums.book.worth, worth)
                            if kind == instruments.FUTURE:
                                sums.book.future = unsafe_add(sums.book.future, size)
                            else:
                                sums.book.perp = unsafe_add(sums.book.perp, size)
                                sums.book.worth = unsafe_sub(
                                    sums.book.worth, unsafe_mul(size, market.funding)
                                )
                            lots: uint256 = convert(convert(size, bytes32), uint256)
                            if size < 0:
                                sums.book.short = unsafe_sub(sums.book.short, lots)
                            else:
                                sums.book.long = unsafe_add(sums.book.long, lots)
                            continue

                        strike: uint256 = instruments._strike(entry >> 64)
                        option = option_book._option(size, strike, expiry, ladder.reach)
                        # sums of 64 legs of 64 bits
                        if kind == instruments.PUT:
                            cost: int256 = unsafe_mul(
                                size, convert(convert(strike, bytes32), int256)
                            )
                            sums.book.worth = unsafe_add(sums.book.worth, unsafe_sub(cost, worth))
                            sums.book.linear = unsafe_sub(sums.book.linear, worth)
                            sums.book.puts = unsafe_add(sums.book.puts, size)
                        else:
                            sums.book.calls = unsafe_add(sums.book.calls, size)
                        side = 0
                        if size < 0:
                            side = 1
                            sums.book.shorts = unsafe_sub(sums.book.shorts, size)
                            if not expiry.live:
                                sums.book.worth += option_book._dead_short(size, price)
                        elif expiry.seconds <= u.DAY:
                            sums.book.theta += option_book._time_value(
                                size, strike, expiry.forward, option.base
                            )

                    # N is at most 2^40 (1 + 2^-28) and a leg below 2^80: no half of 64 of them
                    # reaches 2^127; y and z of a pair stay inside the table
                    bit: uint256 = unsafe_add(side, 1)
                    at: uint256 = unsafe_mul(risk_array.BASES, side)
                    if entered and option.inside_base:
                        if stands & bit != 0:
                            first: option_book.Option = still[side]
                            for away: int256 in ladder.far:
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
                                sums.base[at] = unsafe_add(sums.base[at], unsafe_add(unsafe_add(
                                    unsafe_mul(first.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128
                                        ), y0), (v0 << 64) >> 64), y0), v0) >> 206),
                                    unsafe_mul(first.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128
                                        ), z0), (w0 << 64) >> 64), z0), w0) >> 206),
                                ), unsafe_add(
                                    unsafe_mul(option.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v1 << 192) >> 192, y1), (v1 << 128) >> 128
                                        ), y1), (v1 << 64) >> 64), y1), v1) >> 206),
                                    unsafe_mul(option.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w1 << 192) >> 192, z1), (w1 << 128) >> 128
                                        ), z1), (w1 << 64) >> 64), z1), w1) >> 206),
                                )))
                                at = unsafe_add(at, 1)
                        else:
                            still[side] = option
                        stands ^= bit
                    elif entered or stands & bit != 0:
                        if not entered:
                            option = still[side]
                        for away: int256 in ladder.far:
                            y0: int256 = unsafe_add(
                                option.base.middle, unsafe_mul(option.base.inverse, away) >> 64
                            )
                            z0: int256 = unsafe_sub(y0, option.base.deviation)
                            part: int256 = 0
                            if not option.inside_base and (z0 < 0 or y0 >= scan_cdf.BEYOND):
                                part = unsafe_add(
                                    unsafe_mul(scan_cdf._n(y0), option.gain),
                                    unsafe_mul(scan_cdf._n(z0), option.cost),
                                )
                            else:
                                v0: int256 = table[convert(convert(y0, bytes32), uint256) >> 60]
                                w0: int256 = table[convert(convert(z0, bytes32), uint256) >> 60]
                                part = unsafe_add(
                                    unsafe_mul(option.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128
                                        ), y0), (v0 << 64) >> 64), y0), v0) >> 206),
                                    unsafe_mul(option.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128
                                        ), z0), (w0 << 64) >> 64), z0), w0) >> 206),
                                )
                            sums.base[at] = unsafe_add(sums.base[at], part)
                            at = unsafe_add(at, 1)

                    # as above
                    at = unsafe_mul(risk_array.SIDES, side)
                    if entered and option.inside:
                        if holds & bit != 0:
                            first: option_book.Option = held[side]
                            for away: int256 in ladder.logs:
                                y0: int256 = unsafe_add(
                                    first.up.middle, unsafe_mul(first.up.inverse, away) >> 64
                                )
                                z0: int256 = unsafe_sub(y0, first.up.deviation)
                                v0: int256 = table[convert(convert(y0, bytes32), uint256) >> 60]
                                w0: int256 = table[convert(convert(z0, bytes32), uint256) >> 60]
                                y1: int256 = unsafe_add(
                                    option.up.middle, unsafe_mul(option.up.inverse, away) >> 64
                                )
                                z1: int256 = unsafe_sub(y1, option.up.deviation)
                                v1: int256 = table[convert(convert(y1, bytes32), uint256) >> 60]
                                w1: int256 = table[convert(convert(z1, bytes32), uint256) >> 60]
                                sums.nodes[at] = unsafe_add(sums.nodes[at], unsafe_add(unsafe_add(
                                    unsafe_mul(first.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128
                                        ), y0), (v0 << 64) >> 64), y0), v0) >> 206),
                                    unsafe_mul(first.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128
                                        ), z0), (w0 << 64) >> 64), z0), w0) >> 206),
                                ), unsafe_add(
                                    unsafe_mul(option.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v1 << 192) >> 192, y1), (v1 << 128) >> 128
                                        ), y1), (v1 << 64) >> 64), y1), v1) >> 206),
                                    unsafe_mul(option.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w1 << 192) >> 192, z1), (w1 << 128) >> 128
                                        ), z1), (w1 << 64) >> 64), z1), w1) >> 206),
                                )))
                                at = unsafe_add(at, risk_array.MAX_NODES)
                                y0 = unsafe_add(
                                    first.down.middle, unsafe_mul(first.down.inverse, away) >> 64
                                )
                                z0 = unsafe_sub(y0, first.down.deviation)
                                v0 = table[convert(convert(y0, bytes32), uint256) >> 60]
                                w0 = table[convert(convert(z0, bytes32), uint256) >> 60]
                                y1 = unsafe_add(
                                    option.down.middle, unsafe_mul(option.down.inverse, away) >> 64
                                )
                                z1 = unsafe_sub(y1, option.down.deviation)
                                v1 = table[convert(convert(y1, bytes32), uint256) >> 60]
                                w1 = table[convert(convert(z1, bytes32), uint256) >> 60]
                                sums.nodes[at] = unsafe_add(sums.nodes[at], unsafe_add(unsafe_add(
                                    unsafe_mul(first.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128
                                        ), y0), (v0 << 64) >> 64), y0), v0) >> 206),
                                    unsafe_mul(first.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128
                                        ), z0), (w0 << 64) >> 64), z0), w0) >> 206),
                                ), unsafe_add(
                                    unsafe_mul(option.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v1 << 192) >> 192, y1), (v1 << 128) >> 128
                                        ), y1), (v1 << 64) >> 64), y1), v1) >> 206),
                                    unsafe_mul(option.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w1 << 192) >> 192, z1), (w1 << 128) >> 128
                                        ), z1), (w1 << 64) >> 64), z1), w1) >> 206),
                                )))
                                at = unsafe_sub(at, risk_array.MAX_NODES - 1)
                        else:
                            held[side] = option
                        holds ^= bit
                    elif entered or holds & bit != 0:
                        if not entered:
                            option = held[side]
                        for away: int256 in ladder.logs:
                            y0: int256 = unsafe_add(
                                option.up.middle, unsafe_mul(option.up.inverse, away) >> 64
                            )
                            z0: int256 = unsafe_sub(y0, option.up.deviation)
                            part: int256 = 0
                            if not option.inside and (z0 < 0 or y0 >= scan_cdf.BEYOND):
                                part = unsafe_add(
                                    unsafe_mul(scan_cdf._n(y0), option.gain),
                                    unsafe_mul(scan_cdf._n(z0), option.cost),
                                )
                            else:
                                v0: int256 = table[convert(convert(y0, bytes32), uint256) >> 60]
                                w0: int256 = table[convert(convert(z0, bytes32), uint256) >> 60]
                                part = unsafe_add(
                                    unsafe_mul(option.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128
                                        ), y0), (v0 << 64) >> 64), y0), v0) >> 206),
                                    unsafe_mul(option.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128
                                        ), z0), (w0 << 64) >> 64), z0), w0) >> 206),
                                )
                            sums.nodes[at] = unsafe_add(sums.nodes[at], part)
                            at = unsafe_add(at, risk_array.MAX_NODES)
                            y0 = unsafe_add(
                                option.down.middle, unsafe_mul(option.down.inverse, away) >> 64
                            )
                            z0 = unsafe_sub(y0, option.down.deviation)
                            part = 0
                            if not option.inside and (z0 < 0 or y0 >= scan_cdf.BEYOND):
                                part = unsafe_add(
                                    unsafe_mul(scan_cdf._n(y0), option.gain),
                                    unsafe_mul(scan_cdf._n(z0), option.cost),
                                )
                            else:
                                v0: int256 = table[convert(convert(y0, bytes32), uint256) >> 60]
                                w0: int256 = table[convert(convert(z0, bytes32), uint256) >> 60]
                                part = unsafe_add(
                                    unsafe_mul(option.gain, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((v0 << 192) >> 192, y0), (v0 << 128) >> 128
                                        ), y0), (v0 << 64) >> 64), y0), v0) >> 206),
                                    unsafe_mul(option.cost, unsafe_add(
                                        unsafe_mul(unsafe_add(unsafe_mul(unsafe_add(
                                            unsafe_mul((w0 << 192) >> 192, z0), (w0 << 128) >> 128
                                        ), z0), (w0 << 64) >> 64), z0), w0) >> 206),
                                )
                            sums.nodes[at] = unsafe_add(sums.nodes[at], part)
                            at = unsafe_sub(at, risk_array.MAX_NODES - 1)
            # what risk_array's `_rows` does, and where markets may share a group its `_added`, with
            # its bounds: values are below 2^136, moves below 2^68, halves of sums below 2^127
            base: int256 = unsafe_sub(sums.base[0], sums.base[risk_array.BASES])
            mark: int256 = option_book._after(base, 0)
            worst: int256 = 0
            last: int256 = 0
            # of the node before
            loss_up: int256 = min_value(int256)
            loss_down: int256 = min_value(int256)
            longs_up: int256 = max_value(int256)
            longs_down: int256 = max_value(int256)
            node: uint256 = 0
            for away: int256 in ladder.logs:
                move: int256 = ladder.moves[node]
                rise: int256 = unsafe_add(risk_array.ONE, move)
                level: int256 = unsafe_sub(mark, unsafe_mul(sums.book.linear, move) >> 64)
                step: int256 = unsafe_sub(move, last)
                last = move
                gap: int256 = 0
                long: int256 = sums.nodes[node]
                word: int256 = unsafe_sub(long, sums.nodes[unsafe_add(node, risk_array.SIDES)])
                cost: int256 = (word << 128) >> 128
                gain: int256 = unsafe_mul(unsafe_sub(word, cost) >> 128, rise) >> 64
                cell: int256 = loss_up
                loss_up = unsafe_sub(level, unsafe_sub(gain, cost) >> 24)
                if loss_up > cell:
                    cell = loss_up
                long >>= 128
                if long > longs_up:
                    gap = unsafe_mul(unsafe_sub(long, longs_up), step)
                    gap = unsafe_add(gap, risk_array.GAP_UP) >> 90
                    cell = unsafe_add(cell, gap)
                    if many:
                        together.gaps[unsafe_sub(node, 1)] += gap
                if cell > worst:
                    worst = cell
                if many:
                    together.losses[node] += loss_up
                longs_up = long
                # the same under the shock down
                down: uint256 = unsafe_add(node, risk_array.MAX_NODES)
                long = sums.nodes[down]
                word = unsafe_sub(long, sums.nodes[unsafe_add(down, risk_array.SIDES)])
                cost = (word << 128) >> 128
                gain = unsafe_mul(unsafe_sub(word, cost) >> 128, rise) >> 64
                cell = loss_down
                loss_down = unsafe_sub(level, unsafe_sub(gain, cost) >> 24)
                if loss_down > cell:
                    cell = loss_down
                long >>= 128
                if long > longs_down:
                    gap = unsafe_mul(unsafe_sub(long, longs_down), step)
                    gap = unsafe_add(gap, risk_array.GAP_UP) >> 90
                    cell = unsafe_add(cell, gap)
                    if many:
                        together.gaps[unsafe_sub(down, 1)] += gap
                if cell > worst:
                    worst = cell
                if many:
                    together.losses[down] += loss_down
                longs_down = long
                node = unsafe_add(node, 1)
            for i: uint256 in range(risk_array.EXTREME_COUNT, bound=risk_array.MAX_EXTREMES):
                word: int256 = unsafe_sub(sums.base[i + 1], sums.base[risk_array.BASES + i + 1])
                move: int256 = ladder.moves[risk_array.MAX_NODES + i]
                weight: int256 = risk_array.WEIGHTS[i]
                loss: int256 = risk_array._extreme(word, mark, sums.book.linear, move, weight)
                worst = max(worst, loss)
                if many:
                    together.losses[risk_array.SIDES + i] += loss
            # not negative, and below 2^136 for each of eight markets
            apart = unsafe_add(apart, convert(convert(worst, bytes32), uint256))
            members += 1

            spot: uint256 = convert(market.spot, uint256)
            delta: int256 = sums.book.linear + option_book._delta(base)
            total.worth += sums.book.worth + mark
            total.least += option_book._minimum(sums.book, price, market.risk)
            total.static += option_book._static(sums.book, price, market.risk, spot)
            total.doubt += option_book._doubt(delta, market.price, market.oi_rate)
        if members > 1:
            apart = risk_array._offset(risk_array._worst(together), apart, group)
        total.scan += apart
        # all but the worst is what the first scan says
        scan_im = max(scan_im, total.scan)
        if not fast:
            slow = total
        if not total.wider:
            break

    return scan_totals._margin(equity, kappa, slow, scan_im)
