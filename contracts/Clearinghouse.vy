# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Clearinghouse: custody, accounts, the ledger; the only contract that moves money
@license AGPL-3.0-only
@notice docs/spec/ledger.md. Who may do what stands here; what happens then, in the modules:
        accounts (words, list) <- ledger (cash, quote, pot) <- custody, trading, seizure.
@custom:kill nobody can stop it or move its tokens; the owner lists tokens, hands and venues
        and sets caps. Taking a hand or a venue off the list stops what only it may ask for;
        deposits, settlements and withdrawals of healthy accounts cannot be stopped.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from interfaces import IClearinghouse
from interfaces import IMarkets
from libs import errors
from modules import accounts
from modules import batch as batch_
from modules import custody
from modules import ledger
from modules import seizure
from modules import trading

implements: IClearinghouse

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: accounts
initializes: ledger[accounts := accounts]
initializes: custody[accounts := accounts, ledger := ledger]
initializes: trading[accounts := accounts, ledger := ledger]
initializes: seizure[accounts := accounts, ledger := ledger]
initializes: batch_[custody := custody, ledger := ledger]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)
exports: (accounts.account_words, accounts.account_count, accounts.account_at)
exports: (
    ledger.settle,
    ledger.settle_pair,
    ledger.health,
    ledger.markets,
    ledger.insurance_account,
    ledger.fee_account,
    ledger.pot,
    ledger.deficit,
)
exports: (
    custody.deposit,
    custody.withdraw,
    custody.transfer,
    custody.token_info,
    custody.token_at,
    custody.settlement_token,
    custody.settlement_scale,
)

# what each listed contract may ask for
hands: public(HashMap[address, IClearinghouse.Role])


@deploy
def __init__(
    settlement_token: address,
    hard_cap: uint256,
    markets: address,
    insurance_owner: address,
    fee_owner: address,
    engine: address,
):
    """
    @param settlement_token token in which results are paid, 6 .. 18 decimals
    @param hard_cap [whole tokens] most of it that may be deposited
    @param markets the Markets that was deployed for this address
    @param insurance_owner the InsuranceFund, to be deployed
    @param fee_owner whose account 0 receives trade fees
    @param engine the Options, to be deployed
    """
    ownable.__init__()
    ownable_2step.__init__()
    ledger.__init__(markets, insurance_owner, fee_owner, engine)
    custody.__init__(settlement_token, hard_cap)
    trading.__init__()
    if staticcall IMarkets(markets).clearinghouse() != self:
        errors._fail("ledger: wrong markets")


# ---- users ------------------------------------------------------------------------------------


@external
def batch(
    reports: Bytes[2048], owner: address, actions: DynArray[IClearinghouse.Action, 8]
):
    """
    @notice Run up to 8 actions on an owner's accounts, in order, each account checked at the end.
            Only the owner; or a hand with ACT, which answers for the owner's consent, and moves
            nothing out of his accounts and his wallet.
    @param reports a price update to begin with (docs/spec/oracle.md#blob), or nothing
    @custom:reverts "clearinghouse: not a hand", "custody: not the owner", "ledger: margin",
            "batch: unknown action", "batch: not to the owner", and the reasons of each action
    """
    agent: bool = msg.sender != owner
    if agent:
        self._require_hand(IClearinghouse.Role.ACT)
    if len(reports) != 0:
        # Markets is ours and calls nobody
        extcall ledger.MARKETS.update(reports)
    batch_._run(owner, actions, agent)


# ---- listed hands -----------------------------------------------------------------------------


@external
def trade(t: IClearinghouse.Trade) -> IClearinghouse.Traded:
    """
    @notice Fill an order of an account with a venue; only hands with the role TRADE, which
            answer for the owner's consent.
    """
    self._require_hand(IClearinghouse.Role.TRADE)
    return trading._trade(t)


@external
def post(p: IClearinghouse.Post, auction: bool) -> IClearinghouse.Posted:
    """
    @notice Move part of an account below MM to a counterparty, for hands with LIQUIDATE; or of
            one that agrees, for hands with ACT, which answer for the consent of both: without
            fees, and both end above IM.
    @param auction the account's auction bit after a forced move; an agreed one leaves none
    """
    forced: bool = IClearinghouse.Role.LIQUIDATE in self.hands[msg.sender]
    if not forced:
        self._require_hand(IClearinghouse.Role.ACT)
    return seizure._post(p, auction, forced)


@external
def deal(d: IClearinghouse.Deal):
    """
    @notice Move cash, quote and lots of a perp between two accounts; only the engine, which answers
            for the consent of both and for the margin of both after it.
    @custom:reverts "clearinghouse: not a hand", "custody: not enough cash", "seizure: parties"
    """
    if msg.sender != ledger.ENGINE.address:
        # nobody has no role
        self._require_hand(empty(IClearinghouse.Role))
    seizure._deal(d)


@external
def set_auction(account: uint256, active: bool):
    """
    @notice Set an account's auction bit; only hands with LIQUIDATE, and those with CURE to end one.
    """
    self._require_hand(
        (IClearinghouse.Role.LIQUIDATE | IClearinghouse.Role.CURE)
        if not active
        else IClearinghouse.Role.LIQUIDATE
    )
    ledger._set_auction(account, active)


@external
def write_off(account: uint256, covered: uint256) -> uint256:
    """
    @notice Clear the debt of an account that has nothing left; only hands with LIQUIDATE.
    @param covered [WAD] what the insurance fund pays of it
    @return [WAD] the deficit booked
    """
    self._require_hand(IClearinghouse.Role.LIQUIDATE)
    return seizure._write_off(account, covered)


# ---- owner ------------------------------------------------------------------------------------


@external
def list_collateral(
    token: address,
    feed: uint256,
    haircut_im: uint256,
    haircut_mm: uint256,
    hard_cap: uint256,
    soft_cap: uint256,
):
    """
    @notice List a token of 6 .. 18 decimals as collateral under the next id.
    @param feed market whose price values it
    @param haircut_im [WAD] Markets asserts haircut_im >= haircut_mm
    @param hard_cap [whole tokens] most that may be deposited
    @param soft_cap [whole tokens] most that counts for IM in full
    """
    ownable._check_owner()
    custody._list(token, feed, haircut_im, haircut_mm, hard_cap, soft_cap)


@external
def set_caps(token: address, hard_cap: uint256, soft_cap: uint256):
    """
    @notice Change the caps of a listed token [whole tokens]; only the owner, or hands with GUARD,
            which only lower them.
    @param soft_cap of the settlement token, which has none: the time until which no deposits of it
           are taken [unix s]; a hand's word alone, which sees to it that nobody is liquidated then
    """
    soft: uint256 = soft_cap
    if IClearinghouse.Role.GUARD not in self.hands[msg.sender]:
        ownable._check_owner()
        if token == custody.settlement_token:
            soft = 0
    custody._save_caps(token, custody._require_listed(1, token), hard_cap, soft)


@external
def set_hand(hand: address, role: IClearinghouse.Role):
    """
    @notice Set what a contract may ask for, empty to take it off the list.
    """
    ownable._check_owner()
    self.hands[hand] = role
    log IClearinghouse.HandSet(hand=hand, role=role)


@external
def set_venue(venue: address, allowed: bool, house: bool, small_markets: uint256):
    """
    @notice Allow fills with a venue or stop them; `house` gives its account a pool's margin.
    @param small_markets bit m set: market m opens from 500 USD instead of 1,000 USD
    """
    ownable._check_owner()
    trading._set_venue(venue, allowed, house, small_markets)


# ---- internal ---------------------------------------------------------------------------------


@internal
@view
def _require_hand(role: IClearinghouse.Role):
    if role not in self.hands[msg.sender]:
        errors._fail("clearinghouse: not a hand")
