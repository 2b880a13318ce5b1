# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Liquidator: clock, partial close against the pool, takeover of slices
@license AGPL-3.0-only
@notice docs/spec/liquidation.md. Plans what happens to an account under MM and asks the
        Clearinghouse for it, which checks everything again: this contract can move nothing from an
        account above MM, and nothing that leaves an account less healthy. Anyone may call it.
        Modules: desk (neighbours) and auction_clock <- reduce_planner, take_planner.
@custom:kill none of its own: taken off the Clearinghouse's list of hands it can do nothing, and
        another Liquidator may stand beside it
"""

from interfaces import IClearinghouse
from interfaces import ILiquidator
from interfaces import IMarkets
from libs import account_words
from libs import errors
from libs import liquidation_math
from libs import packing
from libs import units as u
from modules import auction_clock
from modules import liquidation_desk as desk
from modules import reduce_planner
from modules import take_planner

implements: ILiquidator

initializes: auction_clock
initializes: desk
initializes: reduce_planner[desk := desk]
initializes: take_planner[auction_clock := auction_clock, desk := desk]

exports: (auction_clock.clock, auction_clock.concession)


@deploy
def __init__(
    clearinghouse: address,
    pool: address,
    fund: address,
    options: address,
    curve: uint256[4],
    dust: uint256,
):
    """
    @param options the engine of the Clearinghouse
    @param curve [s, WAD, s, WAD] reward: share of MM after a time, then after a longer one;
           from the second time on insurance may add to it
    @param dust [USD WAD] what is worth less is closed whole
    @custom:reverts "clock: curve", "liquidator: dust range"
    """
    auction_clock.__init__(curve[0], curve[1], curve[2], curve[3])
    desk.__init__(clearinghouse, pool, fund, options, dust)
    reduce_planner.__init__()


# ---- liquidate ----------------------------------------------------------------------------------


@external
def flag(account: uint256, reports: Bytes[2048] = b"") -> uint256:
    """
    @notice Start or continue the auction of an account under MM, end that of one above LE.
    @param reports signed prices to take in first, may be empty
    @return live seconds of the auction
    @custom:reverts "liquidator: not below mm", "liquidator: closed", "liquidator: house"
    """
    if len(reports) != 0:
        desk._update(reports)
    books: account_words.Books = desk._books(account)
    health: IMarkets.Health = desk._health_of(account, 0, books)
    running: bool = desk._in_auction(books.word)
    if running and desk._covers(health.equity, health.le):
        log ILiquidator.Cleared(account=account, equity=health.equity, le=health.le)
        extcall desk.CLEARINGHOUSE.set_auction(account, False)
        return 0

    self._require_liquidatable(books.word, health)

    live: uint256 = auction_clock._live_at(account, running, health.resume)
    auction_clock._write(account, live)

    log ILiquidator.Flagged(
        account=account, live_time=live, equity=health.equity, mm=health.mm
    )
    if not running:
        extcall desk.CLEARINGHOUSE.set_auction(account, True)
    return live


@external
def reduce(
    account: uint256,
    instrument: uint256,
    size: uint256,
    min_pay: uint256,
    keeper: uint256,
    deadline: uint256,
    reports: Bytes[2048] = b"",
):
    """
    @notice Close just enough of a leg against the pool to bring an account under MM up to LE.
    @param size [lots] `size` of plan_reduce: where the search begins, and but for 1/1,000 the most
           that is closed; 0 for any
    @param min_pay [USD WAD] least pay that the caller accepts
    @param keeper account credited with the pay
    @param deadline [unix s]
    @param reports signed prices to take in first, may be empty
    @custom:rounding price and fees against the account as in any fill, pay down in its favour
    @custom:reverts "liquidator: expired", "liquidator: keeper", "liquidator: not below mm",
            "liquidator: closed", "liquidator: house", "liquidator: no such leg",
            "liquidator: stale price", "liquidator: no capacity",
            "liquidator: too small", "liquidator: pay too low", "liquidator: overshoot",
            "liquidator: cost", and the reasons of the Clearinghouse and the pool
    """
    self._require_keeper(account, keeper)
    self._require_time(deadline)
    if len(reports) != 0:
        desk._update(reports)

    self._reduce(account, instrument, size, min_pay, keeper)


@external
def take(
    account: uint256,
    buyer: uint256,
    fraction: uint256,
    max_payment: uint256,
    min_insurance: uint256,
    deadline: uint256,
    reports: Bytes[2048] = b"",
):
    """
    @notice Take over a fraction of everything that an account under MM holds, at its equity less
            the reward of its clock.
    @param buyer account of the caller that receives the slice and must end above IM
    @param fraction [WAD] `fraction` of plan_take; 1 takes everything
    @param max_payment [USD WAD] most that the buyer pays
    @param min_insurance [USD WAD] least that insurance pays the buyer
    @param deadline [unix s]
    @param reports signed prices to take in first, may be empty
    @custom:rounding the slice is worth floor(fraction E), the payment is rounded up
    @custom:reverts "liquidator: expired", "liquidator: buyer", "liquidator: not below mm",
            "liquidator: closed",
            "liquidator: house", "liquidator: nothing to take", "liquidator: fraction",
            "liquidator: take all", "liquidator: too small", "liquidator: overshoot",
            "liquidator: dust", "liquidator: payment too high", "liquidator: insurance too low",
            and the reasons of the Clearinghouse
    """
    self._require_buyer(account, buyer)
    self._require_time(deadline)
    if len(reports) != 0:
        desk._update(reports)

    self._take(account, buyer, fraction, max_payment, min_insurance)


@external
def write_off(account: uint256) -> uint256:
    """
    @notice Clear the debt of an account with nothing left: the fund pays what it can.
    @return [USD WAD] the deficit booked
    @custom:reverts "liquidator: not written off" while it holds anything or owes nothing
    """
    word: uint256 = desk._books(account).word
    equity: int256 = packing._cash(word) + packing._quote(word)
    if not account_words._holds_nothing(word) or equity >= 0:
        errors._fail("liquidator: not written off")

    asked: take_planner.Cover = empty(take_planner.Cover)
    asked.deficit = convert(-equity, uint256)
    covered: uint256 = self._draw(asked)[0]
    return extcall desk.CLEARINGHOUSE.write_off(account, covered)


# ---- plans --------------------------------------------------------------------------------------


@external
@view
def plan_reduce(account: uint256, instrument: uint256) -> ILiquidator.ReducePlan:
    """
    @notice What `reduce` with the plan's `size` does in this block.
    @return plan; status as docs/spec/liquidation.md#plan-status
    """
    return reduce_planner._plan(account, instrument)


@external
@view
def plan_take(account: uint256) -> ILiquidator.TakePlan:
    """
    @notice A fraction that `take` accepts for AHEAD seconds, and what it pays in this block.
    @return plan; status as docs/spec/liquidation.md#plan-status
    """
    return take_planner._plan(account)


# ---- internal -----------------------------------------------------------------------------------


@internal
def _reduce(
    account: uint256, instrument: uint256, size: uint256, min_pay: uint256, keeper: uint256
):
    """
    @notice Plan a close at the stored price, have the core do it, verify what it answers.
    """
    books: account_words.Books = desk._books(account)
    venue: account_words.Books = desk._books(desk.POOL_ACCOUNT)
    target: liquidation_math.Target = desk._target(books, venue, instrument)
    before: IMarkets.Health = desk._health_of(account, 0, books)
    self._require_closable(target, books.word, before)
    most: uint256 = reduce_planner._capacity_left(target)
    if most == 0:
        errors._fail("liquidator: no capacity")

    close: liquidation_math.Close = reduce_planner._bounded(
        reduce_planner._rest(target, books.word, before), min(size, most), most
    )
    reduce_planner._require_size(target, close, size, most)
    pay: uint256 = reduce_planner._pay(before, close)
    if pay < min_pay:
        errors._fail("liquidator: pay too low")

    # the plan is executed by the core, which checks it; what it answers is verified after it
    taker: int256 = liquidation_math._taker(target, close.lots)
    sizes: int256[16] = empty(int256[16])
    # lots < 2^63, price and funding < 2^66, a position below 16
    sizes[target.position] = unsafe_sub(0, taker)
    posted: IClearinghouse.Posted = extcall desk.CLEARINGHOUSE.post(
        IClearinghouse.Post(
            account=account, counterparty=desk.POOL_ACCOUNT, keeper=keeper,
            legs=unsafe_add(target.position, 1), collaterals=0,
            sizes=sizes, amounts=empty(uint256[8]), cash=0,
            quote=unsafe_mul(taker, unsafe_sub(convert(close.price, int256), target.funding)),
            fee=close.fee, liquidation_fee=close.liquidation_fee, pay=pay, insurance=0,
            tilt=liquidation_math._tilt_after(target, taker), part=0,
        ),
        close.gap < 0,
    )
    lots: uint256 = close.lots
    if lots == target.held:
        lots = 0
    reduce_planner._require_close(lots, target.mark, before, posted.after)
    desk._confirm(target, venue, account, taker, posted.other)

    # lots < 2^63, mark < 2^64
    reduce_planner._use(target.market, unsafe_mul(close.lots, target.mark))
    running: bool = desk._in_auction(books.word)
    if running or close.gap < 0:
        auction_clock._write(account, auction_clock._live_at(account, running, before.resume))

    log ILiquidator.Reduced(
        account=account, keeper=msg.sender, instrument=instrument,
        size=sizes[target.position], price=close.price,
        fee=close.fee, liquidation_fee=close.liquidation_fee, pay=pay,
        equity_before=before.equity, mm_before=before.mm,
        equity_after=posted.after.equity, mm_after=posted.after.mm,
    )


@internal
def _take(
    account: uint256,
    buyer: uint256,
    fraction: uint256,
    max_payment: uint256,
    min_insurance: uint256,
):
    """
    @notice Price a slice at the stored price, have the core move it, verify what it answers.
    """
    case: take_planner.Case = take_planner._case(account)
    self._require_liquidatable(case.books.word, case.health)
    if account_words._holds_nothing(case.books.word):
        errors._fail("liquidator: nothing to take")
    if fraction == u.WAD:
        if take_planner._largest_part(case, take_planner._slack(case.health)) != 0:
            errors._fail("liquidator: overshoot")
    else:
        take_planner._require_part(case.health, case.reward, fraction)
    cut: liquidation_math.Slice = liquidation_math._cut(case.books, fraction)
    terms: take_planner.Terms = take_planner._terms(case, cut.rest, fraction)
    if terms.payment > max_payment:
        errors._fail("liquidator: payment too high")

    # the fund and the core are ours; each step needs the answer of the one before
    part: uint256 = fraction if desk._is_engaged(case.books.word) else 0
    insurance: uint256 = 0
    short: uint256 = 0
    if fraction == u.WAD:
        insurance, short = self._draw(take_planner._asked(case))
    if insurance < min_insurance:
        errors._fail("liquidator: insurance too low")
    posted: IClearinghouse.Posted = extcall desk.CLEARINGHOUSE.post(
        IClearinghouse.Post(
            account=account, counterparty=buyer, keeper=buyer,
            legs=packing._leg_count(case.books.word),
            collaterals=packing._collateral_count(case.books.word),
            sizes=cut.sizes, amounts=cut.amounts,
            # a deficit that the fund cannot pay stays behind as negative cash
            cash=terms.cash + convert(short, int256), quote=terms.quote,
            fee=0, liquidation_fee=0, pay=0, insurance=insurance,
            tilt=max_value(int256), part=part,
        ),
        False,
    )
    if fraction != u.WAD:
        take_planner._require_rest(account, posted.after, terms.le, terms.over)
    if desk._in_auction(case.books.word):
        auction_clock._write(account, case.live)
    deficit: uint256 = 0
    if short != 0:
        deficit = extcall desk.CLEARINGHOUSE.write_off(account, 0)

    log ILiquidator.Taken(
        account=account, buyer=buyer, fraction=fraction, reward=case.reward,
        payment=terms.payment, insurance=insurance, live_time=case.live,
        equity_before=case.health.equity, equity_after=posted.after.equity, deficit=deficit,
    )


@internal
@view
def _require_closable(target: liquidation_math.Target, word: uint256, before: IMarkets.Health):
    """
    @custom:reverts those of _require_liquidatable, "liquidator: take only",
            "liquidator: no such leg", "liquidator: stale price"
    """
    self._require_liquidatable(word, before)
    if desk._is_engaged(word):
        errors._fail("liquidator: take only")
    if target.size == 0:
        errors._fail("liquidator: no such leg")
    if desk._is_stale(target.price_word):
        errors._fail("liquidator: stale price")


@internal
def _draw(asked: take_planner.Cover) -> (uint256, uint256):
    """
    @notice Ask the fund for what an account cannot pay.
    @return what the fund pays, and what of the deficit it leaves [USD WAD]
    """
    if asked.deficit + asked.bonus == 0:
        return 0, 0
    deficit: uint256 = 0
    bonus: uint256 = 0
    deficit, bonus = extcall desk.FUND.draw(asked.market, asked.deficit, asked.bonus)
    return deficit + bonus, asked.deficit - deficit


@internal
@view
def _require_keeper(account: uint256, keeper: uint256):
    """
    @custom:reverts "liquidator: keeper" paid to the liquidated owner or to the pool
    """
    if packing._same_owner(keeper, account) or keeper == desk.POOL_ACCOUNT:
        errors._fail("liquidator: keeper")


@internal
@view
def _require_buyer(account: uint256, buyer: uint256):
    """
    @custom:reverts "liquidator: buyer" not the caller's, or the caller is liquidated
    """
    if packing._owner(buyer) != msg.sender or packing._owner(account) == msg.sender:
        errors._fail("liquidator: buyer")


@internal
@view
def _require_time(deadline: uint256):
    if block.timestamp > deadline:
        errors._fail("liquidator: expired")


@internal
@pure
def _require_liquidatable(word: uint256, health: IMarkets.Health):
    """
    @custom:reverts "liquidator: not below mm", "liquidator: closed", "liquidator: house"
    """
    if desk._covers(health.equity, health.mm):
        errors._fail("liquidator: not below mm")
    if not desk._is_open(health.status):
        errors._fail("liquidator: closed")
    if desk._is_house(word):
        errors._fail("liquidator: house")
