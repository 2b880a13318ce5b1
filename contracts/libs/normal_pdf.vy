# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The density of the normal distribution
@license AGPL-3.0-only
@notice exp(-d^2 / 2) / sqrt(2 pi) in binary fixed point: [2^-64] means that 2^64 is one. Nothing
        that is paid depends on it: what is told of options is.
@custom:source docs/spec/option-lens.md#greeks
@custom:kill not deployable
"""

ONE: constant(uint256) = 2**64
LN_2: constant(uint256) = 12_786_308_645_202_655_660
# 1 / sqrt(2 pi)
SCALE: constant(uint256) = 7_359_186_146_747_302_452
# beyond it the density is below 2^-64
FAR: constant(uint256) = 10 * 2**64
# of the series of exp: 0.7^20 / 20! is below 2^-64
TERMS: constant(uint256) = 20


@internal
@pure
def _density(d: int256) -> uint256:
    """
    @param d [2^-64] |d| below 2^255
    @return [2^-64] within 2e-18 of the density; 0 beyond 10
    @custom:rounding down, three times; it has no side
    """
    away: uint256 = convert(abs(d), uint256)
    if away >= FAR:
        return 0
    # below 2^136; e^-x = 2^-n e^-rest, n at most 72
    x: uint256 = unsafe_mul(away, away) >> 65
    n: uint256 = unsafe_div(x, LN_2)
    rest: uint256 = unsafe_sub(x, unsafe_mul(n, LN_2))
    # Horner's scheme: 1 - x/1 (1 - x/2 (1 - ...)), each bracket between 0 and 1
    power: uint256 = ONE
    for i: uint256 in range(TERMS):
        # the rest is below 2^64; the divisor is 20 to 1
        part: uint256 = unsafe_div(unsafe_mul(rest, power) >> 64, unsafe_sub(TERMS, i))
        power = unsafe_sub(ONE, part)
    # at most 2^64 times 2^63
    return unsafe_mul(power, SCALE) >> unsafe_add(64, n)
