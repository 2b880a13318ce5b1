"""The natural logarithm of the contracts: snekmate's, bit for bit."""

from __future__ import annotations

from keepers.domain.units import trunc_div

# Numerator and denominator of the (8, 8) rational approximation of ln on [1, 2), in 2**96, highest
# power first after the monic one; the numerator's last coefficient is scaled once more.
_LN_P = (
    3_273_285_459_638_523_848_632_254_066_296,
    24_828_157_081_833_163_892_658_089_445_524,
    43_456_485_725_739_037_958_740_375_743_393,
    -11_111_509_109_440_967_052_023_855_526_967,
    -45_023_709_667_254_063_763_336_534_515_857,
    -14_706_773_417_378_608_786_704_636_184_526,
)
_LN_P_LAST = -795_164_235_651_350_426_258_249_787_498
_LN_Q = (
    5_573_035_233_440_673_466_300_451_813_936,
    71_694_874_799_317_883_764_090_561_454_958,
    283_447_036_172_924_575_727_196_451_306_956,
    401_686_690_394_027_663_651_624_208_769_553,
    204_048_457_590_392_012_362_485_061_816_622,
    31_853_899_698_501_571_402_653_359_427_138,
    909_429_971_244_387_300_277_376_558_375,
)
_LN_SCALE = 1_677_202_110_996_718_588_342_820_967_067_443_963_516_166
# ln 2 and ln(2**96 / 10**18), both in the scale of the last shift
_LN_2 = (
    16_597_577_552_685_614_221_487_285_958_193_947_469_193_820_559_219_878_177_908_093_499_208_371
)
_LN_BASE = (
    600_920_179_829_731_861_736_702_779_321_621_459_595_472_258_049_074_101_567_377_883_020_018_308
)


def _horner(coefficients: tuple[int, ...], x: int) -> int:
    """Evaluate a monic polynomial in 2**96 fixed point."""
    value = x + coefficients[0]
    for coefficient in coefficients[1:]:
        value = (value * x >> 96) + coefficient
    return value


def wad_ln(x: int) -> int:
    """Return ln(x / 1e18) * 1e18, bit for bit as snekmate's `math._wad_ln`; 0 for 0."""
    if x < 0:
        raise ValueError("ln of a negative number")
    if x == 0:
        return 0
    k = x.bit_length() - 1 - 96
    mantissa = x << 159 - k >> 159
    p = _horner(_LN_P, mantissa) * mantissa + (_LN_P_LAST << 96)
    q = _horner(_LN_Q, mantissa)
    return (trunc_div(p, q) * _LN_SCALE + k * _LN_2 + _LN_BASE) >> 174
