# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title InsuranceFund: an account of the Clearinghouse that pays for deficits inside its limits
@license AGPL-3.0-only
@notice docs/spec/ledger.md#insurance. Owner-funded for now. The fund holds no tokens between
        transactions: its cash is that of account `fund << 96`, and the Clearinghouse pays out of
        it when the Liquidator posts what was drawn here. Deficits are paid as far as the cash
        goes; rewards beyond them only inside a share of the cash at the start of the day and of
        what was added since: of an addition to the limits only a part can come back.
@custom:kill nobody can stop it; the owner withdraws surplus and sets the limits of rewards.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from interfaces import IClearinghouse
from interfaces import IInsuranceFund
from libs import errors
from libs import ledger_packing
from libs import packing
from libs import tokens
from libs import units as u

implements: IInsuranceFund

initializes: ownable
initializes: ownable_2step[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

# rewards per market and per day, of the cash at the start of the day (R13)
MARKET_LIMIT: constant(uint256) = u.WAD // 5
DAY_LIMIT: constant(uint256) = u.WAD // 2

CLEARINGHOUSE: immutable(IClearinghouse)
TOKEN: immutable(address)
ACCOUNT: immutable(uint256)
# WAD in one atom of the settlement token
SCALE: immutable(uint256)

liquidator: public(address)
market_limit: uint256
day_limit: uint256
# day, cash at its start and added since, rewards paid since
epoch: uint256
# rewards paid: day -> market -> WAD
spent_of: HashMap[uint256, HashMap[uint256, uint256]]


@deploy
def __init__(clearinghouse: address):
    """
    @param clearinghouse the Clearinghouse that was deployed for this fund's address
    """
    ownable.__init__()
    ownable_2step.__init__()
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    TOKEN = staticcall CLEARINGHOUSE.settlement_token()
    ACCOUNT = packing._account_of(self, 0)
    SCALE = staticcall CLEARINGHOUSE.settlement_scale()
    if staticcall CLEARINGHOUSE.insurance_account() != ACCOUNT:
        errors._fail("insurance: wrong clearinghouse")
    self._set_limits(MARKET_LIMIT, DAY_LIMIT)
    extcall IERC20(TOKEN).approve(clearinghouse, max_value(uint256), default_return_value=True)


# ---- external ---------------------------------------------------------------------------------


@external
def fund(amount: uint256):
    """
    @notice Add settlement tokens of the caller to the fund; anyone.
    @param amount [atoms]
    """
    self._roll(amount * SCALE)

    log IInsuranceFund.Funded(payer=msg.sender, amount=amount)
    tokens._pull(TOKEN, msg.sender, amount)
    extcall CLEARINGHOUSE.deposit(ACCOUNT, TOKEN, amount)


@external
def draw(market: uint256, deficit: uint256, reward: uint256) -> (uint256, uint256):
    """
    @notice Say what the fund pays now and count it; only the Liquidator, which posts it next.
    @param market market charged for the reward, 0 for an account without legs
    @param deficit [WAD] asked for first, bound by the cash alone
    @param reward [WAD] bound by the limits too
    @return the parts of both that the fund pays [WAD]
    @custom:reverts "insurance: not the liquidator"
    """
    if msg.sender != self.liquidator:
        errors._fail("insurance: not the liquidator")

    cash: uint256 = 0
    room: uint256 = 0
    cash, room = self._available(market)
    covered: uint256 = min(deficit, cash)
    paid: uint256 = min(reward, min(room, cash - covered))

    self._roll(0)
    self._count(market, paid)

    log IInsuranceFund.Drawn(market=market, deficit=covered, reward=paid)
    # earned fees become cash where the payment needs them
    extcall CLEARINGHOUSE.settle(ACCOUNT)
    return covered, paid


# ---- owner ------------------------------------------------------------------------------------


@external
def withdraw_surplus(amount: uint256, to: address):
    """
    @notice Take settlement tokens out of the fund.
    @param amount [atoms]
    """
    ownable._check_owner()
    self._roll(0)

    log IInsuranceFund.SurplusWithdrawn(to=to, amount=amount)
    extcall CLEARINGHOUSE.withdraw(ACCOUNT, TOKEN, amount, to)


@external
def set_limits(market: uint256, day: uint256):
    """
    @notice Set what rewards may take of the cash at the start of a day.
    @param market [WAD, 0 .. 1] per market
    @param day [WAD, 0 .. 1] in all
    @custom:reverts "insurance: limit range"
    """
    ownable._check_owner()
    if max(market, day) > u.WAD:
        errors._fail("insurance: limit range")
    self._set_limits(market, day)


@external
def set_liquidator(liquidator: address):
    """
    @notice Name the contract that may draw, once.
    @custom:reverts "insurance: liquidator is set"
    """
    ownable._check_owner()
    if self.liquidator != empty(address):
        errors._fail("insurance: liquidator is set")
    self.liquidator = liquidator
    log IInsuranceFund.LiquidatorSet(liquidator=liquidator)


# ---- external views ---------------------------------------------------------------------------


@external
@view
def available(market: uint256) -> (uint256, uint256):
    """
    @return [WAD] cash of the fund, earned fees that the pot can pay among it; and how much of a
            reward the limits leave for this market today
    """
    return self._available(market)


@external
@view
def limits() -> (uint256, uint256):
    """
    @return [WAD] of the cash at the start of a day, per market and in all
    """
    return self.market_limit, self.day_limit


# ---- internal ---------------------------------------------------------------------------------


@internal
def _set_limits(market: uint256, day: uint256):
    log IInsuranceFund.LimitsSet(
        old_market=self.market_limit, old_day=self.day_limit, market=market, day=day
    )
    self.market_limit = market
    self.day_limit = day


@internal
@view
def _cash() -> uint256:
    """
    @return [WAD] cash after a settlement: the fund has no legs, so its unsettled part is quote
    """
    word: uint256 = (staticcall CLEARINGHOUSE.account_words(ACCOUNT))[0]
    pot: uint256 = staticcall CLEARINGHOUSE.pot()
    quote: int256 = min(packing._quote(word), convert(pot, int256))
    return convert(max(packing._cash(word) + quote, 0), uint256)


@internal
@view
def _today() -> (uint256, uint256, uint256):
    """
    @return day, cash at its start and added since, rewards paid since
    """
    day: uint256 = 0
    start_cash: uint256 = 0
    spent: uint256 = 0
    day, start_cash, spent = ledger_packing._fund_fields(self.epoch)
    today: uint256 = block.timestamp // u.DAY
    if day != today:
        return today, self._cash(), 0
    return day, start_cash, spent


@internal
@view
def _available(market: uint256) -> (uint256, uint256):
    """
    @return [WAD] its cash, and what today's limits leave for a market
    @custom:rounding limits down, in favour of the fund
    """
    day: uint256 = 0
    start_cash: uint256 = 0
    spent: uint256 = 0
    day, start_cash, spent = self._today()
    by_day: uint256 = start_cash * self.day_limit // u.WAD
    by_market: uint256 = start_cash * self.market_limit // u.WAD
    spent_here: uint256 = self.spent_of[day][market]
    room: uint256 = min(
        by_day - min(by_day, spent), by_market - min(by_market, spent_here)
    )
    return self._cash(), room


@internal
def _roll(added: uint256):
    """
    @notice Note the cash at the first touch of a day, before it changes, and what is added.
    @param added [WAD]
    """
    day: uint256 = 0
    start_cash: uint256 = 0
    spent: uint256 = 0
    day, start_cash, spent = self._today()
    self.epoch = ledger_packing._fund_word(day, start_cash + added, spent)


@internal
def _count(market: uint256, paid: uint256):
    if paid != 0:
        day: uint256 = 0
        start_cash: uint256 = 0
        spent: uint256 = 0
        day, start_cash, spent = ledger_packing._fund_fields(self.epoch)
        self.epoch = ledger_packing._fund_word(day, start_cash, spent + paid)
        self.spent_of[day][market] += paid
