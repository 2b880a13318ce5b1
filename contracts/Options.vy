# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Options: option and future legs of accounts, and the margin of who holds them
@license AGPL-3.0-only
@notice docs/spec/engine.md. Beside the Clearinghouse, which asks it about accounts with the flag
        OPTIONS and takes its word about deals. Modules: books (legs, modes) <- fills, expiry; what
        legs require, OptionsMargin says.
@custom:kill the owner can take venues off the list and cap a market's contracts, which stops
        openings; reductions, settlements, liquidations and answers about health go on
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from interfaces import IClearinghouse
from interfaces import IMarkets
from interfaces import IOptions
from libs import errors
from libs import packing
from libs import units as u
from modules import engine_books
from modules import engine_closes
from modules import engine_expiry
from modules import engine_fills

implements: IOptions

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: engine_books
initializes: engine_expiry[engine_books := engine_books]
initializes: engine_fills[engine_books := engine_books]
initializes: engine_closes[engine_fills := engine_fills]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

MAX_CAP: constant(uint256) = 2**56 - 1




venues: public(HashMap[address, bool])


@deploy
def __init__(
    clearinghouse: address, markets: address, surfaces: address, margin: address, expiries: address
):
    """
    @param clearinghouse the one that was deployed for this address
    @param margin the OptionsMargin of the same Markets and Surfaces
    """
    ownable.__init__()
    ownable_2step.__init__()
    engine_fills.__init__(clearinghouse, markets, surfaces, margin)
    engine_expiry.__init__(expiries)


# ---- listed venues ------------------------------------------------------------------------------


@external
def trade(fill: IOptions.Fill):
    """
    @notice Fill what two accounts agreed, and hold both to R2; only listed venues, which answer for
            the consent of both, and for prices.
    @custom:source docs/spec/engine.md#trade
    @custom:reverts "options: not a venue", "options: parties", "options: leg order",
            "options: instrument", "options: not open", "options: price not trusted",
            "options: leg too small", "options: cap", "options: fee", "options: margin",
            "options: invalid feed", and the reasons of books and core
    """
    if not self.venues[msg.sender]:
        errors._fail("options: not a venue")
    engine_fills._trade(fill)


@external
def close(fill: IOptions.Fill, concession: uint256):
    """
    @notice Close part of one leg of an account under MM against a maker who agreed; only listed
            venues, which answer for the maker's consent, the price, and the hour's concession. The
            account must be better off for it, and pays no fee.
    @param concession [WAD] most that it may cost the account, of the MM that it releases
    @custom:source docs/spec/engine.md#close
    @custom:reverts "options: not a venue", "options: not below mm", "options: closed",
            "options: house", "options: one leg", "options: not reducing", "options: not better",
            "options: cost", "options: overshoot", and the reasons of trade
    """
    if not self.venues[msg.sender]:
        errors._fail("options: not a venue")
    engine_closes._close(fill, concession)


# ---- account owners -----------------------------------------------------------------------------


@external
def set_mode(account: uint256, portfolio: bool):
    """
    @notice Put an account under portfolio margin or back under standard margin, where it must stand
            above IM; only its owner, or a hand with ACT for him.
    @custom:reverts "options: not the owner", "options: margin", "options: invalid feed"
    """
    if packing._owner(account) != msg.sender:
        if IClearinghouse.Role.ACT not in staticcall engine_fills.CLEARINGHOUSE.hands(msg.sender):
            errors._fail("options: not the owner")
    book: uint256 = engine_books._count(account)
    if portfolio:
        book |= engine_books.PORTFOLIO_BIT
    engine_books.books[account] = book
    log IOptions.ModeSet(account=account, portfolio=portfolio)

    # the core is ours; what it books is asked for after it
    extcall engine_fills.CLEARINGHOUSE.deal(engine_fills._deal(account, account, 0, 0))
    engine_fills._require_side(account, True, empty(IMarkets.Health))


# ---- anyone -------------------------------------------------------------------------------------


@external
def settle_expired(account: uint256) -> int256:
    """
    @notice Pay what expired legs of an account pay at their settlement prices, in quote, between it
            and the engine's account; anyone. Early or late, it is the same. Legs whose price is not
            written yet stay.
    @return [WAD] what the account got, negative when it paid
    @custom:source docs/spec/engine.md#expiry
    @custom:reverts "options: nothing expired"
    """
    count: uint256 = engine_books._count(account)
    paid: int256 = engine_expiry._close(account)
    if engine_books._count(account) == count:
        errors._fail("options: nothing expired")

    deal: IClearinghouse.Deal = engine_fills._deal(engine_expiry.ACCOUNT, account, 0, 0)
    deal.quote = paid
    # the core is ours and asks nobody in a deal
    extcall engine_fills.CLEARINGHOUSE.deal(deal)
    return paid


# ---- the core -----------------------------------------------------------------------------------


@external
def carry(account: uint256, receiver: uint256, part: uint256) -> uint256:
    """
    @notice Move a share of every leg of an account to another; only the Clearinghouse, which holds
            both to their margin after it.
    @custom:reverts "options: not the core", "options: part", "engine: no room"
    """
    if msg.sender != engine_fills.CLEARINGHOUSE.address:
        errors._fail("options: not the core")
    if part > u.WAD:
        errors._fail("options: part")
    engine_books._carry(account, receiver, part)
    return engine_fills._books(account, receiver)


# ---- owner --------------------------------------------------------------------------------------


@external
def set_venue(venue: address, allowed: bool):
    ownable._check_owner()
    self.venues[venue] = allowed
    log IOptions.VenueSet(venue=venue, allowed=allowed)


@external
def set_cap(market: uint256, cap: uint256):
    """
    @notice Open a market for options and futures, or change how many option contracts there may
            be; 0 stops openings.
    @param cap [lots]
    @custom:reverts "options: out of range" of a market whose margin has no terms, or above 2^56
    """
    ownable._check_owner()
    if cap > MAX_CAP or staticcall engine_fills.MARGIN.risk(market) == 0:
        errors._fail("options: out of range")
    log IOptions.CapSet(market=market, old_cap=engine_fills.caps[market], cap=cap)
    engine_fills.caps[market] = cap


# ---- views --------------------------------------------------------------------------------------


@external
@view
@reentrant
def check(
    account: uint256, word: uint256, legs: uint256[8], amounts: uint256[4]
) -> IMarkets.Health:
    """
    @notice Equity and requirements of an account with the flag OPTIONS, its words passed in. What
            it reads is complete in the middle of any call: legs are written before the core is
            asked.
    @custom:source docs/spec/engine.md#check
    """
    if account == engine_expiry.ACCOUNT:
        return empty(IMarkets.Health)
    return engine_fills._check(
        account, engine_fills.Side(word=word, legs=legs, amounts=amounts)
    )


@external
@view
def rest(
    account: uint256, part: uint256, word: uint256, legs: uint256[8], amounts: uint256[4]
) -> IMarkets.Health:
    """
    @notice As `check`, had `part` [WAD, at most 1] of every leg here been carried away: how a
            take is planned. IM counts v_slow for v: nobody asks for it here.
    """
    side: engine_fills.Side = engine_fills.Side(word=word, legs=legs, amounts=amounts)
    return engine_fills._rest(account, part, side)


@external
@view
def notional(account: uint256) -> (uint256, uint256, uint256):
    """
    @notice What the legs of an account stand for: whether they are dust, whose market pays.
    """
    total: uint256 = 0
    largest: uint256 = 0
    market: uint256 = 0
    known: uint256 = 0
    price: uint256 = 0
    held: DynArray[uint256, 32] = engine_books._legs(account)
    for pair: uint256 in held:
        for half: uint256 in range(2):
            entry: uint256 = packing._half(pair, half)
            if entry == 0:
                continue
            own: uint256 = packing._instrument_market(packing._leg_instrument(entry))
            if own != known:
                known = own
                price = engine_fills._price(own)
            value: uint256 = convert(abs(packing._leg_size(entry)), uint256) * price
            total += value
            if value > largest:
                largest = value
                market = own
    return total, largest, market


@external
@view
def account_legs(account: uint256) -> DynArray[uint256, 32]:
    return engine_books._legs(account)


@external
@view
def mode(account: uint256) -> (uint256, bool):
    book: uint256 = engine_books.books[account]
    return book & engine_books.COUNT, book & engine_books.PORTFOLIO_BIT != 0


@external
@view
def market_terms(market: uint256) -> (uint256, uint256):
    return engine_fills.caps[market], engine_books.open_interest[market]
