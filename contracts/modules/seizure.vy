# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Seizure: moves between two accounts, forced or agreed, planned by a hand, verified here
@license AGPL-3.0-only
@notice docs/spec/ledger.md (post, write_off). Owns no state. Minimum sizes do not bind here: a
        remnant below them must not stop a liquidation, and Operators holds agreed moves to them.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from libs import errors
from libs import margin_math
from libs import packing
from libs import units as u
from modules import accounts
from modules import ledger

uses: accounts
uses: ledger


# ---- post -------------------------------------------------------------------------------------


@internal
def _post(p: IClearinghouse.Post, auction: bool, forced: bool) -> IClearinghouse.Posted:
    """
    @notice Move what a plan says; where it is forced, require that it was due and made the account
            healthier, where it is agreed, that both stand above IM.
            Positions are taken from the last one down: closing one moves none still to come.
    """
    if p.account == p.counterparty or p.account == p.keeper:
        errors._fail("seizure: parties")
    before: IMarkets.Health = empty(IMarkets.Health)
    if forced:
        before = ledger._current(p.account)
        self._require_open(before)
    elif p.fee | p.liquidation_fee | p.pay | p.insurance != 0:
        errors._fail("seizure: parties")

    position: uint256 = p.legs
    for k: uint256 in range(p.legs, bound=u.MAX_LEGS):
        position -= 1
        self._move_leg(p.account, p.counterparty, position, p.sizes[position], p.tilt)
    position = p.collaterals
    for k: uint256 in range(p.collaterals, bound=u.MAX_COLLATERALS):
        position -= 1
        self._move_amount(p.account, p.counterparty, position, p.amounts[position])
    self._move_money(p)
    ledger._set_auction(p.account, auction and forced)
    if p.part != 0:
        # the engine is ours: it moves its legs, and asks nobody
        books: uint256 = extcall ledger.ENGINE.carry(p.account, p.counterparty, p.part)
        self._set_books(p.account, p.counterparty, books)

    word: uint256 = accounts.words[p.account]
    after: IMarkets.Health = ledger._health(p.account, word)
    other_word: uint256 = accounts.words[p.counterparty]
    other: IMarkets.Health = ledger._health(p.counterparty, other_word)
    if forced:
        self._require_better(word, before, after)
        self._require_counterparty(other_word, other)
    else:
        ledger._require_initial(after.equity, after.im, after.status)
        ledger._require_initial(other.equity, other.im, other.status)
        # IM >= LE
        ledger._set_auction(p.counterparty, False)

    log IClearinghouse.Posting(
        account=p.account,
        counterparty=p.counterparty,
        keeper=p.keeper,
        cash=p.cash,
        quote=p.quote,
        fee=p.fee,
        liquidation_fee=p.liquidation_fee,
        pay=p.pay,
        insurance=p.insurance,
    )
    return IClearinghouse.Posted(after=after, other=other)


@internal
def _move_leg(
    account: uint256, counterparty: uint256, position: uint256, moved: int256, tilt: int256
):
    """
    @notice Move lots of the leg at a position toward zero; open interest never grows by it.
    """
    if moved == 0:
        return
    instrument: uint256 = 0
    size: int256 = 0
    instrument, size = accounts._leg(account, position)
    # where nothing is held the size is 0, which nothing reduces; what wraps is not on the way
    size_after: int256 = unsafe_sub(size, moved)
    if not accounts._reduces(size, size_after):
        errors._fail("seizure: size")
    self._pass_leg(account, counterparty, instrument, position, size, moved, tilt)


@internal
def _pass_leg(
    account: uint256,
    counterparty: uint256,
    instrument: uint256,
    position: uint256,
    size: int256,
    moved: int256,
    tilt: int256,
):
    """
    @notice Move lots of a leg, found at a position, from an account to another.
    """
    # what wraps around lies far out of the range of a size
    taken: int256 = unsafe_sub(0, moved)
    change: int256 = accounts._change_leg(account, instrument, position, size, taken)
    # after that, so that an account may even give to itself
    other_position: uint256 = 0
    other: int256 = 0
    other_position, other = accounts._find_leg(counterparty, instrument)
    change = unsafe_add(
        change, accounts._change_leg(counterparty, instrument, other_position, other, moved)
    )
    log IClearinghouse.LegMoved(
        account=account,
        counterparty=counterparty,
        instrument=instrument,
        size=moved,
        account_size=unsafe_sub(size, moved),
        counterparty_size=unsafe_add(other, moved),
    )
    ledger._record(instrument, change, tilt)


@internal
def _set_books(account: uint256, counterparty: uint256, books: uint256):
    """
    @notice Note for whom of the two the engine answers from now on.
    """
    accounts._set_flag(account, packing.OPTIONS_BIT, books & 1 != 0)
    accounts._set_flag(counterparty, packing.OPTIONS_BIT, books & 2 != 0)


@internal
def _move_amount(account: uint256, counterparty: uint256, position: uint256, moved: uint256):
    """
    @notice Move atoms of the collateral at a position.
    """
    if moved == 0:
        return
    atoms: int256 = convert(moved, int256)
    # where nothing is held the id is 0, of which no account has any
    collateral: uint256 = packing._collateral_id(accounts.words[account], position)
    # convert has bounded the amount
    accounts._change_amount(account, collateral, unsafe_sub(0, atoms))
    accounts._change_amount(counterparty, collateral, atoms)
    log IClearinghouse.CollateralMoved(
        account=account, counterparty=counterparty, collateral=collateral, amount=moved
    )


@internal
def _move_money(p: IClearinghouse.Post):
    """
    @notice Move cash and quote between the two, then fees, pay and the fund's payment, where
            there are any: an account that gets nothing is not read.
    """
    insurance: int256 = convert(p.insurance, int256)
    fee: int256 = convert(p.fee, int256)
    liquidation_fee: int256 = convert(p.liquidation_fee, int256)
    pay: int256 = convert(p.pay, int256)
    # each of the four is held to the range of a field of its own below
    given: int256 = unsafe_add(unsafe_add(p.quote, fee), unsafe_add(liquidation_fee, pay))
    ledger._exchange(p.account, p.counterparty, p.cash, given, p.quote, fee)
    if insurance != 0:
        ledger._add(p.counterparty, insurance, 0)
    if pay != 0:
        ledger._add(p.keeper, 0, pay)
    if p.insurance + p.liquidation_fee != 0:
        self._draw(insurance, liquidation_fee)


@internal
def _draw(paid: int256, earned: int256):
    """
    @notice Take cash out of insurance, which never goes below 0, and credit its fee.
    """
    # convert has bounded what is paid
    if ledger._add(ledger.insurance_account, unsafe_sub(0, paid), earned) >= ledger.NEGATIVE:
        errors._fail("seizure: insurance")


# ---- deal -------------------------------------------------------------------------------------


@internal
def _deal(d: IClearinghouse.Deal):
    """
    @notice Move what two accounts agreed; a premium is paid out of cash that is there.
    """
    if d.size != 0:
        position: uint256 = 0
        size: int256 = 0
        position, size = accounts._find_leg(d.account, d.instrument)
        # what wraps around lies far out of the range of a size
        moved: int256 = unsafe_sub(0, d.size)
        self._pass_leg(
            d.account, d.counterparty, d.instrument, position, size, moved, max_value(int256)
        )
    fee: int256 = convert(d.fee, int256)
    # as above, of the fields of an account
    taken: int256 = unsafe_add(d.quote, fee)
    ledger._exchange(d.account, d.counterparty, d.cash, taken, d.quote, fee)
    payer: uint256 = d.account
    if d.cash < 0:
        payer = d.counterparty
    if d.cash != 0 and accounts.words[payer] >= ledger.NEGATIVE:
        errors._fail("custody: not enough cash")
    self._set_books(d.account, d.counterparty, d.books)


# ---- write off --------------------------------------------------------------------------------


@internal
def _write_off(account: uint256, covered: uint256) -> uint256:
    """
    @notice Bring an account that has nothing left from E < 0 to 0: the fund pays `covered`, the
            rest is booked as the deficit of all. Then it settles: what the pot cannot pay of a
            gain stays with it, a claim on the pot against a debt in cash of the same size.
    @return [WAD] the deficit booked
    """
    word: uint256 = accounts.words[account]
    paid: int256 = convert(covered, int256)
    # int96 fields of a word
    debt: int256 = unsafe_sub(0, unsafe_add(packing._cash(word), packing._quote(word)))
    if word & packing.HOLDINGS_MASK != 0 or debt < max(paid, 1):
        errors._fail("seizure: no such debt")

    # int96 fields of a word, and not more than the debt
    booked: uint256 = ledger._book_deficit(unsafe_sub(debt, paid))
    ledger._add(account, debt, 0)
    ledger._set_auction(account, False)
    self._draw(paid, 0)

    log IClearinghouse.WrittenOff(account=account, covered=covered, deficit=booked)
    ledger._settle(account, 0, accounts.words[account])
    return booked


# ---- require ----------------------------------------------------------------------------------


@internal
@pure
def _require_open(health: IMarkets.Health):
    """
    @notice Below MM, at a price that may be used for a liquidation.
    """
    if ledger._covers(health.equity, health.mm):
        errors._fail("seizure: not below mm")
    barred: uint256 = margin_math.PENDING | margin_math.GRACE
    needed: uint256 = margin_math.FRESH | margin_math.ALL_DEAD
    if health.status & barred != 0 or health.status & needed == 0:
        errors._fail("seizure: closed")


@internal
@pure
def _require_better(word: uint256, before: IMarkets.Health, after: IMarkets.Health):
    """
    @notice E / MM did not fall, unless nothing is left; and no solvent account ends insolvent,
            no insolvent one deeper.
    @param word the account's, after
    """
    if word & packing.HOLDINGS_MASK != 0 and not ledger._ratio_held(before, after):
        errors._fail("seizure: health fell")
    if after.equity < min(before.equity, 0):
        errors._fail("seizure: made insolvent")


@internal
@pure
def _require_counterparty(word: uint256, health: IMarkets.Health):
    """
    @notice A buyer ends above IM; a pool above MM, and the hand asks it for its own limits.
    """
    required: uint256 = health.im
    if word & packing.HOUSE_BIT != 0:
        required = health.mm
    ledger._require_covered(health.equity, required)
