# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Volatility of one expiry: Gatheral's raw SVI in total variance, and what makes it sound
@license AGPL-3.0-only
@notice w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(strike / forward). Variances
        are WAD; what is measured along k, and rho, is binary: [2^-64] means that 2^64 is one.
@custom:source docs/spec/options.md#svi
@custom:kill not deployable
"""

from libs import units as u

IONE: constant(int256) = 2**64
# total variance 100 is 700 % for two years; m and sigma are distances on the scale of k, where 8
# is a factor of 3,000
MAX_A: constant(int256) = 100 * u.IWAD
MAX_M: constant(int256) = 8 * 2**64
MAX_SIGMA: constant(uint256) = 8 * 2**64
# Lee: no wing of total variance is steeper
MAX_SLOPE: constant(int256) = 2 * u.IWAD
# more than what the roundings of w take off, so that w is above zero at every k
LEAST: constant(int256) = 2
# where two expiries are compared, on both sides: k = 0.05, 0.15, 0.35, 0.75, 1.5 and 3
SAMPLES: constant(int256[6]) = [
    922_337_203_685_477_580,
    2_767_011_611_056_432_742,
    6_456_360_425_798_343_065,
    13_835_058_055_282_163_712,
    27_670_116_110_564_327_424,
    55_340_232_221_128_654_848,
]
# where the density is looked at, in halves of the deviation at the money, on both sides
STEPS: constant(int256[7]) = [1, 2, 4, 6, 8, 12, 16]
# a curvature above it counts as this one, against the smile, so that its products fit
MAX_CURVATURE: constant(int256) = 2**90


struct Smile:
    a: int256  # [WAD]
    b: uint256  # [WAD for one of k]
    rho: int256  # [2^-64]
    m: int256  # [2^-64]
    sigma: uint256  # [2^-64]


@internal
@pure
def _total_variance(smile: Smile, k: int256) -> uint256:
    """
    @param smile a sound one
    @param k [2^-64, |k| below 2^72] ln(strike / forward)
    @return [WAD] the total variance until expiry, above zero, within 2 of the formula
    @custom:rounding down, three times
    """
    # |x| is below 2^73, so its square is below 2^146, and b times the slope below 2^136
    x: int256 = unsafe_sub(k, smile.m)
    square: int256 = unsafe_mul(x, x)
    sigma: int256 = convert(smile.sigma, int256)
    root: uint256 = isqrt(convert(unsafe_add(square, unsafe_mul(sigma, sigma)), uint256))
    along: int256 = unsafe_add(unsafe_mul(smile.rho, x) >> 64, convert(root, int256))
    w: int256 = unsafe_add(smile.a, unsafe_mul(convert(smile.b, int256), along) >> 64)
    return convert(max(w, 0), uint256)


@internal
@pure
def _is_sound(smile: Smile) -> bool:
    """
    @notice Whether the parameters are in range, no wing is steeper than 2 (Lee's bound), and the
            variance is above zero at every k.
    @custom:rounding against the smile
    """
    if smile.b > convert(MAX_SLOPE, uint256) or smile.rho <= -IONE or smile.rho >= IONE:
        return False
    if smile.sigma == 0 or smile.sigma > MAX_SIGMA:
        return False
    if smile.m < -MAX_M or smile.m > MAX_M or smile.a < -MAX_A or smile.a > MAX_A:
        return False

    # |rho| < 1 and b < 2^61: below 2^126
    steepest: int256 = unsafe_mul(convert(smile.b, int256), unsafe_add(IONE, abs(smile.rho)))
    if steepest > MAX_SLOPE * IONE:
        return False

    # the least of w is a + b sigma sqrt(1 - rho^2): products stay below 2^192
    square: int256 = unsafe_sub(IONE * IONE, unsafe_mul(smile.rho, smile.rho))
    flat: uint256 = isqrt(convert(square, uint256))
    rise: uint256 = unsafe_mul(unsafe_mul(smile.b, smile.sigma) >> 64, flat) >> 64
    return unsafe_add(smile.a, convert(rise, int256)) >= LEAST


@internal
@pure
def _has_density(smile: Smile) -> bool:
    """
    @notice Whether no butterfly pays its buyer: the density of the price is not negative at the
            money, at the smile's m, and at seven steps of deviations either way.
    @param smile a sound one
    @custom:source docs/spec/options.md#svi
    """
    # variances are below 2^70 WAD, roots below 2^68; a deviation of none looks at the money alone
    deviation: uint256 = isqrt((self._total_variance(smile, 0) << 128) // u.WAD)
    half: int256 = convert(deviation >> 1, int256)
    for k: int256 in [0, smile.m]:
        if not self._is_dense(smile, k):
            return False
    for step: int256 in STEPS:
        # at most 16 of it
        k: int256 = unsafe_mul(half, step)
        if not self._is_dense(smile, k) or not self._is_dense(smile, unsafe_sub(0, k)):
            return False
    return True


@internal
@pure
def _is_dense(smile: Smile, k: int256) -> bool:
    """
    @notice Gatheral's g(k) >= 0, times 16 w^2, which needs no division by w.
    @param smile a sound one
    @param k [2^-64, |k| below 2^72]
    """
    # |x| < 2^73 and sigma < 2^68, so the root is below 2^74 and at least sigma > 0; rho and x/root
    # are at most one; b < 2^61, so w' is below 2^62 and w, as in _total_variance, below 2^79
    x: int256 = unsafe_sub(k, smile.m)
    sigma: int256 = convert(smile.sigma, int256)
    square: int256 = unsafe_add(unsafe_mul(x, x), unsafe_mul(sigma, sigma))
    root: int256 = convert(isqrt(convert(square, uint256)), int256)
    b: int256 = convert(smile.b, int256)
    along: int256 = unsafe_add(unsafe_mul(smile.rho, x) >> 64, root)
    w: int256 = max(unsafe_add(smile.a, unsafe_mul(b, along) >> 64), 0)
    slope: int256 = unsafe_add(smile.rho, unsafe_div(x << 64, root))
    first: int256 = unsafe_mul(b, slope) >> 64
    part: int256 = unsafe_div(sigma << 64, root)
    bend: int256 = unsafe_mul(unsafe_mul(b, part) >> 64, part)
    second: int256 = min(unsafe_div(bend, root), MAX_CURVATURE)

    # the squares are below 2^166, w w' below 2^141, w^2 w'' below 2^248
    away: int256 = unsafe_sub(unsafe_mul(2, w), unsafe_mul(k, first) >> 64)
    across: int256 = unsafe_div(unsafe_mul(w, first), u.IWAD)
    gain: int256 = unsafe_add(
        unsafe_mul(4, unsafe_mul(away, away)),
        unsafe_mul(8, unsafe_div(unsafe_mul(unsafe_mul(w, w), second), u.IWAD)),
    )
    cost: int256 = unsafe_add(
        unsafe_mul(4, unsafe_mul(across, first)), unsafe_mul(across, across)
    )
    return gain >= cost


@internal
@pure
def _is_after(later: Smile, earlier: Smile) -> bool:
    """
    @notice Whether the later expiry has at least the earlier one's total variance: in both wings,
            at the bottoms of both, and at the samples. A crossing between samples goes unnoticed.
    @param later a sound smile
    @param earlier a sound smile
    """
    # b < 2^61 and |rho| < 1: below 2^126
    b: int256 = convert(later.b, int256)
    b0: int256 = convert(earlier.b, int256)
    if unsafe_mul(b, unsafe_add(IONE, later.rho)) < unsafe_mul(
        b0, unsafe_add(IONE, earlier.rho)
    ) or unsafe_mul(b, unsafe_sub(IONE, later.rho)) < unsafe_mul(
        b0, unsafe_sub(IONE, earlier.rho)
    ):
        return False
    for k: int256 in [0, later.m, earlier.m]:
        if self._total_variance(later, k) < self._total_variance(earlier, k):
            return False
    for k: int256 in SAMPLES:
        # far from the least int256
        for side: int256 in [k, unsafe_sub(0, k)]:
            if self._total_variance(later, side) < self._total_variance(earlier, side):
                return False
    return True
