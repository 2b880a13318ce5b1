# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Custody: listed tokens, what is tracked of each, deposits, withdrawals and transfers
@license AGPL-3.0-only
@notice docs/spec/ledger.md. The only writer of token words. Tokens move last: the ledger is
        complete before a token is called, and a transfer that is not exact reverts it all.
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
    listing: uint256 = self._require_listed(token, amount)
    tracked: uint256 = listing // packing.TRACKED_AT + amount
    if tracked > ledger_packing._hard_cap(listing) * ledger_packing._token_unit(listing):
        errors._fail("custody: hard cap")

    self._save_tracked(token, listing, tracked)
    self._credit(account, listing, amount)

    log IClearinghouse.Deposited(account=account, token=token, payer=msg.sender, amount=amount)
    tokens._pull(token, msg.sender, amount)


@external
def withdraw(
    account: uint256, token: address, amount: uint256, to: address, reports: Bytes[2048] = b""
):
    """
    @notice Settle the caller's account, take `amount` atoms out of it and send them to `to`.
    @param reports a price update to begin with (docs/spec/oracle.md#blob), or nothing
    @custom:reverts "custody: not the owner", "custody: not enough cash", "ledger: margin", ...
    """
    self._require_owner(account)
    ledger._update(reports)
    self._withdraw(account, token, amount, to)


@external
def transfer(
    sender: uint256,
    receiver: uint256,
    token: address,
    amount: uint256,
    reports: Bytes[2048] = b"",
):
    """
    @notice Move `amount` atoms from the caller's account to another account, inside the ledger.
    @custom:reverts as withdraw for the sender, as a deposit by the caller for the receiver
    """
    self._require_owner(sender)
    listing: uint256 = self._require_listed(token, amount)
    ledger._update(reports)

    self._debit(sender, listing, amount)
    self._credit(receiver, listing, amount)

    log IClearinghouse.Transferred(
        sender=sender, receiver=receiver, token=token, amount=amount
    )


# ---- external views ---------------------------------------------------------------------------


@external
@view
def token_info(token: address) -> IClearinghouse.TokenInfo:
    """
    @return what is listed for a token, all zero when nothing is
    """
    listing: uint256 = self.token_words[token]
    return IClearinghouse.TokenInfo(
        id=listing // packing.TOKEN_ID_AT & packing.MASK_8,
        decimals=ledger_packing._token_decimals(listing),
        tracked=listing // packing.TRACKED_AT,
        hard_cap=ledger_packing._hard_cap(listing),
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
    id: uint256 = self.collateral_count + 1
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
    # caps have 64 bits; tracked 112, and it never exceeds the cap under which it was let in
    most: uint256 = max(hard_cap, soft_cap)
    if most > packing.MASK_64 or most * ledger_packing._token_unit(before) >= 2**112:
        errors._fail("custody: cap range")
    log IClearinghouse.CapsSet(
        token=token,
        old_hard=ledger_packing._hard_cap(before),
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
def _withdraw(account: uint256, token: address, amount: uint256, to: address):
    """
    @notice The rest of withdraw, in a frame without the reports, since memory costs gas.
    """
    listing: uint256 = self._require_listed(token, amount)
    tracked: uint256 = self._tracked_after(account, listing, amount)

    self._save_tracked(token, listing, tracked)
    self._debit(account, listing, amount)

    log IClearinghouse.Withdrawn(account=account, token=token, to=to, amount=amount)
    tokens._push(token, to, amount)


@internal
def _credit(account: uint256, listing: uint256, amount: uint256):
    """
    @notice Credit a deposit or a transfer by the caller, and end the auction that it cures.
    """
    atoms: int256 = convert(amount, int256)
    if self._change(account, listing, atoms) == atoms and listing & packing.TOKEN_ID_MASK != 0:
        if account // packing.OWNER_AT != convert(msg.sender, uint256):
            errors._fail("custody: not held")
    if accounts._has(account, packing.AUCTION_BIT):
        ledger._cure(account, ledger._health(account))


@internal
def _debit(account: uint256, listing: uint256, amount: uint256):
    """
    @notice Take `amount` atoms out of an account and settle it; it must stay above IM.
    """
    # amounts are below 2^112
    left: int256 = self._change(account, listing, unsafe_sub(0, convert(amount, int256)))
    moved: int256 = 0
    health: IMarkets.Health = empty(IMarkets.Health)
    moved, health = ledger._settle(account)

    if listing & packing.TOKEN_ID_MASK == 0 and left + moved < 0:
        errors._fail("custody: not enough cash")
    ledger._require_initial(health)
    # IM >= LE
    ledger._set_auction(account, False)


@internal
def _change(account: uint256, listing: uint256, delta: int256) -> int256:
    """
    @notice Add `delta` atoms to an account.
    @return [atoms] the amount of a collateral after, [WAD] the cash
    """
    id: uint256 = listing // packing.TOKEN_ID_AT & packing.MASK_8
    if id == 0:
        return ledger._add(account, delta * convert(settlement_scale, int256), 0)
    held: int256 = accounts._change_amount(account, id, delta)
    if held != 0 and held * DUST_SHARE < convert(ledger_packing._token_unit(listing), int256):
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
        soft_cap: uint256 = ledger_packing._soft_cap(word) * ledger_packing._token_unit(word)
        if max(before // packing.TRACKED_AT, tracked) > soft_cap:
            self._push_soft_factor(word)


@internal
def _push_soft_factor(word: uint256):
    """
    @notice What counts for IM stays at the soft cap, however much is tracked.
    """
    id: uint256 = word // packing.TOKEN_ID_AT & packing.MASK_8
    if id == 0:
        return
    factor: uint256 = u.SOFT_ONE
    tracked: uint256 = word // packing.TRACKED_AT
    soft_cap: uint256 = ledger_packing._soft_cap(word) * ledger_packing._token_unit(word)
    if tracked > soft_cap:
        factor = soft_cap * u.SOFT_ONE // tracked
    # Markets is ours and calls nobody
    extcall ledger.MARKETS.set_soft_factor(id, factor)


@internal
@view
def _require_listed(token: address, amount: uint256) -> uint256:
    """
    @return the token's word
    """
    word: uint256 = self.token_words[token]
    if word == 0:
        errors._fail("custody: unlisted token")
    if amount == 0 or amount >= 2**112:
        errors._fail("custody: amount")
    return word


@internal
@view
def _require_owner(account: uint256):
    if account // packing.OWNER_AT != convert(msg.sender, uint256):
        errors._fail("custody: not the owner")


@internal
@view
def _tracked_after(account: uint256, listing: uint256, amount: uint256) -> uint256:
    """
    @notice A token leaves only out of what is tracked, and the settlement token only out of
            what does not back insurance and fees.
    @return [atoms] what is tracked without `amount`
    """
    left: int256 = convert(listing // packing.TRACKED_AT, int256) - convert(amount, int256)
    backing: int256 = 0
    if listing & packing.TOKEN_ID_MASK == 0 and not ledger._is_protected(account):
        backing = ledger._read_books()[1]
    if left * convert(settlement_scale, int256) < backing:
        errors._fail("custody: not on hand")
    return convert(left, uint256)
