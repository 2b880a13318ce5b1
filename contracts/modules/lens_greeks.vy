# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Greeks of the option lens: what a leg gains when price, volatility and time move a little
@license AGPL-3.0-only
@notice docs/spec/option-lens.md#greeks. Black-76 in closed form at the mark's own terms: a strike's
        volatility stands still while the price moves, and a forward runs to the price with time.
@custom:kill not deployable
"""

from interfaces import IOptionLens
from libs import binary_math
from libs import black76
from libs import fixed_point
from libs import instruments
from libs import normal_pdf
from libs import packing
from libs import scenarios
from libs import svi
from libs import units as u
from modules import engine_lines as own
from modules import lens_marks

uses: black76
uses: lens_marks

ONE: constant(int256) = 2**64
PERCENT: constant(int256) = 100
DAY: constant(int256) = 86_400


struct Terms:           # of a leg that moves
    size: int256        # lots
    price: int256       # ticks
    forward: int256     # ticks
    seconds: int256
    slope: int256       # of its worth in the forward [2^-64]
    density: int256     # at d1 [2^-64]
    deviation: int256   # [2^-64]


@internal
@view
def _leg(instrument: uint256, size: int256) -> IOptionLens.LegGreeks:
    """
    @notice A leg's mark and Greeks: zeros beside the mark of what is not listed or has expired.
    @custom:source docs/spec/option-lens.md#greeks
    @custom:rounding down, also of what is negative: nothing is paid by it
    """
    mark: lens_marks.Mark = lens_marks._mark(instrument)
    leg: IOptionLens.LegGreeks = empty(IOptionLens.LegGreeks)
    leg.instrument = instrument
    leg.size = size
    leg.mark = mark.ticks
    leg.code = mark.code
    if mark.code == lens_marks.NOT_LISTED or mark.code >= lens_marks.SETTLED:
        return leg
    if mark.expires == 0:
        leg.delta = size
        return leg
    terms: Terms = self._terms(instrument, size, mark)
    leg.delta = fixed_point._floor_div(
        size * terms.slope * terms.forward, terms.price * ONE
    )
    roll: int256 = size * terms.slope * (terms.price - terms.forward) * DAY
    leg.theta = fixed_point._floor_div(roll, terms.seconds * ONE)
    if terms.density == 0:
        return leg
    # WAD times the density
    weight: int256 = fixed_point._floor_div(size * terms.forward * terms.density, ONE)
    leg.gamma = fixed_point._floor_div(
        size * terms.forward * terms.density, terms.price * terms.deviation * PERCENT
    )
    year: uint256 = convert(terms.seconds, uint256) * u.WAD // u.YEAR
    root: int256 = convert(binary_math._sqrt_wad(year), int256)
    leg.vega = fixed_point._floor_div(weight * root, PERCENT * ONE)
    leg.theta -= fixed_point._floor_div(
        weight * terms.deviation * DAY, 2 * terms.seconds * ONE
    )
    return leg


@internal
@view
def _terms(instrument: uint256, size: int256, mark: lens_marks.Mark) -> Terms:
    """
    @return what the mark was made of, as modules/surface_marks.vy has it
    """
    seconds: uint256 = mark.expires - block.timestamp
    forward: uint256 = mark.price
    if mark.code != lens_marks.NO_SURFACE:
        publish: uint256 = (mark.surface // own.PUBLISHED_AT) & packing.MASK_32
        forward = scenarios._forward(mark.surface, mark.price, seconds, publish, mark.expires)
    terms: Terms = Terms(
        size=size,
        price=convert(mark.price, int256),
        forward=convert(forward, int256),
        seconds=convert(seconds, int256),
        slope=ONE,
        density=0,
        deviation=0,
    )
    kind: uint256 = instruments._kind(instrument)
    if kind == instruments.FUTURE:
        return terms

    strike: uint256 = instruments._strike(instrument)
    moneyness: int256 = 0
    deviation: uint256 = 0
    if mark.code <= lens_marks.STALE and mark.code != lens_marks.NO_SURFACE and forward != 0:
        moneyness = black76._log_moneyness(forward, strike)
        smile: svi.Smile = scenarios._smile(mark.surface, seconds)
        least: uint256 = u.WAD // scenarios.LEAST_VARIANCE * seconds // u.YEAR
        deviation = binary_math._sqrt_wad(max(svi._total_variance(smile, -moneyness), least))
    terms.slope = convert(black76._call(forward, strike, moneyness, deviation)[1], int256)
    if kind == instruments.PUT:
        terms.slope -= ONE
    if deviation != 0:
        terms.deviation = convert(deviation, int256)
        d1: int256 = fixed_point._floor_div(moneyness * ONE, terms.deviation)
        terms.density = convert(
            normal_pdf._density(d1 + terms.deviation // 2), int256
        )
    return terms
