# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ReducePlanner: how many lots of a leg to close against the pool
@license AGPL-3.0-only
@notice docs/spec/liquidation.md#reduce. View and call run the same search; the only state is
        what each market's block has used of its capacity.
@custom:kill not deployable
"""

from interfaces import ILiquidator
from interfaces import IMarkets
from libs import account_words
from libs import errors
from libs import fixed_point
from libs import ledger_packing
from libs import liquidation_math
from libs import units as u
from modules import liquidation_desk as desk

uses: desk

# rules R6: at most 8 steps and 3 kinks from the left; from the right a few more
MAX_STEPS: constant(uint256) = 24
# markets whose usage word is made non-zero at deployment: the first close saves a fresh slot
WARM_MARKETS: constant(uint256) = 16
# how far over its size, 1/1,000, a call may follow c*: room for a few seconds of funding
DRIFT: constant(uint256) = 1_000

# docs/spec/liquidation.md#plan-status
OK: constant(uint256) = 0
NOT_BELOW_MM: constant(uint256) = 1
CLOSED: constant(uint256) = 2
NO_LEG: constant(uint256) = 3
NO_CAPACITY: constant(uint256) = 4
NO_ROOM: constant(uint256) = 5
TOO_COSTLY: constant(uint256) = 6


usage: HashMap[uint256, uint256]


@deploy
def __init__():
    for market: uint256 in range(1, WARM_MARKETS + 1):
        self.usage[market] = ledger_packing._usage_word(0, 1)


# ---- capacity -----------------------------------------------------------------------------------


@internal
@view
def _capacity_left(target: liquidation_math.Target) -> uint256:
    """
    @notice What this block may still close of the target's leg.
    @return [lots] at most the leg
    @custom:rounding down
    """
    left: uint256 = liquidation_math._block_capacity(target.params)
    word: uint256 = self.usage[target.market]
    if ledger_packing._usage_block(word) == block.number:
        left -= min(left, ledger_packing._usage_used(word))
    return min(target.held, left // target.mark)


@internal
def _use(market: uint256, notional: uint256):
    used: uint256 = notional
    word: uint256 = self.usage[market]
    if ledger_packing._usage_block(word) == block.number:
        used += ledger_packing._usage_used(word)
    self.usage[market] = ledger_packing._usage_word(block.number, used)


# ---- search -------------------------------------------------------------------------------------


@internal
@pure
def _search(
    rest: liquidation_math.Rest, start: uint256, limit: uint256
) -> liquidation_math.Close:
    """
    @notice The fewest lots up to `limit` with h >= 0, or `limit`: Newton in whole lots.
    @dev h rises and is concave, its slope never underestimated: steps from the left do not pass
         the root, a step from the right lands at or left of it. Prices move in ticks, so h is
         known to a tick times the lots: the first h >= 0 after one below 0 ends the search.
    @param start, limit [lots], start <= limit <= |leg|
    """
    close: liquidation_math.Close = liquidation_math._close(rest, start)
    was_short: bool = False
    for _: uint256 in range(MAX_STEPS):
        if was_short and close.gap >= 0:
            break
        lots: uint256 = close.lots
        slope: uint256 = liquidation_math._gap_slope(rest, close.lots, close.le_slope)
        distance: uint256 = account_words._magnitude(close.gap)
        if close.gap < 0:
            was_short = True
            lots = min(limit, lots + fixed_point._ceil_div(distance, slope))
        else:
            lots -= min(lots, distance // slope)
        if lots == close.lots:
            break
        close = liquidation_math._close(rest, lots)
    return close


@internal
@view
def _rest(
    target: liquidation_math.Target, word: uint256, before: IMarkets.Health
) -> liquidation_math.Rest:
    return liquidation_math._rest(target, word, before, desk.KAPPA_FLAT, desk.KAPPA_LEG)


@internal
@view
def _bounded(
    rest: liquidation_math.Rest, size: uint256, most: uint256
) -> liquidation_math.Close:
    """
    @notice c*, where it lies within `most` and not far over `size`; else `size`. No remnant of
            the leg that is worth less than DUST: the whole leg goes, or enough of it stays.
    @param size [lots] <= most; 0 stands for any
    @param most [lots] <= |leg|
    """
    limit: uint256 = most
    if size != 0:
        limit = self._limit(size, most)
    close: liquidation_math.Close = self._search(rest, size, limit)
    lots: uint256 = close.lots
    if close.gap < 0 and size != 0:
        lots = size
    # at most the leg is closed; lots < 2^63, mark < 2^64
    left_wad: uint256 = unsafe_mul(unsafe_sub(rest.held, lots), rest.mark)
    if left_wad != 0 and left_wad < desk.DUST:
        lots = rest.held
        if most != lots:
            lots -= min(lots, fixed_point._ceil_div(desk.DUST, rest.mark))
    if lots != close.lots:
        return liquidation_math._close(rest, lots)
    return close


@internal
@pure
def _limit(size: uint256, most: uint256) -> uint256:
    """
    @return [lots] how far a call may follow c* beyond its size
    @custom:rounding down, and one: a size of 0 or 1 has a neighbour too
    """
    # lots < 2^63
    return min(most, unsafe_add(size, unsafe_add(unsafe_div(size, DRIFT), 1)))


# ---- pay ----------------------------------------------------------------------------------------


@internal
@view
def _pay(before: IMarkets.Health, close: liquidation_math.Close) -> uint256:
    """
    @notice What the keeper of an account below MM has earned.
    @return [USD WAD]
    @custom:rounding down, in favour of the account
    """
    # LE is above MM, MM above E
    need: uint256 = convert(convert(before.le, int256) - before.equity, uint256)
    return liquidation_math._pay(desk.KAPPA_FLAT, need, close)


# ---- verdicts -----------------------------------------------------------------------------------


@internal
@pure
def _helps(before: IMarkets.Health, after: IMarkets.Health) -> bool:
    """
    @notice Whether the close costs at most half of the MM that it releases (rules R6).
    """
    cost: int256 = before.equity - after.equity
    return 2 * cost <= convert(before.mm, int256) - convert(after.mm, int256)


@internal
@pure
def _require_close(
    lots: uint256, mark: uint256, before: IMarkets.Health, after: IMarkets.Health
):
    """
    @notice Require that no more was closed than the lot that reached LE, give or take the tick to
            which the two last prices of the search were rounded, and that it was worth it.
    @param lots closed, 0 for a leg closed whole, which may end anywhere
    @custom:reverts "liquidator: overshoot", "liquidator: cost"
    """
    # one lot at the mark, a tick on every lot
    slack: uint256 = mark + 2 * lots
    if lots != 0 and after.equity > convert(after.le + slack, int256):
        errors._fail("liquidator: overshoot")
    if not self._helps(before, after):
        errors._fail("liquidator: cost")


@internal
@view
def _require_size(
    target: liquidation_math.Target, close: liquidation_math.Close, size: uint256, most: uint256
):
    """
    @notice Refuse a close that stops short of LE for no reason but the caller's size.
    @param most [lots] of the leg that the block's capacity allows
    @custom:reverts "liquidator: too small" unless the pool has no room for more
    """
    if close.lots != 0 and (close.gap >= 0 or size == 0 or size >= most):
        return
    if close.lots == 0 or size < self._room(target, most):
        errors._fail("liquidator: too small")


@internal
@view
def _room(target: liquidation_math.Target, most: uint256) -> uint256:
    """
    @return [lots] of `most` that the pool stands by
    """
    return staticcall desk.POOL.liquidation_room(
        target.market, liquidation_math._taker(target, most)
    )


# ---- view ---------------------------------------------------------------------------------------


@internal
@view
def _plan(account: uint256, instrument: uint256) -> ILiquidator.ReducePlan:
    """
    @notice What a call with `size` does in this block.
    """
    plan: ILiquidator.ReducePlan = empty(ILiquidator.ReducePlan)
    plan.instrument = instrument
    books: account_words.Books = desk._books(account)
    target: liquidation_math.Target = desk._target(
        books, desk._books(desk.POOL_ACCOUNT), instrument
    )
    before: IMarkets.Health = desk._health_of(account, 0, books)
    plan.position = target.position
    if target.size == 0:
        plan.status = NO_LEG
    elif desk._covers(before.equity, before.mm):
        plan.status = NOT_BELOW_MM
    elif desk._is_house(books.word) or desk._is_stale(target.price_word):
        plan.status = CLOSED
    elif desk._is_engaged(books.word) or not desk._is_open(before.status):
        plan.status = CLOSED
    if plan.status != OK:
        return plan
    return self._sized(plan, books.word, target, before)


@internal
@view
def _sized(
    known: ILiquidator.ReducePlan,
    word: uint256,
    target: liquidation_math.Target,
    before: IMarkets.Health,
) -> ILiquidator.ReducePlan:
    """
    @notice Find c*, then what capacity and room leave of it.
    """
    plan: ILiquidator.ReducePlan = known
    rest: liquidation_math.Rest = self._rest(target, word, before)
    close: liquidation_math.Close = self._bounded(rest, 0, target.held)
    plan.target = close.lots
    plan.limit = self._limit(close.lots, target.held)

    bound: uint256 = self._capacity_left(target)
    if bound == 0:
        plan.status = NO_CAPACITY
        return plan
    bound = self._room(target, bound)
    if bound < plan.target:
        if bound != 0:
            close = self._bounded(rest, bound, bound)
            bound = close.lots
        plan.limit = bound
    if bound == 0:
        plan.status = NO_ROOM
        return plan
    return self._priced(plan, before, close)


@internal
@view
def _priced(
    known: ILiquidator.ReducePlan, before: IMarkets.Health, close: liquidation_math.Close
) -> ILiquidator.ReducePlan:
    """
    @notice Fill in what the close pays, and whether the core would take it.
    """
    plan: ILiquidator.ReducePlan = known
    plan.size = close.lots
    plan.price = close.price
    plan.fee = close.fee
    plan.liquidation_fee = close.liquidation_fee
    plan.pay = self._pay(before, close)

    after: IMarkets.Health = empty(IMarkets.Health)
    # the close is priced with the whole of the pay
    after.equity = close.equity + convert(
        desk.KAPPA_FLAT + close.keeper_part - plan.pay, int256
    )
    after.mm = close.mm
    ratio_held: bool = (
        after.equity * convert(before.mm, int256) >= before.equity * convert(after.mm, int256)
    )
    if not ratio_held or not self._helps(before, after):
        plan.status = TOO_COSTLY
    return plan
