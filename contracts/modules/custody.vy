# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Custody: listed tokens, what is tracked of each, deposits, withdrawals and transfers
@license AGPL-3.0-only
@notice docs/spec/ledger.md. The only writer of token words. Tokens move last: the ledger is
        complete before a token is called, and a transfer that is not exact reverts it all.
        Arguments of internal functions stand as their callers hold them: what lies together is
        copied in one piece.
@custom:kill not deployable
"""

from ethereum.ercs import IERC20Detailed
from interfaces import IClearinghouse
from interfaces import IMarkets
from libs import errors
from libs import ledger_packing
from libs import packing
from libs import tokens
from libs import units as u
from modules import accounts
from modules import ledger

uses: accounts
uses: ledger

MAX_DECIMALS: constant(uint256) = 18
MIN_DECIMALS: constant(uint256) = 6
MAX_COLLATERAL_ID: constant(uint256) = 63
# smallest collateral amount held: 1 / DUST_SHARE of a token
DUST_SHARE: constant(int256) = 10_000


settlement_token: public(immutable(address))
settlement_scale: public(immutable(uint256))

token_words: HashMap[address, uint256]
token_at: public(address[MAX_COLLATERAL_ID + 1])
collateral_count: uint256


@deploy
def __init__(token: address, hard_cap: uint256):
    decimals: uint256 = self._require_decimals(token)
    settlement_token = token
    settlement_scale = 10 ** (MAX_DECIMALS - decimals)
    self.token_at[0] = token
    self._save_caps(token, ledger_packing._token_word(0, 0, 0, 0, decimals), hard_cap, 0)


# ---- external ---------------------------------------------------------------------------------


@external
def deposit(account: uint256, token: address, amount: uint256):
    """
    @notice Pull `amount` atoms from the caller and credit exactly them. Reads no price, except
            to end an auction that the deposit cures.
    @param token the settlement token; a collateral only by the owner or where it is held already
    @custom:reverts "custody: hard cap", "custody: not held", "custody: inexact transfer", ...
    """
    self._take_in(account, token, amount, msg.sender)
    tokens._pull(token, msg.sender, amount)


@external
def withdraw(account: uint256, token: address, amount: uint256, to: address):
    """
    @notice Settle the caller's account, take `amount` atoms out of it and send them to `to`.
    @custom:reverts "custody: not the owner", "custody: not enough cash", "ledger: margin", ...
    """
    self._require_owner(account, msg.sender)
    self._pay_out(to, account, amount, token)
    tokens._push(token, to, amount)


@external
def transfer(sender: uint256, receiver: uint256, token: address, amount: uint256):
    """
    @notice Move `amount` atoms from the caller's account to another account, inside the ledger.
    @custom:reverts as withdraw for the sender, as a deposit by the caller for the receiver
    """
    self._require_owner(sender, msg.sender)
    self._shift(
        IClearinghouse.Action(
            kind=IClearinghouse.Kind.TRANSFER,
            account=sender,
            other=receiver,
            token=token,
            amount=amount,
        ),
        msg.sender,
        True,
    )


# ---- external views ---------------------------------------------------------------------------


@external
@view
def token_info(token: address) -> IClearinghouse.TokenInfo:
    """
    @return what is listed for a token, all zero when nothing is
    """
    listing: uint256 = self.token_words[token]
    # no divisor is 0
    return IClearinghouse.TokenInfo(
        id=unsafe_div(listing, packing.TOKEN_ID_AT) & packing.MASK_8,
        decimals=listing & packing.MASK_5,
        tracked=unsafe_div(listing, packing.TRACKED_AT),
        hard_cap=unsafe_div(listing, packing.HARD_CAP_AT) & packing.MASK_64,
        soft_cap=ledger_packing._soft_cap(listing),
        listed=listing != 0,
    )


# ---- listing ----------------------------------------------------------------------------------


@internal
def _list(
    token: address,
    feed: uint256,
    haircut_im: uint256,
    haircut_mm: uint256,
    hard_cap: uint256,
    soft_cap: uint256,
):
    """
    @notice List a collateral under the next id and hand its haircuts to the markets.
    """
    if self.token_words[token] != 0:
        errors._fail("custody: already listed")
    decimals: uint256 = self._require_decimals(token)
    # at most one above the highest id
    id: uint256 = unsafe_add(self.collateral_count, 1)
    if id > MAX_COLLATERAL_ID:
        errors._fail("custody: too many tokens")

    self.collateral_count = id
    self.token_at[id] = token
    extcall ledger.MARKETS.set_collateral(id, feed, decimals, haircut_im, haircut_mm)
    log IClearinghouse.CollateralListed(token=token, id=id, decimals=decimals)
    self._save_caps(token, ledger_packing._token_word(0, 0, 0, id, decimals), hard_cap, soft_cap)


@internal
def _save_caps(token: address, before: uint256, hard_cap: uint256, soft_cap: uint256):
    """
    @notice Change what may be deposited and what counts in full [whole tokens].
    """
    # caps have 64 bits, a unit below 2^60; tracked 112, never above the cap that let it in
    most: uint256 = max(hard_cap, soft_cap)
    if most > packing.MASK_64 or unsafe_mul(most, ledger_packing._token_unit(before)) >= 2**112:
        errors._fail("custody: cap range")
    log IClearinghouse.CapsSet(
        token=token,
        old_hard=unsafe_div(before, packing.HARD_CAP_AT) & packing.MASK_64,
        old_soft=ledger_packing._soft_cap(before),
        hard=hard_cap,
        soft=soft_cap,
    )
    word: uint256 = ledger_packing._with_caps(before, hard_cap, soft_cap)
    self.token_words[token] = word
    self._push_soft_factor(word)


@internal
@view
def _require_decimals(token: address) -> uint256:
    decimals: uint256 = convert(staticcall IERC20Detailed(token).decimals(), uint256)
    if decimals < MIN_DECIMALS or decimals > MAX_DECIMALS:
        errors._fail("custody: decimals")
    return decimals


# ---- accounts ---------------------------------------------------------------------------------


@internal
def _take_in(account: uint256, token: address, amount: uint256, payer: address):
    """
    @notice The ledger's half of a deposit; the tokens are to be pulled after it.
    """
    listing: uint256 = self._require_listed(amount, token)
    # 112 bits each; the cap has 64, a unit below 2^60
    tracked: uint256 = unsafe_add(unsafe_div(listing, packing.TRACKED_AT), amount)
    most: uint256 = unsafe_div(listing, packing.HARD_CAP_AT) & packing.MASK_64
    full: bool = tracked > unsafe_mul(most, ledger_packing._token_unit(listing))
    if listing & packing.TOKEN_ID_MASK == 0:
        if full:
            full = self._exceeds_lack(account, amount)
        # where others have their soft cap; no divisor is 0
        if block.timestamp < unsafe_div(listing, packing.SOFT_CAP_AT) & packing.MASK_64:
            full = True
    if full:
        errors._fail("custody: hard cap")

    self._save_tracked(token, listing, tracked)
    self._credit(account, amount, listing, payer)

    log IClearinghouse.Deposited(account=account, token=token, payer=payer, amount=amount)


@internal
@view
def _exceeds_lack(account: uint256, amount: uint256) -> bool:
    """
    @notice Above its hard cap the settlement token still comes in where an account lacks it, as
            much as takes it to IM: nobody is to be liquidated because he may not cure. It is held
            to the cap of no account, and so to 112 bits only as far as the token has no more atoms.
    """
    health: IMarkets.Health = ledger._current(account)
    # Markets answers with less than 200 bits; amounts are below 2^112, the scale below 2^41
    lack: int256 = unsafe_sub(convert(health.im, int256), health.equity)
    return lack < convert(unsafe_mul(amount, settlement_scale), int256)


@internal
def _pay_out(to: address, account: uint256, amount: uint256, token: address):
    """
    @notice The ledger's half of a withdrawal, checked at once; the tokens are to be sent after it.
    """
    listing: uint256 = self._require_listed(amount, token)
    tracked: uint256 = self._tracked_after(account, amount, listing)

    self._save_tracked(token, listing, tracked)
    self._debit(account, amount, listing, True)

    log IClearinghouse.Withdrawn(account=account, token=token, to=to, amount=amount)


@internal
def _shift(move: IClearinghouse.Action, caller: address, alone: bool):
    """
    @notice Move tokens between two accounts.
    @param alone the sender is held to IM now, and not by the caller later
    """
    listing: uint256 = self._require_listed(move.amount, move.token)

    self._debit(move.account, move.amount, listing, alone)
    self._credit(move.other, move.amount, listing, caller)

    log IClearinghouse.Transferred(
        sender=move.account, receiver=move.other, token=move.token, amount=move.amount
    )


@internal
def _credit(account: uint256, amount: uint256, listing: uint256, payer: address):
    """
    @notice Credit a deposit or a transfer by `payer`, and end the auction that it cures.
    """
    word: uint256 = 0
    # amounts are below 2^112, the scale below 2^41
    if listing & packing.TOKEN_ID_MASK == 0:
        cash: uint256 = unsafe_mul(amount, settlement_scale)
        word = ledger._add(account, convert(cash, int256), 0)
    else:
        atoms: int256 = convert(amount, int256)
        if self._change_collateral(account, listing, atoms) == atoms:
            if unsafe_div(account, packing.OWNER_AT) != convert(payer, uint256):
                errors._fail("custody: not held")
        word = accounts.words[account]
    if word & packing.AUCTION_BIT != 0:
        ledger._cure(account, word, ledger._health(account, word))


@internal
def _debit(account: uint256, amount: uint256, listing: uint256, alone: bool):
    """
    @notice Take `amount` atoms out of an account and settle it.
    @param alone it is held to IM now, and not by the caller later; either way it then is in no
           auction, since IM >= LE
    """
    delta: int256 = 0
    # amounts are below 2^112, the scale below 2^41
    if listing & packing.TOKEN_ID_MASK == 0:
        delta = unsafe_sub(0, convert(unsafe_mul(amount, settlement_scale), int256))
    else:
        self._change_collateral(account, listing, unsafe_sub(0, convert(amount, int256)))
    outcome: ledger.Outcome = ledger._settle(account, delta, accounts.words[account])

    if delta != 0 and outcome.word >= ledger.NEGATIVE:
        errors._fail("custody: not enough cash")
    if alone:
        ledger._require_initial(outcome.equity, outcome.im, outcome.status)
    else:
        # an insolvent account's loss is not settled, and would stay out of its cash
        ledger._require_covered(outcome.equity, 0)
    if outcome.word & packing.AUCTION_BIT != 0:
        ledger._set_auction(account, False)


@internal
def _change_collateral(account: uint256, listing: uint256, delta: int256) -> int256:
    """
    @notice Add `delta` atoms of a collateral to an account.
    @return [atoms] the amount after
    """
    # no divisor is 0
    id: uint256 = unsafe_div(listing, packing.TOKEN_ID_AT) & packing.MASK_8
    held: int256 = accounts._change_amount(account, id, delta)
    # amounts are below 2^113
    unit: uint256 = ledger_packing._token_unit(listing)
    if held != 0 and unsafe_mul(held, DUST_SHARE) < convert(unit, int256):
        errors._fail("custody: dust")
    return held


# ---- tokens -----------------------------------------------------------------------------------


@internal
def _save_tracked(token: address, before: uint256, tracked: uint256):
    """
    @notice Change what is tracked; a collateral above its soft cap before or after it counts
            for less or more now.
    """
    word: uint256 = ledger_packing._with_tracked(before, tracked)
    self.token_words[token] = word
    if word & packing.TOKEN_ID_MASK != 0:
        # no divisor is 0
        most: uint256 = max(unsafe_div(before, packing.TRACKED_AT), tracked)
        if most > ledger_packing._soft_cap_atoms(word):
            self._push_soft_factor(word)


@internal
def _push_soft_factor(word: uint256):
    """
    @notice What counts for IM stays at the soft cap, however much is tracked.
    @custom:rounding the credit down, in favour of the protocol
    """
    # no divisor is 0
    id: uint256 = unsafe_div(word, packing.TOKEN_ID_AT) & packing.MASK_8
    if id == 0:
        return
    factor: uint256 = u.SOFT_ONE
    # tracked is above 0 where it is divided by; the cap has 124 bits
    tracked: uint256 = unsafe_div(word, packing.TRACKED_AT)
    soft_cap: uint256 = ledger_packing._soft_cap_atoms(word)
    if tracked > soft_cap:
        factor = unsafe_div(unsafe_mul(soft_cap, u.SOFT_ONE), tracked)
    # Markets is ours and calls nobody
    extcall ledger.MARKETS.set_soft_factor(id, factor)


@internal
@view
def _require_listed(amount: uint256, token: address) -> uint256:
    """
    @return the token's word
    """
    word: uint256 = self.token_words[token]
    if word == 0:
        errors._fail("custody: unlisted token")
    # 0 wraps around
    if unsafe_sub(amount, 1) >= 2**112 - 1:
        errors._fail("custody: amount")
    return word


@internal
@view
def _require_owner(account: uint256, caller: address):
    # no divisor is 0
    if unsafe_div(account, packing.OWNER_AT) != convert(caller, uint256):
        errors._fail("custody: not the owner")


@internal
@view
def _tracked_after(account: uint256, amount: uint256, listing: uint256) -> uint256:
    """
    @notice A token leaves only out of what is tracked, and the settlement token only out of
            what does not back insurance and fees.
    @return [atoms] what is tracked without `amount`
    """
    # no divisor is 0
    tracked: uint256 = unsafe_div(listing, packing.TRACKED_AT)
    backing: int256 = 0
    if listing & packing.TOKEN_ID_MASK == 0 and not ledger._is_protected(account):
        backing = ledger_packing._protected(ledger.books)
    # looked at where it is not more than tracked; 112 bits times a scale of 40
    left: uint256 = unsafe_sub(tracked, amount)
    if amount > tracked or convert(unsafe_mul(left, settlement_scale), int256) < backing:
        errors._fail("custody: not on hand")
    return left
