# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Closes: part of a leg of an account under MM, for which its owner is not asked
@license AGPL-3.0-only
@notice docs/spec/engine.md#close. Owns no state; what a fill moves is moved by engine_fills.
@custom:kill not deployable
"""

from interfaces import IMarkets
from interfaces import IOptions
from libs import errors
from libs import fixed_point
from libs import margin_math
from libs import packing
from libs import units as u
from modules import engine_fills

uses: engine_fills

# most that a close may cost, of the MM that it releases: R6's, as of a reduce [WAD]
MOST_CONCEDED: constant(uint256) = u.WAD // 2


@internal
def _close(fill: IOptions.Fill, concession: uint256):
    """
    @notice The same of one leg, whose taker is not asked: it must be due, and make him better off.
    """
    taker: engine_fills.Side = engine_fills._side(fill.taker)
    maker: engine_fills.Side = engine_fills._side(fill.maker)
    sums: engine_fills.Sums = engine_fills._sums(fill, taker, maker)
    before: IMarkets.Health = engine_fills._health(fill.taker, taker)
    self._require_due(fill, sums, taker.word, before)
    before_maker: IMarkets.Health = empty(IMarkets.Health)
    if not sums.maker_opens:
        before_maker = engine_fills._health(fill.maker, maker)

    engine_fills._apply(fill, sums)

    after: IMarkets.Health = engine_fills._health(fill.taker, engine_fills._side(fill.taker))
    self._require_relieved(before, after, min(concession, MOST_CONCEDED))
    size: int256 = fill.legs[0].size
    spare: uint256 = 1
    if sums.taker_sizes[0] + size == 0:
        # less than that cannot stay
        spare = fixed_point._ceil_div(engine_fills.DUST, sums.marks[0])
    self._require_needed(before, after, convert(abs(size), uint256), spare)
    engine_fills._require_side(fill.maker, sums.maker_opens, before_maker)
    engine_fills._cure(fill.taker, taker.word, after)
    log IOptions.Closed(
        account=fill.taker,
        maker=fill.maker,
        instrument=fill.legs[0].instrument,
        size=size,
        equity_before=before.equity,
        mm_before=before.mm,
        equity_after=after.equity,
        mm_after=after.mm,
    )


@internal
@view
def _require_due(
    fill: IOptions.Fill, sums: engine_fills.Sums, word: uint256, health: IMarkets.Health
):
    """
    @notice One leg, toward zero, of an account under MM, at prices that may liquidate.
    @custom:reverts "options: not below mm", "options: closed", "options: house",
            "options: one leg", "options: not reducing"
    """
    if health.equity >= convert(health.mm, int256):
        errors._fail("options: not below mm")
    barred: uint256 = margin_math.PENDING | margin_math.GRACE
    needed: uint256 = margin_math.FRESH | margin_math.ALL_DEAD
    if health.status & barred != 0 or health.status & needed == 0:
        errors._fail("options: closed")
    if word & packing.HOUSE_BIT != 0:
        errors._fail("options: house")
    if len(fill.legs) != 1:
        errors._fail("options: one leg")
    if sums.taker_opens:
        errors._fail("options: not reducing")


@internal
@pure
def _require_relieved(
    before: IMarkets.Health, after: IMarkets.Health, concession: uint256
):
    """
    @notice MM and LE - E fell, E / MM did not, and E lost no more than a part of the MM released.
    @param concession [WAD]
    @custom:reverts "options: not better", "options: cost"
    """
    cost: int256 = before.equity - after.equity
    nearer: bool = cost < convert(before.le, int256) - convert(after.le, int256)
    if after.mm >= before.mm or not nearer or not engine_fills._ratio_held(before, after):
        errors._fail("options: not better")
    released: int256 = convert((before.mm - after.mm) * concession, int256)
    if cost * u.IWAD > released:
        errors._fail("options: cost")


@internal
@pure
def _require_needed(
    before: IMarkets.Health, after: IMarkets.Health, lots: uint256, spare: uint256
):
    """
    @notice No more was closed than lifts E to LE, but for what `spare` lots did on average.
    @custom:reverts "options: overshoot"
    """
    over: int256 = after.equity - convert(after.le, int256)
    if over <= 0:
        return
    # LE >= MM > E before
    gained: uint256 = convert(convert(before.le, int256) - before.equity + over, uint256)
    if convert(over, uint256) * lots > gained * spare:
        errors._fail("options: overshoot")
