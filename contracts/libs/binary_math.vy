# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Logarithm and square root in binary fixed point
@license AGPL-3.0-only
@notice [2^-64] means that 2^64 is one. Scales are found by counting the thresholds that a number
        passes, which costs less than branches.
@custom:source docs/spec/options.md#binary
@custom:kill not deployable
"""

from libs import units as u

# 2^(-7/2): halfway between two powers of two, on the scale of logarithms
HALFWAY: constant(uint256) = 1_630_477_228_166_597_777
# ln((1 + z) / (1 - z)) = z q(z^2), lowest power first, from `python -m tools.normal_table`; two
# steps of Horner share a shift, so the even ones stand in 2^-128, the odd ones in 2^-64
A0: constant(int256) = 36_893_488_121_982_595_760 * 2**64
A1: constant(int256) = 12_297_856_921_777_135_503
A2: constant(int256) = 7_374_048_026_959_645_692 * 2**64
A3: constant(int256) = 5_520_309_942_982_713_243
LN_2: constant(int256) = 12_786_308_645_202_655_660

# a line beside the root of 2^24 .. 2^32 WAD, in 2^-64: at most 46 % above and 32 % below it
LINE_AT_0: constant(uint256) = 103_664_533_803_078
LINE_SLOPE: constant(uint256) = 386_180


@internal
@pure
def _ln(x: uint256) -> int256:
    """
    @notice The natural logarithm; 0 of one, exactly.
    @param x [2^-64] 1 .. 2^128 - 1
    @return [2^-64] within 7e-10 of itself
    @custom:rounding the polynomial's, down
    """
    w: int256 = convert(convert(x, bytes32), int256)
    e: int256 = 0
    # w = x / 2^e lies between the roots of 1/2 and 2: |z| < 0.172 and z^2 < 2^59; what is there
    # already, as most are, wraps around to nothing else
    if unsafe_sub(x, HALFWAY * 8 + 1) >= HALFWAY * 8:
        w, e = self._scaled(x)
    z: int256 = unsafe_div(unsafe_sub(w, 2**64) << 64, unsafe_add(w, 2**64))
    y: int256 = unsafe_mul(z, z) >> 64
    # q < 2^66, so nothing reaches 2^195; |e| < 128
    q: int256 = unsafe_add(unsafe_mul(A3, y), A2) >> 64
    q = unsafe_add(unsafe_mul(unsafe_add(unsafe_mul(q, y) >> 64, A1), y), A0) >> 64
    return unsafe_add(unsafe_mul(z, q) >> 64, unsafe_mul(e, LN_2))


@internal
@pure
def _scaled(x: uint256) -> (int256, int256):
    """
    @return x [2^-64, 1 .. 2^128 - 1] over the nearest power of two, and which one that is
    """
    m: uint256 = x
    e: int256 = -4
    # below 2^-4 the difference wraps around
    if unsafe_sub(m, 2**60) >= 11 * 2**64 - 2**60:
        m, e = self._near_one(m)

    # how many powers of two the nearest one is above 2^-4: at most seven
    n: uint256 = unsafe_add(
        unsafe_add(
            unsafe_add(convert(m > HALFWAY, uint256), convert(m > HALFWAY * 2, uint256)),
            unsafe_add(convert(m > HALFWAY * 4, uint256), convert(m > HALFWAY * 8, uint256)),
        ),
        unsafe_add(
            unsafe_add(convert(m > HALFWAY * 16, uint256), convert(m > HALFWAY * 32, uint256)),
            convert(m > HALFWAY * 64, uint256),
        ),
    )
    # |e + n| < 128
    return (
        convert(convert((m << 4) >> n, bytes32), int256),
        unsafe_add(e, convert(convert(n, bytes32), int256)),
    )


@internal
@pure
def _near_one(x: uint256) -> (uint256, int256):
    """
    @return x [2^-64, 1 .. 2^128 - 1] shifted to between 2^-4 and 2^3, and four less than the power
            of two that was taken out
    """
    m: uint256 = x
    e: int256 = -4
    for step: uint256 in [32, 16, 8, 4, 4]:
        # the shifts add up to at most 64
        if m >= 1 << unsafe_add(63, step):
            m >>= step
            e = unsafe_add(e, convert(step, int256))
        elif m < 1 << unsafe_sub(64, step):
            m <<= step
            e = unsafe_sub(e, convert(step, int256))
    return m, e


@internal
@pure
def _sqrt_wad(x: uint256) -> uint256:
    """
    @param x [WAD] below 2^128
    @return [2^-64] the square root, within 5e-12 of itself
    @custom:rounding Newton's, from above
    """
    # below 2^256; WAD is not zero
    square: uint256 = unsafe_div(x << 128, u.WAD)
    # the difference wraps around below 2^24 WAD
    if unsafe_sub(x, 2**24) >= 2**72 - 2**24:
        return isqrt(square)

    # four times the number of the window of eight bits: at most 20
    k: uint256 = unsafe_add(
        unsafe_add(convert(x >= 2**32, uint256), convert(x >= 2**40, uint256)),
        unsafe_add(
            unsafe_add(convert(x >= 2**48, uint256), convert(x >= 2**56, uint256)),
            convert(x >= 2**64, uint256),
        ),
    ) << 2
    # z stays within a factor of two of the root, far above zero and below 2^101
    z: uint256 = unsafe_add(unsafe_mul(x >> (k << 1), LINE_SLOPE), LINE_AT_0) << k
    z = unsafe_add(z, unsafe_div(square, z)) >> 1
    z = unsafe_add(z, unsafe_div(square, z)) >> 1
    z = unsafe_add(z, unsafe_div(square, z)) >> 1
    return unsafe_add(z, unsafe_div(square, z)) >> 1
