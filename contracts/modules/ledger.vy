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
from interfaces import IOptions
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
# what the engine may use to answer: more than twice its dearest answer (a test)
ENGINE_GAS: constant(uint256) = 5_000_000
# a word from here on has negative cash, an amount is negative
NEGATIVE: constant(uint256) = 2**255

insurance_account: public(immutable(uint256))
fee_account: public(immutable(uint256))
MARKETS: immutable(IMarkets)
# answers for accounts with the flag OPTIONS
ENGINE: immutable(IOptions)

# what a settlement left behind
struct Outcome:
    word: uint256       # the account's
    moved: int256       # from quote to cash, WAD
    equity: int256      # cash + quote where no price was read
    im: uint256         # nothing there
    status: uint256


# pot and protected cash (insurance + fees) in one slot: a withdrawal reads both
books: uint256
deficit: public(uint256)


@deploy
def __init__(markets_: address, insurance_owner: address, fee_owner: address, engine_: address):
    MARKETS = IMarkets(markets_)
    ENGINE = IOptions(engine_)
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
    return self._settle(account, 0, accounts.words[account]).moved


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
        outcome: Outcome = self._settle(loser, 0, accounts.words[loser])
        # no divisor is 0
        owner: uint256 = unsafe_div(loser, packing.OWNER_AT)
        if settler != 0 and owner != unsafe_div(settler, packing.OWNER_AT):
            # int96 fields and products of int64 ones: nothing here is near min_value
            self._pay_settler(loser, settler, unsafe_sub(0, outcome.moved), outcome.equity)
    return self._settle(winner, 0, accounts.words[winner]).moved


# ---- external views ---------------------------------------------------------------------------


@external
@view
def health(account: uint256) -> IMarkets.Health:
    """
    @notice Equity and requirements of an account at the stored prices.
    """
    return self._current(account)


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
    return convert(ledger_packing._pot(self.books), uint256)


# ---- settlement -------------------------------------------------------------------------------


@internal
def _settle(account: uint256, delta: int256, word: uint256) -> Outcome:
    """
    @notice Add `delta` to the cash of an account and settle it: book a loss into the pot while
            E >= 0, or a gain out of it as far as it goes. Value only moves between quote and cash,
            so one check answers for before and after. An account without legs, and without debt
            after it, reads no price.
    @param word the account's, as stored
    """
    # int96 fields, amounts of tokens, products of int64: nothing here is near min_value
    cash: int256 = unsafe_add(packing._cash(word), delta)
    quote: int256 = packing._quote(word)
    after: uint256 = self._with_money(word, cash, quote)
    health: IMarkets.Health = empty(IMarkets.Health)
    health.equity = unsafe_add(cash, quote)
    moved: int256 = quote
    if word & packing.BOOK_MASK != 0:
        health = self._health(account, after)
        moved = health.unsettled
    if moved > 0:
        moved = min(moved, ledger_packing._pot(self.books))
    cash = unsafe_add(cash, moved)
    if cash < 0 and word & packing.BOOK_MASK == 0:
        health = self._health(account, after)
    # both are negative
    if moved & health.equity < 0:
        moved = 0
    if moved != 0:
        after = self._with_money(word, cash, unsafe_sub(quote, moved))

    # as above
    pot: int256 = self._move_cash(account, unsafe_add(delta, moved), unsafe_sub(0, moved))
    if after != word:
        accounts._save(account, after)
    if moved != 0:
        log IClearinghouse.Settled(account=account, amount=moved, pot=convert(pot, uint256))
    return Outcome(
        word=after, moved=moved, equity=health.equity, im=health.im, status=health.status
    )


@internal
def _pay_settler(loser: uint256, settler: uint256, loss: int256, equity: int256):
    """
    @param equity [WAD] of the loser, or its cash + quote where no price was read
    @custom:rounding pay down, in favour of the loser
    """
    if loss <= SETTLE_FROM:
        return
    # a positive loss, no divisor is 0
    pay: int256 = min(SETTLE_PAY, unsafe_div(loss, SETTLE_SHARE))
    if equity < pay and self._current(loser).equity < pay:
        return
    # pay is at most SETTLE_PAY
    self._add(loser, unsafe_sub(0, pay), 0)
    self._add(settler, pay, 0)
    log IClearinghouse.SettlerPaid(account=loser, settler=settler, amount=convert(pay, uint256))


@internal
def _move_cash(account: uint256, cash: int256, pot: int256) -> int256:
    """
    @notice Keep the books of a change of an account's cash and of the pot [WAD].
    @return the pot after, 0 where nothing changed
    """
    protected: int256 = 0
    if cash != 0 and self._is_protected(account):
        protected = cash
    if pot | protected == 0:
        return 0
    return self._change_books(pot, protected)


@internal
def _change_books(pot: int256, protected: int256) -> int256:
    """
    @notice Add to both [WAD].
    @return the pot after
    """
    books: uint256 = self.books
    # changes are differences of int96 fields
    pot_after: int256 = unsafe_add(ledger_packing._pot(books), pot)
    if pot_after < 0:
        errors._fail("ledger: pot")
    protected_after: int256 = unsafe_add(ledger_packing._protected(books), protected)
    self.books = ledger_packing._books(pot_after, protected_after)
    return pot_after


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
def _health(account: uint256, word: uint256) -> IMarkets.Health:
    """
    @notice Health of an account with its word passed in, as stored or as it will be.
    """
    return self._check(account, accounts._load(account, word))


@internal
@view
def _current(account: uint256) -> IMarkets.Health:
    return self._health(account, accounts.words[account])


@internal
@view
def _check(account: uint256, words: accounts.Words) -> IMarkets.Health:
    if words.word & packing.OPTIONS_BIT != 0:
        return staticcall ENGINE.check(
            account, words.word, words.legs, words.amounts, gas=ENGINE_GAS
        )
    return staticcall MARKETS.check(words.word, words.legs, words.amounts)


@internal
def _add(account: uint256, cash: int256, quote: int256) -> uint256:
    """
    @notice Add to an account [WAD], and keep the sum of protected cash exact.
    @return its word after
    """
    word: uint256 = accounts.words[account]
    # what wraps around lies far out of the range of int96
    after: uint256 = self._with_money(
        word, unsafe_add(packing._cash(word), cash), unsafe_add(packing._quote(word), quote)
    )
    if cash != 0:
        self._move_cash(account, cash, 0)
    if after != word:
        accounts._save(account, after)
    return after


@internal
def _exchange(
    account: uint256, counterparty: uint256, cash: int256, taken: int256, quote: int256, fee: int256
):
    """
    @notice Move cash and quote [WAD] from an account to another, and its fee to the fee account,
            which is not read where there is none.
    @param taken what leaves the quote of `account`: `quote`, `fee` and what goes elsewhere
    """
    # what wraps around lies far out of the range of a field
    self._add(account, unsafe_sub(0, cash), unsafe_sub(0, taken))
    self._add(counterparty, cash, quote)
    if fee != 0:
        self._add(fee_account, 0, fee)


@internal
@pure
def _with_money(word: uint256, cash: int256, quote: int256) -> uint256:
    """
    @return the word with other cash and quote [WAD], held to the range of their fields
    """
    # both are int96 when neither has a bit above 96, shifted up by 2^95; what wraps around has
    shifted: int256 = unsafe_add(cash, 2**95) | unsafe_add(quote, 2**95)
    if convert(convert(shifted, bytes32), uint256) > packing.MASK_96:
        errors._fail("ledger: cash range")
    # two's complement: what stands above 96 bits of the cash falls off
    upper: uint256 = unsafe_mul(convert(convert(cash, bytes32), uint256), packing.CASH_AT)
    lower: uint256 = convert(convert(quote, bytes32), uint256) & packing.MASK_96
    lower = unsafe_mul(lower, packing.ACCOUNT_QUOTE_AT)
    return upper | lower | (word & packing.MASK_64)


@internal
@view
def _is_protected(account: uint256) -> bool:
    return account == insurance_account or account == fee_account


@internal
def _set_auction(account: uint256, active: bool):
    if accounts._set_flag(account, packing.AUCTION_BIT, active):
        log IClearinghouse.AuctionSet(account=account, active=active)


@internal
def _cure(account: uint256, word: uint256, health: IMarkets.Health):
    """
    @notice End the auction that an account is in, where E >= MM: its clock must not run while
            nobody may take it, and a flag within the hour goes on with it.
    """
    if word & packing.AUCTION_BIT != 0 and self._covers(health.equity, health.mm):
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
    if equity < convert(required, int256):
        errors._fail("ledger: margin")


@internal
@pure
def _require_initial(equity: int256, im: uint256, status: uint256):
    """
    @notice E >= IM, and the price of every held leg good enough to say so.
    """
    if status & margin_math.LEG_INVALID != 0:
        errors._fail("ledger: invalid feed")
    self._require_covered(equity, im)


@internal
def _record(instrument: uint256, change: int256, tilt: int256):
    """
    @notice Book open interest and tilt with the markets where they change.
    @param tilt max_value(int256) leaves it
    """
    if change != 0 or tilt != max_value(int256):
        # no divisor is 0; Markets is ours and calls nobody; it holds open interest to its cap
        extcall MARKETS.record_trade(unsafe_div(instrument, packing.MARKET_AT), change, tilt)
