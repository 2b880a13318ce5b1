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



# the decoded word of a listed token
struct Token:
    tracked: uint256        # atoms the ledger owes
    hard_cap: uint256       # whole tokens
    soft_cap: uint256       # whole tokens
    id: uint256             # 0 for the settlement token
    decimals: uint256
    unit: uint256           # atoms of a whole token


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
    listing: Token = empty(Token)
    listing.decimals = decimals
    listing.unit = 10**decimals
    self._save_caps(token, listing, hard_cap, 0)


# ---- external ---------------------------------------------------------------------------------


@external
def deposit(account: uint256, token: address, amount: uint256):
    """
    @notice Pull `amount` atoms from the caller and credit exactly them. Reads no price, except
            to end an auction that the deposit cures.
    @param token the settlement token; a collateral only by the owner or where it is held already
    @custom:reverts "custody: hard cap", "custody: not held", "custody: inexact transfer", ...
    """
    listing: Token = self._require_listed(token, amount)
    tracked: uint256 = listing.tracked + amount
    if tracked > listing.hard_cap * listing.unit:
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
    @custom:reverts "custody: not the owner", "custody: not enough cash", "custody: margin", ...
    """
    self._require_owner(account)
    listing: Token = self._require_listed(token, amount)
    self._require_free(account, listing, amount)
    ledger._update(reports)

    self._save_tracked(token, listing, listing.tracked - amount)
    self._debit(account, listing, amount)

    log IClearinghouse.Withdrawn(account=account, token=token, to=to, amount=amount)
    tokens._push(token, to, amount)


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
    listing: Token = self._require_listed(token, amount)
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
    listing: Token = self._read(token)
    return IClearinghouse.TokenInfo(
        id=listing.id,
        decimals=listing.decimals,
        tracked=listing.tracked,
        hard_cap=listing.hard_cap,
        soft_cap=listing.soft_cap,
        listed=listing.decimals != 0,
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
    listing: Token = self._read(token)
    if listing.decimals != 0:
        errors._fail("custody: already listed")
    listing.decimals = self._require_decimals(token)
    listing.unit = 10**listing.decimals
    listing.id = self.collateral_count + 1
    if listing.id > MAX_COLLATERAL_ID:
        errors._fail("custody: too many tokens")

    self.collateral_count = listing.id
    self.token_at[listing.id] = token
    extcall ledger.MARKETS.set_collateral(
        listing.id, feed, listing.decimals, haircut_im, haircut_mm
    )
    log IClearinghouse.CollateralListed(token=token, id=listing.id, decimals=listing.decimals)
    self._save_caps(token, listing, hard_cap, soft_cap)


@internal
def _set_caps(token: address, hard_cap: uint256, soft_cap: uint256):
    """
    @notice Change what may be deposited and what counts in full [whole tokens].
    """
    self._save_caps(token, self._require_listed(token, 1), hard_cap, soft_cap)


@internal
def _save_caps(token: address, before: Token, hard_cap: uint256, soft_cap: uint256):
    listing: Token = before
    listing.hard_cap = hard_cap
    listing.soft_cap = soft_cap
    # atoms have 112 bits in the word; more than was let in under a cap is never tracked
    if max(hard_cap, soft_cap) * listing.unit >= 2**112:
        errors._fail("custody: cap range")
    log IClearinghouse.CapsSet(
        token=token,
        old_hard=before.hard_cap,
        old_soft=before.soft_cap,
        hard=hard_cap,
        soft=soft_cap,
    )
    self._save(token, listing)
    if listing.id != 0:
        self._push_soft_factor(listing)


@internal
@view
def _require_decimals(token: address) -> uint256:
    decimals: uint256 = convert(staticcall IERC20Detailed(token).decimals(), uint256)
    if decimals < MIN_DECIMALS or decimals > MAX_DECIMALS:
        errors._fail("custody: decimals")
    return decimals


# ---- accounts ---------------------------------------------------------------------------------


@internal
def _credit(account: uint256, listing: Token, amount: uint256):
    """
    @notice Credit a deposit or a transfer by the caller, and end the auction that it cures.
    """
    atoms: int256 = convert(amount, int256)
    if self._change(account, listing, atoms) == atoms and listing.id != 0:
        if packing._owner(account) != msg.sender:
            errors._fail("custody: not held")
    if accounts._has_flag(account, packing.IN_AUCTION):
        ledger._cure(account, ledger._health(account))


@internal
def _debit(account: uint256, listing: Token, amount: uint256):
    """
    @notice Take `amount` atoms out of an account and settle it; it must stay above IM.
    """
    left: int256 = self._change(account, listing, 0 - convert(amount, int256))
    moved: int256 = 0
    health: IMarkets.Health = empty(IMarkets.Health)
    moved, health = ledger._settle(account)

    ledger._require_initial(health)
    if listing.id == 0 and left < 0 - moved:
        errors._fail("custody: not enough cash")
    ledger._cure(account, health)


@internal
def _change(account: uint256, listing: Token, delta: int256) -> int256:
    """
    @notice Add `delta` atoms to an account.
    @return [atoms] the amount of a collateral after, [WAD] the cash
    """
    if listing.id == 0:
        return ledger._add(account, delta * convert(settlement_scale, int256), 0)
    held: int256 = accounts._change_amount(account, listing.id, delta)
    if held != 0 and held * DUST_SHARE < convert(listing.unit, int256):
        errors._fail("custody: dust")
    return held


# ---- tokens -----------------------------------------------------------------------------------


@internal
@view
def _read(token: address) -> Token:
    listing: Token = empty(Token)
    (
        listing.tracked,
        listing.hard_cap,
        listing.soft_cap,
        listing.id,
        listing.decimals,
    ) = packing._token_fields(self.token_words[token])
    listing.unit = 10**listing.decimals
    return listing


@internal
def _save(token: address, listing: Token):
    self.token_words[token] = packing._token_word(
        listing.tracked, listing.hard_cap, listing.soft_cap, listing.id, listing.decimals
    )


@internal
def _save_tracked(token: address, before: Token, tracked: uint256):
    """
    @notice Change what is tracked; a collateral above its soft cap before or after it counts
            for less or more now.
    """
    listing: Token = before
    listing.tracked = tracked
    self._save(token, listing)
    if listing.id != 0:
        soft_cap: uint256 = listing.soft_cap * listing.unit
        if max(before.tracked, tracked) > soft_cap:
            self._push_soft_factor(listing)


@internal
def _push_soft_factor(listing: Token):
    """
    @notice What counts for IM stays at the soft cap, however much is tracked.
    """
    factor: uint256 = u.SOFT_ONE
    soft_cap: uint256 = listing.soft_cap * listing.unit
    if listing.tracked > soft_cap:
        factor = soft_cap * u.SOFT_ONE // listing.tracked
    # Markets is ours and calls nobody
    extcall ledger.MARKETS.set_soft_factor(listing.id, factor)


@internal
@view
def _require_listed(token: address, amount: uint256) -> Token:
    listing: Token = self._read(token)
    if listing.decimals == 0:
        errors._fail("custody: unlisted token")
    if amount == 0 or amount >= 2**112:
        errors._fail("custody: amount")
    return listing


@internal
@view
def _require_owner(account: uint256):
    if packing._owner(account) != msg.sender:
        errors._fail("custody: not the owner")


@internal
@view
def _require_free(account: uint256, listing: Token, amount: uint256):
    """
    @notice A token leaves only out of what is tracked, and the settlement token only out of
            what does not back insurance and fees.
    """
    left: int256 = convert(listing.tracked, int256) - convert(amount, int256)
    backing: int256 = 0
    if listing.id == 0 and not ledger._is_protected(account):
        left *= convert(settlement_scale, int256)
        backing = ledger._read_books()[1]
    if left < backing:
        errors._fail("custody: not on hand")
