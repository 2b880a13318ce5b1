# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Moves: legs and collateral that change accounts by agreement
@license AGPL-3.0-only
@notice docs/spec/operators.md. Owns no state. Plans a move and asks the Clearinghouse for it, which
        requires that both sides stand above IM after it; who agreed is asked before.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from interfaces import IOperators
from libs import account_words
from libs import errors
from libs import market_packing
from libs import packing
from libs import units as u

# smallest leg that a move may leave on either side, as after a reducing fill (R13)
DUST: constant(uint256) = 10 * u.WAD
# smallest amount of a collateral: 1 / DUST_SHARE of a token, as in custody
DUST_SHARE: constant(uint256) = 10_000
# oldest price at which a leg moves, as for opening [s] (R13)
AGE_OPEN: constant(uint256) = 15
DOUBTS: constant(uint256) = packing.PENDING_BIT | packing.UNTRUSTED_BIT

CLEARINGHOUSE: immutable(IClearinghouse)
MARKETS: immutable(IMarkets)


@deploy
def __init__(clearinghouse: address):
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    MARKETS = IMarkets(staticcall CLEARINGHOUSE.markets())


# ---- moves --------------------------------------------------------------------------------------


@internal
def _all(sender: uint256, receiver: uint256):
    """
    @notice Move everything that an account has. Cash and quote go as they stand, so that no result
            is settled and no price is needed but for the receiver's margin.
    """
    books: account_words.Books = self._books(sender)
    post: IClearinghouse.Post = self._plan(books, sender, receiver)
    post.cash = packing._cash(books.word)
    post.quote = packing._quote(books.word)
    post.legs = packing._leg_count(books.word)
    post.collaterals = packing._collateral_count(books.word)
    for i: uint256 in range(post.legs, bound=u.MAX_LEGS):
        post.sizes[i] = packing._leg_size(packing._half(books.legs[i // 2], i))
    for i: uint256 in range(post.collaterals, bound=u.MAX_COLLATERALS):
        post.amounts[i] = packing._half(books.amounts[i // 2], i)
    self._require_legs(books, self._ask(post), post)


@internal
def _some(
    sender: uint256,
    receiver: uint256,
    legs: DynArray[IOperators.Leg, u.MAX_LEGS],
    amounts: DynArray[IOperators.Amount, u.MAX_COLLATERALS],
):
    """
    @notice Move legs at the mark and collateral. A leg taken off at the mark leaves its result
            behind, in the sender's quote, and neither side gains.
    """
    books: account_words.Books = self._books(sender)
    post: IClearinghouse.Post = self._plan(books, sender, receiver)
    post.legs = packing._leg_count(books.word)
    post.collaterals = packing._collateral_count(books.word)
    for leg: IOperators.Leg in legs:
        position: uint256 = account_words._find_leg(books.legs, post.legs, leg.instrument)[0]
        if position == post.legs:
            errors._fail("operators: not held")
        post.sizes[position] += leg.size
        post.quote -= leg.size * self._fresh_value(leg.instrument)
    for each: IOperators.Amount in amounts:
        position: uint256 = self._place(books.word, each.collateral)
        if position == post.collaterals:
            errors._fail("operators: not held")
        post.amounts[position] += each.amount
    other: account_words.Books = self._ask(post)
    self._require_legs(books, other, post)
    self._require_amounts(books, other, post)


@internal
@pure
def _plan(
    books: account_words.Books, sender: uint256, receiver: uint256
) -> IClearinghouse.Post:
    """
    @notice A move without fees. Nothing moves out of an auction (C11): it would take the account's
            legs away from who may bid for them.
    """
    if packing._flags(books.word) & packing.IN_AUCTION != 0:
        errors._fail("operators: in auction")
    post: IClearinghouse.Post = empty(IClearinghouse.Post)
    post.account = sender
    post.counterparty = receiver
    post.keeper = receiver
    post.tilt = max_value(int256)
    return post


@internal
def _ask(post: IClearinghouse.Post) -> account_words.Books:
    """
    @return the receiver after it
    """
    # the core is ours; what is left to require needs what it has done
    extcall CLEARINGHOUSE.post(post, False)
    return self._books(post.counterparty)


# ---- read ---------------------------------------------------------------------------------------


@internal
def _update(reports: Bytes[2048]):
    """
    @notice Take in the reports that lead a call; Markets calls nobody.
    """
    if len(reports) != 0:
        extcall MARKETS.update(reports)


@internal
@view
def _books(account: uint256) -> account_words.Books:
    books: account_words.Books = empty(account_words.Books)
    books.word, books.legs, books.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return books


@internal
@view
def _market(instrument: uint256) -> (uint256, int256):
    """
    @return price word, and funding [ticks] brought to now, of a leg's market
    """
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall MARKETS.market_words(
        packing._instrument_market(instrument)
    )
    return price_word, funding


@internal
@view
def _fresh_value(instrument: uint256) -> int256:
    """
    @notice At a price that opens: who takes a leg over at an old one may lose what is known.
    @return [ticks] price less funding of a leg
    """
    price_word: uint256 = 0
    funding: int256 = 0
    price_word, funding = self._market(instrument)
    old: bool = block.timestamp > market_packing._publish_time(price_word) + AGE_OPEN
    if old or price_word & DOUBTS != 0:
        errors._fail("operators: price not trusted")
    return convert(market_packing._price(price_word), int256) - funding


# ---- require ------------------------------------------------------------------------------------


@internal
@view
def _require_legs(
    books: account_words.Books, other: account_words.Books, post: IClearinghouse.Post
):
    """
    @notice No leg that moved leaves one worth less than DUST, here or there.
    """
    count: uint256 = packing._leg_count(other.word)
    for i: uint256 in range(post.legs, bound=u.MAX_LEGS):
        if post.sizes[i] != 0:
            entry: uint256 = packing._half(books.legs[i // 2], i)
            instrument: uint256 = packing._leg_instrument(entry)
            price: uint256 = market_packing._price(self._market(instrument)[0])
            self._require_leg(account_words._find_leg(other.legs, count, instrument)[1], price)
            self._require_leg(packing._leg_size(entry) - post.sizes[i], price)


@internal
@pure
def _require_leg(size: int256, price: uint256):
    if size != 0 and account_words._magnitude(size) * price < DUST:
        errors._fail("operators: leg too small")


@internal
@view
def _require_amounts(
    books: account_words.Books, other: account_words.Books, post: IClearinghouse.Post
):
    """
    @notice No amount that moved leaves dust of its token, here or there.
    """
    for i: uint256 in range(post.collaterals, bound=u.MAX_COLLATERALS):
        if post.amounts[i] != 0:
            id: uint256 = packing._collateral_id(books.word, i)
            unit: uint256 = 10 ** (staticcall MARKETS.collateral_params(id))[1]
            self._require_amount(packing._half(books.amounts[i // 2], i) - post.amounts[i], unit)
            self._require_amount(self._amount(other, id), unit)


@internal
@pure
def _require_amount(amount: uint256, unit: uint256):
    if amount != 0 and amount * DUST_SHARE < unit:
        errors._fail("operators: dust")


@internal
@pure
def _amount(books: account_words.Books, id: uint256) -> uint256:
    """
    @return [atoms] of a collateral
    """
    place: uint256 = self._place(books.word, id)
    if place == packing._collateral_count(books.word):
        return 0
    return packing._half(books.amounts[place // 2], place)


@internal
@pure
def _place(word: uint256, id: uint256) -> uint256:
    """
    @return where an account holds a collateral; the count when it does not
    """
    count: uint256 = packing._collateral_count(word)
    for i: uint256 in range(count, bound=u.MAX_COLLATERALS):
        if packing._collateral_id(word, i) == id:
            return i
    return count
