# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Averages: legs of the last half hour before an expiry, as legs of what is still open
@license AGPL-3.0-only
@notice docs/spec/engine.md#averages. Of the price that such a leg will settle at, part is observed;
        what is left is a smaller leg at another strike, and money.
@custom:kill not deployable
"""

from libs import fixed_point
from libs import instruments
from libs import packing
from libs import units as u
from modules import engine_lines as own

uses: own

# how long prices are averaged before an expiry [s]
WINDOW: constant(uint256) = 1_800
IWINDOW: constant(int256) = 1_800
# what a strike is cut to [ticks]: the largest mantissa at an exponent that leaves it a price
MANTISSA: constant(uint256) = 2**25 - 1
MAX_EXPONENT: constant(uint256) = 11
HIGHEST: constant(uint256) = MANTISSA * 10**MAX_EXPONENT


struct Part:                # of a window
    market: uint256
    known: uint256          # tick seconds observed
    open: uint256           # s still to come, at least 1


@internal
@view
def _averaged(
    held: DynArray[uint256, own.WORDS], portfolio: bool, extra: own.Extra
) -> (DynArray[uint256, own.WORDS], own.Extra):
    """
    @return the legs, those in their last half hour by what of them is open, and the sums with what
            is known of them
    """
    # the next full hour is the only one that may be near
    hours: uint256 = block.timestamp // u.HOUR + 1
    if hours * u.HOUR >= block.timestamp + WINDOW:
        return held, extra
    legs: DynArray[uint256, own.WORDS] = held
    sums: own.Extra = extra
    part: Part = empty(Part)
    for i: uint256 in range(len(held), bound=own.WORDS):
        for half: uint256 in range(2):
            entry: uint256 = packing._half(held[i], half)
            instrument: uint256 = packing._leg_instrument(entry)
            if instruments._expiry(instrument) != hours * u.HOUR:
                continue
            market: uint256 = instruments._market(instrument)
            if part.market != market:
                part = self._part(market, hours)
            if part.open == WINDOW:
                continue
            entry, sums = self._open(sums, part, instrument, packing._leg_size(entry), portfolio)
            legs[i] = packing._with_half(legs[i], half, entry)
    return legs, sums


@internal
@view
def _part(market: uint256, hours: uint256) -> Part:
    """
    @notice Of a window that is seen through before the expiry, a second counts as open.
    """
    observed: uint256 = 0
    mean: uint256 = 0
    observed, mean = staticcall own.EXPIRIES.average(market, hours)
    observed = min(observed, WINDOW - 1)
    return Part(market=market, known=observed * mean, open=WINDOW - observed)


@internal
@pure
def _open(
    extra: own.Extra, part: Part, instrument: uint256, size: int256, portfolio: bool
) -> (uint256, own.Extra):
    """
    @return the entry of what is open, 0 of nothing, and the sums with what is known
    @custom:rounding lots down, which leaves a long leg less and a short one more; money down;
            a strike against who holds the leg
    """
    sums: own.Extra = extra
    lots: int256 = fixed_point._floor_div(size * convert(part.open, int256), IWINDOW)
    open: uint256 = instrument
    # tick seconds
    known: int256 = convert(part.known, int256)
    kind: uint256 = instruments._kind(instrument)
    if kind != instruments.FUTURE:
        put: bool = kind == instruments.PUT
        left: int256 = convert(WINDOW * instruments._strike(instrument), int256) - known
        mantissa: uint256 = 0
        exponent: uint256 = 0
        mantissa, exponent = self._strike(left, part.open, put == (size < 0))
        open = (instrument & ~instruments.STRIKE_MASK) | (mantissa * instruments.MANTISSA_AT)
        open |= exponent
        # beyond the strikes that there are an option is money: the rest of it is
        known = 0
        if left <= 0 and not put:
            # the tick of its strike is a writer's to pay
            known = (convert(part.open, int256) if size < 0 else 0) - left
        elif put and mantissa == MANTISSA and exponent == MAX_EXPONENT:
            known = max(0, left - convert(part.open * HIGHEST, int256))
    worth: int256 = fixed_point._floor_div(size * known, IWINDOW)
    sums.worth += worth
    if kind == instruments.FUTURE:
        sums.unsettled += worth
    elif worth > 0 and not portfolio:
        # R4 gives a long option no credit
        sums.mm += convert(worth, uint256)
        sums.ims += convert(worth, uint256)
        sums.im += convert(worth, uint256)
    return packing._leg(open, lots) if lots != 0 else 0, sums


@internal
@pure
def _strike(left: int256, open: uint256, up: bool) -> (uint256, uint256):
    """
    @notice What the forward has to reach in the seconds that are open, as an id can say it.
    @param left [tick seconds] of the strike, without what is observed
    @return mantissa and exponent, of a tick at least and of HIGHEST at most; not in lowest terms,
            since nobody holds such a leg
    """
    if left <= 0:
        return 1, 0
    seconds: uint256 = convert(left, uint256)
    strike: uint256 = fixed_point._ceil_div(seconds, open) if up else seconds // open
    unit: uint256 = 1
    for exponent: uint256 in range(MAX_EXPONENT + 1):
        if strike <= MANTISSA * unit:
            mantissa: uint256 = fixed_point._ceil_div(strike, unit) if up else strike // unit
            return max(mantissa, 1), exponent
        unit *= 10
    return MANTISSA, MAX_EXPONENT
