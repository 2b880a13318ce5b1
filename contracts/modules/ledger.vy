# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Ledger: cash and quote of all accounts, the pot between losers and winners, settlement
@license AGPL-3.0-only
@notice docs/spec/ledger.md. The only writer of pot, deficit and of the cash that withdrawals
        leave alone; every account word is saved through it.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from libs import errors
from libs import ledger_packing
from libs import margin_math
from libs import packing
from libs import units as u
from modules import accounts

uses: accounts

# a settler earns min(SETTLE_PAY, |U| / SETTLE_SHARE) for a loss above SETTLE_FROM (R13)
SETTLE_PAY: constant(int256) = u.IWAD
SETTLE_SHARE: constant(int256) = 10_000
SETTLE_FROM: constant(int256) = 1_000 * u.IWAD
MAX_LOSERS: constant(uint256) = 16

insurance_account: public(immutable(uint256))
fee_account: public(immutable(uint256))
MARKETS: immutable(IMarkets)

# pot and protected cash (insurance + fees) in one slot: a withdrawal reads both
books: uint256
deficit: public(uint256)


@deploy
def __init__(markets_: address, insurance_owner: address, fee_owner: address):
    MARKETS = IMarkets(markets_)
    insurance_account = packing._account_of(insurance_owner, 0)
    fee_account = packing._account_of(fee_owner, 0)


# ---- external ---------------------------------------------------------------------------------


@external
def settle(account: uint256) -> int256:
    """
    @notice Move the unsettled result of an account between quote and cash; anyone.
    @return [WAD] what moved to cash: U if U < 0 and E >= 0, at most the pot if U > 0, else 0
    @custom:source docs/spec/ledger.md
    """
    return self._settle(account)[0]


@external
def settle_pair(
    losers: DynArray[uint256, MAX_LOSERS], winner: uint256, settler: uint256 = 0
) -> int256:
    """
    @notice Settle the losers, then the winner whom they pay; anyone.
    @param settler account that earns a little per large loss collected, 0 for none; never out
           of an account of its own owner, nor where the loser's equity would fall below 0
    @return [WAD] what moved to the winner's cash
    """
    for loser: uint256 in losers:
        moved: int256 = 0
        health: IMarkets.Health = empty(IMarkets.Health)
        moved, health = self._settle(loser)
        if settler != 0 and loser // packing.OWNER_AT != settler // packing.OWNER_AT:
            # int96 fields and products of int64 ones: nothing here is near min_value
            self._pay_settler(loser, settler, unsafe_sub(0, moved), health.equity)
    return self._settle(winner)[0]


# ---- external views ---------------------------------------------------------------------------


@external
@view
def health(account: uint256) -> IMarkets.Health:
    """
    @notice Equity and requirements of an account at the stored prices.
    """
    return self._health(account)


@external
@view
def markets() -> address:
    return MARKETS.address


@external
@view
def pot() -> uint256:
    """
    @return [WAD] losses collected and not yet paid out to winners
    """
    return convert(self._read_books()[0], uint256)


# ---- settlement -------------------------------------------------------------------------------


@internal
def _settle(account: uint256) -> (int256, IMarkets.Health):
    """
    @notice Book a loss into the pot while E >= 0, or a gain out of it as far as it goes. Value
            only moves between quote and cash, so one check answers for before and after. An
            account without legs, and without debt after it, reads no price.
    @return [WAD] what moved to cash; health, with E = cash + quote and no requirement where no
            price was read
    """
    word: uint256 = accounts.words[account]
    health: IMarkets.Health = empty(IMarkets.Health)
    moved: int256 = packing._quote(word)
    has_legs: bool = word & packing.LEGS_MASK != 0
    if has_legs:
        health = self._health(account)
        moved = health.unsettled
    else:
        health.equity = packing._cash(word) + moved
    if moved > 0:
        moved = min(moved, self._read_books()[0])
    # sums of int96 fields and products of int64 ones: nothing here is near min_value
    back: int256 = unsafe_sub(0, moved)
    if self._add(account, moved, back) < 0 and not has_legs:
        health = self._health(account)

    if max(moved, health.equity) < 0:
        self._add(account, back, moved)
        return 0, health
    if moved != 0:
        pot: int256 = self._change_books(back, 0)
        log IClearinghouse.Settled(account=account, amount=moved, pot=convert(pot, uint256))
    return moved, health


@internal
def _pay_settler(loser: uint256, settler: uint256, loss: int256, equity: int256):
    """
    @param equity [WAD] of the loser, or its cash + quote where no price was read
    """
    if loss <= SETTLE_FROM:
        return
    pay: int256 = min(SETTLE_PAY, loss // SETTLE_SHARE)
    if equity < pay and self._health(loser).equity < pay:
        return
    # pay is at most SETTLE_PAY
    self._add(loser, unsafe_sub(0, pay), 0)
    self._add(settler, pay, 0)
    log IClearinghouse.SettlerPaid(account=loser, settler=settler, amount=convert(pay, uint256))


@internal
@view
def _read_books() -> (int256, int256):
    """
    @return [WAD] pot, protected cash
    """
    return ledger_packing._books_fields(self.books)


@internal
def _change_books(pot: int256, protected: int256) -> int256:
    """
    @notice Add to both [WAD].
    @return the pot after
    """
    pot_before: int256 = 0
    protected_before: int256 = 0
    pot_before, protected_before = self._read_books()
    # what cannot be negated fails in the sum below
    if pot_before < unsafe_sub(0, pot):
        errors._fail("ledger: pot")
    self.books = ledger_packing._books(pot_before + pot, protected_before + protected)
    return pot_before + pot


@internal
def _book_deficit(amount: int256) -> uint256:
    """
    @return the same amount
    """
    booked: uint256 = convert(amount, uint256)
    self.deficit += booked
    return booked


# ---- accounts ---------------------------------------------------------------------------------


@internal
@view
def _health(account: uint256) -> IMarkets.Health:
    return self._check(accounts._words(account))


@internal
@view
def _check(words: accounts.Words) -> IMarkets.Health:
    return staticcall MARKETS.check(words.word, words.legs, words.amounts)


@internal
def _add(account: uint256, cash: int256, quote: int256) -> int256:
    """
    @notice Add to an account [WAD], and keep the sum of protected cash exact.
    @return its cash after
    """
    word: uint256 = accounts.words[account]
    new_cash: int256 = packing._cash(word) + cash
    new_quote: int256 = packing._quote(word) + quote
    if not ledger_packing._fits(new_cash, new_quote):
        errors._fail("ledger: cash range")
    if cash != 0 and self._is_protected(account):
        self._change_books(0, cash)
    if cash != 0 or quote != 0:
        accounts._save(account, packing._account_word(new_cash, new_quote, word & packing.MASK_64))
    return new_cash


@internal
@view
def _is_protected(account: uint256) -> bool:
    return account == insurance_account or account == fee_account


@internal
def _set_auction(account: uint256, active: bool):
    if accounts._set_flag(account, packing.AUCTION_BIT, active):
        log IClearinghouse.AuctionSet(account=account, active=active)


@internal
def _cure(account: uint256, health: IMarkets.Health):
    """
    @notice End the auction of an account with E >= LE.
    """
    if self._covers(health.equity, health.le):
        self._set_auction(account, False)


@internal
@pure
def _covers(equity: int256, required: uint256) -> bool:
    return equity >= convert(required, int256)


@internal
@pure
def _ratio_held(before: IMarkets.Health, after: IMarkets.Health) -> bool:
    """
    @return whether E / MM did not fall, without a division
    """
    held: int256 = after.equity * convert(before.mm, int256)
    return held >= before.equity * convert(after.mm, int256)


@internal
@pure
def _require_covered(equity: int256, required: uint256):
    if not self._covers(equity, required):
        errors._fail("ledger: margin")


@internal
@pure
def _require_initial(health: IMarkets.Health):
    """
    @notice E >= IM, and the price of every held leg good enough to say so.
    """
    if health.status & margin_math.LEG_INVALID != 0:
        errors._fail("ledger: invalid feed")
    self._require_covered(health.equity, health.im)


@internal
def _record(instrument: uint256, change: int256, tilt: int256):
    """
    @notice Book open interest and tilt with the markets where they change.
    @param tilt max_value(int256) leaves it
    """
    if change != 0 or tilt != max_value(int256):
        # Markets is ours and calls nobody; it holds open interest to its cap
        extcall MARKETS.record_trade(instrument // packing.MARKET_AT, change, tilt)


@internal
def _update(reports: Bytes[2048]):
    """
    @notice A price update may lead any single action.
    """
    if len(reports) != 0:
        extcall MARKETS.update(reports)
