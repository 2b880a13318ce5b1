# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title TakePlanner: what a slice of an account is worth, and who pays for it
@license AGPL-3.0-only
@notice docs/spec/liquidation.md#take. Owns no state.
@custom:kill not deployable
"""

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

# how far over LE a part may end, 1/500 of the LE before; a plan aims at the middle, and funding
# at its cap moves E by less than half of it in AHEAD seconds
TOLERANCE: constant(uint256) = 500
# a plan holds for so long [s]: six blocks of 2 s, or one of 12 s, while the reward rises
AHEAD: constant(uint256) = 12
# the smallest fraction is found on this grid, by halving
GRID: constant(uint256) = u.WAD // 1_000_000
GRID_STEPS: constant(uint256) = 20
# a part leaves at least this share of everything
LEAST_REST: constant(uint256) = u.WAD // 1_000
# a solvent account's buyer gets at most 1 % of what moves out of insurance
BONUS_SHARE: constant(uint256) = 100

# docs/spec/liquidation.md#plan-status
NOT_BELOW_MM: constant(uint256) = 1
CLOSED: constant(uint256) = 2
NOTHING: constant(uint256) = 3


# an account below MM, and the reward that its clock offers
struct Case:
    account: uint256
    books: account_words.Books
    health: IMarkets.Health
    live: uint256           # s
    reward: uint256         # r, USD WAD
    later: uint256          # r AHEAD seconds on


# what goes with a slice
struct Terms:
    cash: int256            # account -> buyer, WAD, the payment taken off
    quote: int256           # account -> buyer, WAD
    payment: uint256        # buyer -> account, WAD
    le: uint256             # of the rest as if in debt, WAD; 0 where the core's answer says it
    over: uint256           # how far above LE the rest may end, WAD: what the reward of the next
                            # AHEAD seconds explains, and the tolerance


# what the fund is asked for, or pays
struct Cover:
    market: uint256         # that the fund charges
    deficit: uint256        # WAD
    bonus: uint256          # WAD


# how large an account is
struct Gross:
    value: uint256          # notional of all legs and value of all collateral, USD WAD
    market: uint256         # of the largest leg, 0 without legs


# ---- slice --------------------------------------------------------------------------------------


@internal
@view
def _terms(case: Case, rest: account_words.Books, fraction: uint256) -> Terms:
    """
    @notice Price a slice that leaves `rest`, as a check of the rest says it: the account parts
            with exactly floor(fraction E).
    @custom:rounding the slice down, the payment up: in favour of the account
    """
    terms: Terms = empty(Terms)
    terms.cash = packing._cash(case.books.word)
    terms.quote = packing._quote(case.books.word)
    if fraction != u.WAD:
        marks: int256 = case.health.unsettled
        value: int256 = 0
        if liquidation_math._is_one_leg(case.books.word):
            # U says it already: U - quote is its size times P - F, exactly
            marks = liquidation_math._moved_marks(case.books, rest, marks - terms.quote)
        else:
            kept: IMarkets.Health = desk._health_of(case.account, fraction, rest)
            marks -= kept.unsettled
            value = case.health.equity - kept.equity - marks
            terms.le = kept.le
        terms.quote = liquidation_math._share(case.health.unsettled, fraction)
        terms.cash = liquidation_math._share(case.health.equity, fraction)
        terms.cash -= terms.quote + value
        terms.quote -= marks
        terms.over = self._slack(case.health)
        # the curve of the reward rises
        terms.over += fraction * unsafe_sub(case.later, case.reward) // u.WAD
    terms.payment = liquidation_math._payment(case.health.equity, case.reward, fraction)
    terms.cash -= convert(terms.payment, int256)
    return terms


@internal
@view
def _gap(case: Case, fraction: uint256) -> int256:
    """
    @notice How far above LE a part at the later reward leaves the rest, below 0 if under it.
    @return [USD WAD]
    """
    word: uint256 = case.books.word
    kept: IMarkets.Health = desk._health_of(
        case.account, fraction, liquidation_math._cut(case.books, fraction).rest
    )
    equity: int256 = case.health.equity - liquidation_math._share(case.health.equity, fraction)
    equity += convert(
        liquidation_math._payment(case.health.equity, case.later, fraction), int256
    )
    if word & packing.BOOK_MASK == 0:
        # without legs and debts nothing is required; U is quote
        quote: int256 = packing._quote(word)
        left: int256 = quote - liquidation_math._share(quote, fraction)
        value: int256 = kept.equity - packing._cash(word) - quote
        if min(left, equity - left - value) >= 0:
            return equity
    return equity - convert(kept.le, int256)


# ---- size of an account -------------------------------------------------------------------------


@internal
@view
def _gross(account: uint256, books: account_words.Books) -> Gross:
    gross: Gross = empty(Gross)
    collateral: account_words.Books = books
    collateral.word = packing._with_leg_count(packing._without_money(books.word), 0)
    gross.value = convert(desk._health(collateral).equity, uint256)
    largest: uint256 = 0
    for i: uint256 in range(packing._leg_count(books.word), bound=u.MAX_LEGS):
        entry: uint256 = packing._half(books.legs[i // 2], i)
        market: uint256 = packing._instrument_market(packing._leg_instrument(entry))
        # size below 2^63, price below 2^64
        notional: uint256 = unsafe_mul(
            account_words._magnitude(packing._leg_size(entry)),
            market_packing._price((staticcall desk.MARKETS.market_words(market))[0]),
        )
        gross.value = unsafe_add(gross.value, notional)
        if notional > largest:
            largest = notional
            gross.market = market
    if desk._is_engaged(books.word):
        value: uint256 = 0
        most: uint256 = 0
        own: uint256 = 0
        value, most, own = staticcall desk.OPTIONS.notional(account)
        gross.value += value
        if most > largest:
            gross.market = own
    return gross


# ---- how much -----------------------------------------------------------------------------------


@internal
@pure
def _slack(health: IMarkets.Health) -> uint256:
    """
    @return [USD WAD] how far over LE a part may end, by its LE before
    @custom:rounding down, in favour of the account
    """
    return health.le // TOLERANCE


@internal
@view
def _largest_part(case: Case, margin: uint256) -> uint256:
    """
    @notice The largest fraction below 1, where it ends by a margin above LE AHEAD seconds on.
    @param margin [USD WAD]
    @return [WAD] 0 when everything is due: for E, for r, for dust, or because no part reaches LE
    """
    aim: int256 = convert(margin, int256)
    if liquidation_math._no_part_helps(
        case.health.equity - aim, case.health.mm, case.health.kappa, case.later
    ):
        return 0
    gross: uint256 = self._gross(case.account, case.books).value
    if gross < desk.DUST:
        return 0
    rest: uint256 = max(LEAST_REST, fixed_point._ceil_div(desk.DUST * u.WAD, gross))
    largest: uint256 = (u.WAD - rest) // GRID * GRID
    if self._gap(case, largest) < aim:
        return 0
    return largest


@internal
@view
def _smallest(case: Case) -> uint256:
    """
    @notice The smallest fraction on the grid whose rest ends in the middle of the tolerance AHEAD
            seconds on, 1 when none does.
    @return [WAD]
    @custom:rounding up to the grid, from the search's failing end to its passing one
    """
    margin: uint256 = self._slack(case.health) // 2
    low: uint256 = 0
    high: uint256 = self._largest_part(case, margin) // GRID
    if high == 0:
        return u.WAD
    for _: uint256 in range(GRID_STEPS):
        middle: uint256 = (low + high) // 2
        if middle == low:
            break
        if self._gap(case, middle * GRID) < convert(margin, int256):
            low = middle
        else:
            high = middle
    return high * GRID


@internal
@pure
def _require_part(health: IMarkets.Health, reward: uint256, fraction: uint256):
    """
    @notice Refuse a part where only all may go; whether it fits is seen after the move.
    @custom:reverts "liquidator: fraction", "liquidator: take all"
    """
    if fraction == 0 or fraction > u.WAD:
        errors._fail("liquidator: fraction")
    if liquidation_math._no_part_helps(health.equity, health.mm, health.kappa, reward):
        errors._fail("liquidator: take all")


@internal
@view
def _require_rest(account: uint256, after: IMarkets.Health, needed: uint256, over: uint256):
    """
    @notice Require that a part brought the rest to LE, not too far beyond it, and not to dust.
    @param needed [USD WAD] LE of the rest as if in debt, 0 if it has legs
    @param over [USD WAD] how far above it may end
    @custom:reverts "liquidator: too small", "liquidator: overshoot", "liquidator: dust"
    """
    if not desk._covers(after.equity, after.le):
        errors._fail("liquidator: too small")
    if after.equity > convert(max(needed, after.le) + over, int256):
        errors._fail("liquidator: overshoot")
    # no requirement is above what it stands for, so most are seen to be no dust without a price
    if after.mm - after.kappa < desk.DUST:
        if self._gross(account, desk._books(account)).value < desk.DUST:
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
    gross: Gross = self._gross(case.account, case.books)
    asked.market = gross.market
    asked.bonus = convert(max(0, over), uint256)
    if case.health.equity >= 0:
        if not auction_clock._is_slow(case.live):
            asked.bonus = 0
        asked.bonus = min(asked.bonus, gross.value // BONUS_SHARE)
    return asked


# ---- view ---------------------------------------------------------------------------------------


@internal
@view
def _case(account: uint256) -> Case:
    """
    @notice Load an account and the reward that a call in this block finds.
    """
    books: account_words.Books = desk._books(account)
    health: IMarkets.Health = desk._health_of(account, 0, books)
    live: uint256 = auction_clock._live_at(account, desk._in_auction(books.word), health.resume)
    return Case(
        account=account,
        books=books,
        health=health,
        live=live,
        reward=auction_clock._reward(live, health.mm),
        later=auction_clock._reward(live + AHEAD, health.mm),
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
    if desk._is_house(case.books.word) or not desk._is_open(case.health.status):
        plan.status = CLOSED
        return plan

    plan.live_time = case.live
    plan.reward = case.reward
    plan.fraction = self._smallest(case)
    plan.payment = liquidation_math._payment(case.health.equity, case.reward, plan.fraction)
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
