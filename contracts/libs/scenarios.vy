# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Scenarios: price moves, expiries, smiles and shocks of volatility
@license AGPL-3.0-only
@notice docs/spec/portfolio-margin.md: words in, terms out. Ratios are binary: [2^-64] means that
        2^64 is one. Requirements round up, values down, in favour of the protocol.
@custom:source docs/spec/portfolio-margin.md
@custom:kill not deployable
"""

from libs import binary_math
from libs import svi
from libs import units as u

ONE: constant(int256) = 2**64
# a factor that changes nothing
SAME: constant(uint256) = 2**64
# 1.0 of a rate in a risk word, of a ratio, of an annual variance
RATE_ONE: constant(int256) = 10_000
V_UP: constant(uint256) = u.V_ONE - 1
RATIO_ONE: constant(int256) = 2**30
# a surface's forward stays within a quarter of the price
RATIO_BAND: constant(int256) = 2**28
VARIANCE_YEAR: constant(uint256) = 2**26 * u.YEAR
# how long a surface counts as new, and when nothing is left of it [s]
SURFACE_FRESH: constant(uint256) = 120
SURFACE_DEAD: constant(uint256) = 3_600
PIVOT: constant(uint256) = 30 * u.DAY
# what is left at the least of a price, and of a volatility under its shock
LEAST: constant(int256) = 2**60
# annual variance of 1 %, the least: WAD / LEAST_VARIANCE
LEAST_VARIANCE: constant(uint256) = 10_000
MASK_8: constant(uint256) = 2**8 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_24: constant(uint256) = 2**24 - 1
MASK_32: constant(uint256) = 2**32 - 1


struct Expiry:
    key: uint256        # market 8 | expiry 24, as in the surface word
    seconds: uint256
    forward: uint256    # [ticks]
    live: bool
    smile: svi.Smile
    sigma_squared: int256   # [2^-128]
    least: int256       # total variance [WAD]
    up: uint256         # factors of volatility [2^-64]
    down: uint256


# ---- once an array, an expiry --------------------------------------------------------------------


@internal
@pure
def _move(node: int256, width: uint256) -> int256:
    """
    @param node [2^-64 of the range, within 40]
    @param width [1e-4, below 2^33] the range
    @return [2^-64] the price move, rounded away from zero; at least -15/16
    """
    # below 2^104; the divisor is not zero
    scaled: int256 = unsafe_mul(node, convert(convert(width, bytes32), int256))
    if node < 0:
        return max(unsafe_div(unsafe_sub(scaled, RATE_ONE - 1), RATE_ONE), LEAST - ONE)
    return unsafe_div(unsafe_add(scaled, RATE_ONE - 1), RATE_ONE)


@internal
@pure
def _width(risk: uint256, v: uint256) -> uint256:
    """
    @param risk the risk word
    @param v [1e-4]
    @return [1e-4] the range
    @custom:rounding up
    """
    # 16 bits each
    wide: uint256 = unsafe_mul((risk >> 16) & MASK_16, v)
    return max(risk & MASK_16, unsafe_div(unsafe_add(wide, V_UP), u.V_ONE))


@internal
@pure
def _group(risk: uint256) -> uint256:
    return (risk >> 64) & MASK_8


@internal
@pure
def _surface_market(word: uint256) -> uint256:
    return word >> 248


@internal
@pure
def _log_of_move(move: int256) -> int256:
    """
    @return [2^-64] ln(1 + move), 0 of 0
    """
    # a move is between -15/16 and 2^86
    return binary_math._ln(convert(unsafe_add(ONE, move), uint256))


@internal
@pure
def _time_factor(seconds: uint256) -> int256:
    """
    @return [2^-64] (30 d / max(T, 1 d))^p, p = 0.3 below 30 days and 0.13 from there on
    """
    # seconds are below 2^36, so the logarithm is below 2^68 and a quarter of the power below 2^63
    away: int256 = binary_math._ln(unsafe_div(PIVOT << 64, max(seconds, u.DAY)))
    if seconds < PIVOT:
        away = unsafe_div(unsafe_mul(away, 3), 40)
    else:
        away = unsafe_div(unsafe_mul(away, 13), 400)
    # Taylor's first six terms by Horner's scheme, each below 2^66
    root: int256 = unsafe_add(ONE, unsafe_div(away, 6))
    root = unsafe_add(ONE, unsafe_div(unsafe_mul(away, root) >> 64, 5))
    root = unsafe_add(ONE, unsafe_mul(away, root) >> 66)
    root = unsafe_add(ONE, unsafe_div(unsafe_mul(away, root) >> 64, 3))
    root = unsafe_add(ONE, unsafe_mul(away, root) >> 65)
    root = unsafe_add(ONE, unsafe_mul(away, root) >> 64)
    root = unsafe_mul(root, root) >> 64
    return unsafe_mul(root, root) >> 64


@internal
@view
def _expiry(
    word: uint256, price: uint256, up: int256, down: int256
) -> Expiry:
    """
    @param word of the surface, docs/spec/portfolio-margin.md#inputs
    @param price [ticks]
    @param up [WAD] shock of volatility at 30 days, as `down`
    @return what the expiry's options share
    """
    key: uint256 = word >> 224
    publish: uint256 = (word >> 192) & MASK_32
    # 24 bits of hours
    expires: uint256 = unsafe_mul(key & MASK_24, u.HOUR)
    # times are below 2^36, and so are all differences that are kept
    seconds: uint256 = 0
    if expires > block.timestamp:
        seconds = unsafe_sub(expires, block.timestamp)
    age: uint256 = 0
    if block.timestamp > publish:
        age = unsafe_sub(block.timestamp, publish)
    found: Expiry = empty(Expiry)
    found.key = key
    found.seconds = seconds
    found.forward = self._forward(word, price, seconds, publish, expires)
    found.up = SAME
    found.down = SAME
    if age > SURFACE_DEAD:
        return found

    # seconds are below 2^36, sigma below 2^68
    found.live = True
    found.smile = self._smile(word, seconds)
    found.sigma_squared = convert(unsafe_mul(found.smile.sigma, found.smile.sigma), int256)
    least: uint256 = unsafe_div(unsafe_mul(unsafe_div(u.WAD, LEAST_VARIANCE), seconds), u.YEAR)
    found.least = convert(least, int256)
    # the age is at most SURFACE_DEAD; the factor is below 2^68, shocks below 2^62
    wider: uint256 = 0
    if age > SURFACE_FRESH:
        wider = unsafe_div(unsafe_sub(age, SURFACE_FRESH) << 64, SURFACE_DEAD)
    factor: int256 = unsafe_mul(
        self._time_factor(seconds), unsafe_add(ONE, convert(wider, int256))
    ) >> 64
    rise: int256 = unsafe_div(unsafe_mul(factor, up), u.IWAD)
    drop: int256 = unsafe_div(unsafe_mul(factor, down), u.IWAD)
    found.up = convert(unsafe_add(ONE, rise), uint256)
    found.down = convert(max(LEAST, unsafe_sub(ONE, drop)), uint256)
    return found


@internal
@view
def _without_surface(key: uint256, price: uint256) -> Expiry:
    """
    @return an expiry of which nothing was ever reported: dead, its forward is the price
    """
    found: Expiry = empty(Expiry)
    found.key = key
    found.forward = price
    found.up = SAME
    found.down = SAME
    # 24 bits of hours
    expires: uint256 = unsafe_mul(key & MASK_24, u.HOUR)
    if expires > block.timestamp:
        found.seconds = unsafe_sub(expires, block.timestamp)
    return found


@internal
@pure
def _forward(
    word: uint256, price: uint256, seconds: uint256, publish: uint256, expires: uint256
) -> uint256:
    """
    @return [ticks] P ratio, on its way to P at the expiry
    @custom:rounding down to the tick
    """
    # 32 bits
    ahead: int256 = unsafe_sub(convert((word >> 160) & MASK_32, int256), RATIO_ONE)
    ahead = max(min(ahead, RATIO_BAND), -RATIO_BAND)
    if expires <= publish:
        return price
    # 2^28 times 2^36; then 63 bits of ticks times 2^31
    life: uint256 = unsafe_sub(expires, publish)
    ahead = unsafe_div(
        unsafe_mul(ahead, convert(min(seconds, life), int256)), convert(life, int256)
    )
    return unsafe_mul(price, convert(unsafe_add(RATIO_ONE, ahead), uint256)) >> 30


@internal
@pure
def _smile(word: uint256, seconds: uint256) -> svi.Smile:
    """
    @return the smile in total variance until the expiry
    """
    # 32 bits each; 2^32 WAD times seconds below 2^36 stays below 2^128
    a: int256 = convert(convert(word << 96, bytes32), int256) >> 224
    rho: int256 = convert(convert(word << 160, bytes32), int256) >> 224
    m: int256 = convert(convert(word << 192, bytes32), int256) >> 224
    year_wad: uint256 = unsafe_mul(seconds, u.WAD)
    return svi.Smile(
        a=unsafe_div(unsafe_mul(a, convert(year_wad, int256)), convert(VARIANCE_YEAR, int256)),
        b=unsafe_div(unsafe_mul((word >> 96) & MASK_32, year_wad), VARIANCE_YEAR),
        rho=rho << 34,
        m=m << 36,
        sigma=(word & MASK_32) << 36,
    )


# ---- charges -------------------------------------------------------------------------------------
