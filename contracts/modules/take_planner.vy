# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title TakePlanner: what a slice of an account is worth, and who pays for it
@license AGPL-3.0-only
@notice docs/spec/liquidation.md#take. Owns no state.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import ILiquidator
from interfaces import IMarkets
from libs import account_words
from libs import errors
from libs import fixed_point
from libs import liquidation_math
from libs import market_packing
from libs import packing
from libs import units as u
from modules import auction_clock
from modules import liquidation_desk as desk

uses: auction_clock
uses: desk

# how far over LE a slice may end, as a share of the LE before: room for seconds of funding
TOLERANCE: constant(uint256) = u.WAD // 1_000
# what a plan adds to the smallest fraction
CUSHION: constant(uint256) = u.WAD * 3 // 10_000
# the smallest fraction is found on this grid, by halving
GRID: constant(uint256) = u.WAD // 1_000_000
GRID_STEPS: constant(uint256) = 20
# a solvent account's buyer gets at most 1 % of what moves out of insurance
BONUS_SHARE: constant(uint256) = 100

# docs/spec/liquidation.md#plan-status
NOT_BELOW_MM: constant(uint256) = 1
CLOSED: constant(uint256) = 2
NOTHING: constant(uint256) = 3


# an account below MM, and the reward that its clock offers
struct Case:
    books: account_words.Books
    health: IMarkets.Health
    live: uint256           # s
    reward: uint256         # r, USD WAD


# a slice as the core is asked for it, insurance apart
struct Deal:
    post: IClearinghouse.Post   # its parties are filled in by the call
    payment: uint256        # buyer -> account, WAD, within post.cash
    rest: account_words.Books   # what a fraction below 1 leaves the account


# what the fund is asked for, or pays
struct Cover:
    market: uint256         # that the fund charges
    deficit: uint256        # WAD
    bonus: uint256          # WAD


# ---- slice --------------------------------------------------------------------------------------


@internal
@view
def _deal(case: Case, fraction: uint256) -> Deal:
    """
    @notice Cut a fraction out of the account, worth exactly floor(fraction E), and pay for it.
    @custom:rounding the slice down, the payment up: in favour of the account
    """
    cut: liquidation_math.Slice = liquidation_math._slice(case.books, fraction)
    deal: Deal = empty(Deal)
    deal.post.sizes = cut.sizes
    deal.post.amounts = cut.amounts
    deal.post.tilt = max_value(int256)
    deal.post.cash = packing._cash(case.books.word)
    deal.post.quote = packing._quote(case.books.word)
    if fraction != u.WAD:
        worth: int256 = 0
        profit: int256 = 0
        worth, profit = self._worth(case, cut)
        deal.post.quote = liquidation_math._share(case.health.unsettled, fraction)
        deal.post.cash = liquidation_math._share(case.health.equity, fraction)
        deal.post.cash -= deal.post.quote + worth - profit
        deal.post.quote -= profit
    deal.payment = liquidation_math._payment(case.health.equity, case.reward, fraction)
    deal.post.cash -= convert(deal.payment, int256)
    deal.rest = cut.rest
    deal.rest.word = account_words._less(case.books.word, deal.post.cash, deal.post.quote)
    return deal


@internal
@view
def _worth(case: Case, cut: liquidation_math.Slice) -> (int256, int256):
    """
    @notice What the legs and amounts of a slice are worth: a check of them as an account without
            cash and quote says it. For an only leg U says it already: U - quote is its size times
            P - F, exactly.
    @return legs and amounts; the legs alone [USD WAD]
    """
    if liquidation_math._is_one_leg(case.books.word):
        whole: int256 = case.health.unsettled - packing._quote(case.books.word)
        size: int256 = packing._leg_size(packing._half(case.books.legs[0], 0))
        profit: int256 = whole // size * cut.sizes[0]
        return profit, profit
    part: IMarkets.Health = desk._health(cut.part)
    return part.equity, part.unsettled


@internal
@view
def _falls_short(case: Case, fraction: uint256) -> bool:
    """
    @return whether a fraction below 1 would leave the account under LE
    """
    rest: IMarkets.Health = desk._health(self._deal(case, fraction).rest)
    return not desk._covers(rest.equity, rest.le)


# ---- size of an account -------------------------------------------------------------------------


@internal
@view
def _gross(books: account_words.Books) -> (uint256, uint256):
    """
    @notice Notional of all legs and value of all collateral, and the market of the largest leg.
    @return [USD WAD], market, 0 without legs
    """
    largest: uint256 = 0
    market: uint256 = 0
    collateral: account_words.Books = books
    collateral.word = packing._with_leg_count(packing._without_money(books.word), 0)
    gross: uint256 = convert(desk._health(collateral).equity, uint256)
    for i: uint256 in range(packing._leg_count(books.word), bound=u.MAX_LEGS):
        entry: uint256 = packing._half(books.legs[i // 2], i)
        held: uint256 = packing._instrument_market(packing._leg_instrument(entry))
        price_word: uint256 = 0
        state_word: uint256 = 0
        funding: int256 = 0
        price_word, state_word, funding = staticcall desk.MARKETS.market_words(held)
        # size below 2^63, price below 2^64
        notional: uint256 = unsafe_mul(
            account_words._magnitude(packing._leg_size(entry)), market_packing._price(price_word)
        )
        gross = unsafe_add(gross, notional)
        if notional > largest:
            largest = notional
            market = held
    return gross, market


@internal
@view
def _is_dust(books: account_words.Books, health: IMarkets.Health) -> bool:
    """
    @notice Whether legs and collateral together are worth less than DUST.
    @dev No requirement is above what it stands for, so most accounts are seen not to be dust
         without reading a price.
    """
    if health.mm - health.kappa >= desk.DUST:
        return False
    gross: uint256 = 0
    market: uint256 = 0
    gross, market = self._gross(books)
    return gross < desk.DUST


# ---- how much -----------------------------------------------------------------------------------


@internal
@view
def _needs_all(case: Case) -> bool:
    """
    @notice Whether only everything may be taken: for E, for r, or for dust.
    """
    due: bool = liquidation_math._needs_all(
        case.health.equity, case.health.mm, case.health.kappa, case.reward
    )
    return due or self._is_dust(case.books, case.health)


@internal
@view
def _may_take_all(case: Case) -> bool:
    """
    @notice Whether everything is due, or a fraction just below 1 would not reach LE or would
            leave dust.
    """
    if self._needs_all(case):
        return True
    gross: uint256 = 0
    market: uint256 = 0
    gross, market = self._gross(case.books)
    dust: uint256 = fixed_point._ceil_div(desk.DUST * u.WAD, gross) + CUSHION
    rest: uint256 = max(TOLERANCE, dust)
    return self._falls_short(case, u.WAD - min(u.WAD, rest))


@internal
@view
def _smallest(case: Case) -> uint256:
    """
    @notice The smallest fraction on the grid that brings the rest to LE, 1 when none does.
    @dev E - fraction r - LE(rest) rises with the fraction wherever a part may be taken at all.
    @return [WAD]
    """
    if self._may_take_all(case):
        return u.WAD
    low: uint256 = 0
    high: uint256 = u.WAD // GRID
    for _: uint256 in range(GRID_STEPS):
        middle: uint256 = (low + high) // 2
        if middle == low:
            break
        if self._falls_short(case, middle * GRID):
            low = middle
        else:
            high = middle
    return high * GRID


@internal
@view
def _require_fraction(case: Case, fraction: uint256):
    """
    @notice Refuse a fraction of the wrong kind; whether a part fits is seen after the move.
    @custom:reverts "liquidator: fraction", "liquidator: take all", "liquidator: overshoot"
    """
    if fraction == 0 or fraction > u.WAD:
        errors._fail("liquidator: fraction")
    if fraction == u.WAD:
        if not self._may_take_all(case):
            errors._fail("liquidator: overshoot")
    elif liquidation_math._needs_all(
        case.health.equity, case.health.mm, case.health.kappa, case.reward
    ):
        errors._fail("liquidator: take all")


@internal
@view
def _require_rest(case: Case, rest: account_words.Books, after: IMarkets.Health):
    """
    @notice Require that a part brought the rest to LE, not far beyond it, and not to dust.
    @custom:reverts "liquidator: too small", "liquidator: overshoot", "liquidator: dust"
    """
    if not desk._covers(after.equity, after.le):
        errors._fail("liquidator: too small")
    if after.equity > convert(after.le + TOLERANCE * case.health.le // u.WAD, int256):
        errors._fail("liquidator: overshoot")
    if self._is_dust(rest, after):
        errors._fail("liquidator: dust")


# ---- insurance ----------------------------------------------------------------------------------


@internal
@view
def _asked(case: Case) -> Cover:
    """
    @notice What the taker of everything asks of the fund: the deficit, and what of the reward the
            account cannot pay; from a solvent account only late, and at most 1 % of what moves.
    @custom:rounding the bonus down
    """
    asked: Cover = empty(Cover)
    asked.deficit = convert(max(0, -case.health.equity), uint256)
    over: int256 = convert(case.reward, int256) - max(0, case.health.equity)
    if over <= 0 and asked.deficit == 0:
        return asked
    gross: uint256 = 0
    gross, asked.market = self._gross(case.books)
    asked.bonus = convert(max(0, over), uint256)
    if case.health.equity >= 0:
        if not auction_clock._is_slow(case.live):
            asked.bonus = 0
        asked.bonus = min(asked.bonus, gross // BONUS_SHARE)
    return asked


# ---- view ---------------------------------------------------------------------------------------


@internal
@view
def _case(account: uint256) -> Case:
    """
    @notice Load an account and the reward that a call in this block finds.
    """
    books: account_words.Books = desk._books(account)
    health: IMarkets.Health = desk._health(books)
    live: uint256 = auction_clock._live_at(account, desk._in_auction(books), health.resume)
    return Case(
        books=books, health=health, live=live, reward=auction_clock._reward(live, health.mm)
    )


@internal
@view
def _plan(account: uint256) -> ILiquidator.TakePlan:
    """
    @notice What a call with `fraction` does in this block.
    """
    plan: ILiquidator.TakePlan = empty(ILiquidator.TakePlan)
    case: Case = self._case(account)
    if account_words._holds_nothing(case.books.word):
        plan.status = NOTHING
        return plan
    if desk._covers(case.health.equity, case.health.mm):
        plan.status = NOT_BELOW_MM
        return plan
    if desk._is_house(case.books) or not desk._is_open(case.health.status):
        plan.status = CLOSED
        return plan

    plan.live_time = case.live
    plan.reward = case.reward
    plan.smallest = self._smallest(case)
    plan.fraction = plan.smallest
    if plan.smallest + CUSHION < u.WAD:
        plan.fraction += CUSHION
    plan.payment = self._deal(case, plan.fraction).payment
    if plan.fraction == u.WAD:
        plan.insurance = self._covered(self._asked(case))
    return plan


@internal
@view
def _covered(asked: Cover) -> uint256:
    """
    @notice What the fund would pay of it now.
    @return [USD WAD]
    """
    cash: uint256 = 0
    limit: uint256 = 0
    cash, limit = staticcall desk.FUND.available(asked.market)
    deficit: uint256 = min(asked.deficit, cash)
    return deficit + min(asked.bonus, min(limit, cash - deficit))
