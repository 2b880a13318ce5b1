# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Book of one market under portfolio margin: legs added up, options made ready for their rows
@license AGPL-3.0-only
@notice docs/spec/portfolio-margin.md: words in, terms out. Ratios are binary: [2^-64] means that
        2^64 is one. Requirements round up, values down, in favour of the protocol.
@custom:source docs/spec/portfolio-margin.md#strike
@custom:kill not deployable
"""

from libs import binary_math
from libs import errors
from libs import fixed_point
from libs import instruments
from libs import market_packing
from libs import scan_cdf
from libs import scenarios
from libs import units as u
uses: scan_cdf

ONE: constant(int256) = 2**64
# scan_cdf's END
SIX: constant(int256) = 6 * 2**64
RATES: constant(uint256) = 10_000
RATE_UP: constant(uint256) = RATES - 1
# of a dead short option, parts of the price; of delta-1 legs and naked short options [%]
DEAD_SHORT: constant(uint256) = 10
STATIC_DELTA: constant(uint256) = 3
STATIC_NAKED: constant(uint256) = 2
# the least deviation of a row, which stands for none
LEAST_DEVIATION: constant(uint256) = 2**44
# a leg's value and its strike's [WAD]
MAX_LEG: constant(uint256) = 2**96 - 1
MASK_16: constant(uint256) = 2**16 - 1


struct Book:
    worth: int256           # what E gains by legs, the mark of options as calls apart [WAD]
    linear: int256          # delta-1 legs and minus the puts [WAD]
    theta: uint256          # time value of long options in their last day [WAD]
    perp: int256            # [lots], like the rest
    future: int256
    long: uint256           # delta-1, spot included
    short: uint256
    calls: int256
    puts: int256
    shorts: int256          # option contracts sold


struct Option:
    gain: int256            # |size| F / 2^16 in the upper half of a word
    cost: int256            # |size| K / 2^16
    up: Shock
    down: Shock
    base: Shock
    inside: bool            # no node's row leaves the table of N
    inside_base: bool       # no row without a shock leaves it


struct Shock:  # [2^-64]
    middle: int256      # 6 + d1 where the price does not move
    inverse: int256     # of the deviation
    deviation: int256


struct Reach:  # the largest |ln| of a row's price over P [2^-64]
    nodes: int256
    base: int256


# ---- legs ----------------------------------------------------------------------------------------


@internal
@pure
def _with_spot(spot: int256, price: uint256) -> Book:
    """
    @param spot [lots, not negative, below 2^64]
    @return a book of nothing else
    """
    book: Book = empty(Book)
    # 64 bits of lots times 64 of ticks
    book.worth = unsafe_mul(spot, convert(price, int256))
    book.linear = book.worth
    book.long = convert(spot, uint256)
    return book


@internal
@pure
def _with_perp(book: Book, size: int256, price: uint256, funding: int256) -> Book:
    """
    @param size [lots, 64 bits]
    @param funding [ticks, 64 bits] brought to now
    """
    changed: Book = self._with_straight(book, size, price)
    # 64 bits of lots times 64 of ticks; no sum of 64 reaches 2^136
    changed.worth = unsafe_sub(changed.worth, unsafe_mul(size, funding))
    changed.perp = unsafe_add(book.perp, size)
    return changed


@internal
@pure
def _with_future(book: Book, size: int256, forward: uint256) -> Book:
    """
    @param size [lots, 64 bits]
    @param forward [ticks] its mark
    """
    changed: Book = self._with_straight(book, size, forward)
    # sums of 64 legs of 64 bits
    changed.future = unsafe_add(book.future, size)
    return changed


@internal
@pure
def _with_straight(book: Book, size: int256, forward: uint256) -> Book:
    """
    @notice Add what moves as its forward does.
    """
    changed: Book = book
    # a leg is below 2^128, so no sum of 65 reaches 2^135
    worth: int256 = unsafe_mul(size, convert(forward, int256))
    changed.linear = unsafe_add(book.linear, worth)
    changed.worth = unsafe_add(book.worth, worth)
    if size < 0:
        changed.short = unsafe_add(book.short, convert(unsafe_sub(0, size), uint256))
    else:
        changed.long = unsafe_add(book.long, convert(size, uint256))
    return changed


@internal
@pure
def _with_put(book: Book, size: int256, forward: uint256, strike: uint256) -> Book:
    """
    @notice Add what a put is worth beyond its call, K - F, and the move of -F.
    @param size [lots, 64 bits]
    """
    changed: Book = book
    # 64 bits of lots times 64 of ticks; no sum of 64 reaches 2^136
    worth: int256 = unsafe_mul(size, convert(convert(forward, bytes32), int256))
    cost: int256 = unsafe_mul(size, convert(convert(strike, bytes32), int256))
    changed.worth = unsafe_add(book.worth, unsafe_sub(cost, worth))
    changed.linear = unsafe_sub(book.linear, worth)
    changed.puts = unsafe_add(book.puts, size)
    return changed


@internal
@pure
def _with_option(
    book: Book, kind: uint256, size: int256, forward: uint256, strike: uint256
) -> Book:
    """
    @notice Add what charges and the linear part take of a call or put; not its time value.
    @param size [lots, 64 bits]
    """
    changed: Book = book
    if kind == instruments.PUT:
        changed = self._with_put(book, size, forward, strike)
    else:
        # sums of 64 legs of 64 bits
        changed.calls = unsafe_add(book.calls, size)
    if size < 0:
        changed.shorts = unsafe_sub(book.shorts, size)
    return changed


@internal
@view
def _option(size: int256, strike: uint256, expiry: scenarios.Expiry, reach: Reach) -> Option:
    """
    @notice What an option needs to be priced in every row.
    @param size [lots, 64 bits]
    @param strike [ticks, 63 bits] not zero
    @custom:reverts "portfolio: value too large"
    """
    # 63 bits of lots times 64 of ticks
    lots: uint256 = convert(convert(size, bytes32), uint256)
    if size < 0:
        lots = unsafe_sub(0, lots)
    worth: uint256 = unsafe_mul(lots, expiry.forward)
    cost: uint256 = unsafe_mul(lots, strike)
    if (worth | cost) > MAX_LEG:
        errors._fail("portfolio: value too large")

    # strikes of canonical options are not zero
    k: int256 = binary_math._ln(unsafe_div(expiry.forward << 64, strike))
    s: uint256 = LEAST_DEVIATION
    if expiry.live:
        # svi's formula with a root that costs half; |k| is below 2^71, so squares are below 2^146,
        # times WAD below 2^206, and b below 2^92 times the slope below 2^166
        x: int256 = unsafe_sub(unsafe_sub(0, k), expiry.smile.m)
        square: int256 = unsafe_add(unsafe_mul(x, x), expiry.sigma_squared)
        squared: bytes32 = convert(unsafe_mul(square, u.IWAD) >> 128, bytes32)
        root: bytes32 = convert(binary_math._sqrt_wad(convert(squared, uint256)), bytes32)
        along: int256 = unsafe_add(unsafe_mul(expiry.smile.rho, x) >> 64, convert(root, int256))
        slope: int256 = unsafe_mul(convert(convert(expiry.smile.b, bytes32), int256), along) >> 64
        variance: int256 = max(unsafe_add(expiry.smile.a, slope), expiry.least)
        s = max(s, binary_math._sqrt_wad(convert(convert(variance, bytes32), uint256)))
    # a deviation is below 2^72 and a factor below 2^68; the factor up is not below one
    up: int256 = convert(convert(unsafe_mul(s, expiry.up) >> 64, bytes32), int256)
    down: int256 = convert(
        convert(max(unsafe_mul(s, expiry.down) >> 64, LEAST_DEVIATION), bytes32), int256
    )
    base: int256 = convert(convert(s, bytes32), int256)

    # an inverse is at most 2^84, so k times it stays below 2^155
    inverse_up: int256 = unsafe_div(2**128, up)
    inverse_down: int256 = unsafe_div(2**128, down)
    inverse: int256 = unsafe_div(2**128, base)
    # |d1| and |d2| are at most (|k| + |ln|) / the least deviation + the largest one: below 2^149
    away: int256 = k
    if k < 0:
        away = unsafe_sub(0, k)
    room: int256 = unsafe_mul(unsafe_sub(SIX, up), down)
    room_base: int256 = unsafe_mul(unsafe_sub(SIX, base), base)
    # d + 6 for each
    middle_up: int256 = unsafe_add(unsafe_mul(k, inverse_up) >> 64, unsafe_add(SIX, up >> 1))
    middle_down: int256 = unsafe_add(unsafe_mul(k, inverse_down) >> 64, unsafe_add(SIX, down >> 1))
    middle: int256 = unsafe_add(unsafe_mul(k, inverse) >> 64, unsafe_add(SIX, base >> 1))
    return Option(
        gain=convert(convert((worth >> 16) << 128, bytes32), int256),
        cost=convert(convert(cost >> 16, bytes32), int256),
        up=Shock(middle=middle_up, inverse=inverse_up, deviation=up),
        down=Shock(middle=middle_down, inverse=inverse_down, deviation=down),
        base=Shock(middle=middle, inverse=inverse, deviation=base),
        inside=unsafe_add(away, reach.nodes) < room >> 64,
        inside_base=unsafe_add(away, reach.base) < room_base >> 64,
    )


@internal
@view
def _time_value(size: int256, strike: uint256, forward: uint256, base: Shock) -> uint256:
    """
    @param size [lots, 64 bits] not negative
    @return [WAD] what it costs beyond its intrinsic value
    @custom:rounding up, in favour of the protocol: it is a requirement
    """
    # 64 bits of ticks times N, which is just above 2^40 at most
    gain: int256 = unsafe_mul(convert(forward, int256), scan_cdf._n(base.middle))
    n2: int256 = scan_cdf._n(unsafe_sub(base.middle, base.deviation))
    below: int256 = unsafe_sub(unsafe_mul(convert(strike, int256), n2), gain) >> 40
    intrinsic: int256 = convert(unsafe_sub(max(forward, strike), strike), int256)
    ticks: int256 = max(unsafe_sub(unsafe_sub(0, below), intrinsic), 0)
    return unsafe_mul(convert(ticks, uint256), convert(size, uint256))


@internal
@pure
def _dead_short(size: int256, price: uint256) -> int256:
    """
    @return [WAD] what a dead short option costs beyond its intrinsic value, negative
    @custom:rounding down, in favour of the protocol
    """
    # 64 bits of lots times 64 of ticks
    return fixed_point._floor_div(
        unsafe_mul(size, convert(unsafe_mul(price, DEAD_SHORT), int256)), 100
    )


# ---- rows ----------------------------------------------------------------------------------------


@internal
@view
def _row(option: Option, shock: Shock, away: int256) -> int256:
    """
    @param shock one of the option's
    @param away [2^-64] ln of the row's price over P
    @return what the option adds to a row's sum: what PortfolioMargin writes out
    """
    # middle and inverse are below 2^92, logarithms below 2^68
    y: int256 = unsafe_add(shock.middle, unsafe_mul(shock.inverse, away) >> 64)
    z: int256 = unsafe_sub(y, shock.deviation)
    # N is at most 2^40 (1 + 2^-28), halves of a word are below 2^80
    return unsafe_add(
        unsafe_mul(scan_cdf._n(y), option.gain), unsafe_mul(scan_cdf._n(z), option.cost)
    )


@internal
@pure
def _after(word: int256, move: int256) -> int256:
    """
    @param word a row's sum: size F N(d1) in the upper half, size K N(d2) in the lower
    @param move [2^-64, below 2^68]
    @return [WAD] what the options are worth as calls after it
    @custom:rounding down
    """
    # halves are below 2^127
    cost: int256 = (word << 128) >> 128
    gain: int256 = unsafe_sub(word, cost) >> 128
    return unsafe_sub(unsafe_mul(gain, unsafe_add(ONE, move)) >> 64, cost) >> 24


@internal
@pure
def _delta(word: int256) -> int256:
    """
    @param word the mark's sum
    @return [WAD] size F N(d1)
    """
    # halves are below 2^127
    return unsafe_sub(word, (word << 128) >> 128) >> 152


# ---- charges -------------------------------------------------------------------------------------


@internal
@pure
def _minimum(book: Book, price: uint256, risk: uint256) -> uint256:
    """
    @return [WAD] what options require at least: the short ones, and the last day's time value
    @custom:rounding up
    """
    # 70 bits of lots, 64 of ticks, 16 of a rate
    shorts: uint256 = unsafe_mul(convert(book.shorts, uint256), price)
    som: uint256 = unsafe_mul(shorts, (risk >> 32) & MASK_16)
    return unsafe_add(unsafe_div(unsafe_add(som, RATE_UP), RATES), book.theta)


@internal
@pure
def _static(book: Book, price: uint256, risk: uint256, spot: uint256) -> uint256:
    """
    @return [WAD] what no row sees: delta-1 legs, naked short options, calendar spreads
    @custom:rounding up
    """
    # sums of lots are below 2^71, prices below 2^64
    naked: uint256 = unsafe_add(
        convert(max(unsafe_sub(0, book.calls), 0), uint256),
        convert(max(unsafe_sub(0, book.puts), 0), uint256),
    )
    held: uint256 = unsafe_add(
        unsafe_add(spot, convert(abs(book.perp), uint256)), convert(abs(book.future), uint256)
    )
    lots: uint256 = unsafe_add(unsafe_mul(held, STATIC_DELTA), unsafe_mul(naked, STATIC_NAKED))
    static: uint256 = unsafe_div(unsafe_add(unsafe_mul(price, lots), 99), 100)
    spread: uint256 = unsafe_mul(
        unsafe_mul(price, min(book.long, book.short)), (risk >> 48) & MASK_16
    )
    return unsafe_add(static, unsafe_div(unsafe_add(spread, RATE_UP), RATES))


@internal
@pure
def _doubt(delta: int256, word: uint256, oi_rate: uint256) -> uint256:
    """
    @param delta [WAD, below 2^136] what the book gains where the price doubles, to first order
    @param word the price word
    @return [WAD] what IM adds for the stable price, the confidence, open interest
    @custom:rounding up
    """
    price: uint256 = market_packing._price(word)
    stable: uint256 = market_packing._stable_price(word)
    size: uint256 = convert(abs(delta), uint256)
    # prices and the rate are below 2^64
    behind: int256 = unsafe_mul(delta, unsafe_sub(convert(price, int256), convert(stable, int256)))
    conf: uint256 = unsafe_add(unsafe_mul(price, market_packing._conf(word)), u.CONF_ONE - 1)
    unsure: uint256 = unsafe_mul(size, unsafe_div(conf, u.CONF_ONE))
    charge: uint256 = fixed_point._ceil_div(convert(max(behind, 0), uint256), price)
    charge = unsafe_add(charge, fixed_point._ceil_div(unsure, price))
    return unsafe_add(charge, fixed_point._mul_up(size, oi_rate))
