# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title BatchLens: healths of many accounts, which share the prices of their scenarios
@license AGPL-3.0-only
@notice docs/spec/option-lens.md#batch. Static calls only, writes nothing. N(d1) and N(d2) of an
        option in a row are the same whoever holds it, and how much of it: each is computed once a
        call. Nothing is rounded before a book's sums, so the answers are the engine's to the wei.
@custom:kill none: nothing depends on it
"""

from interfaces import IBatchLens
from interfaces import IMarkets
from interfaces import IOptionsMargin
from interfaces import IPortfolioMargin
from interfaces import IPortfolioRows
from libs import account_words
from libs import bounded_calls
from libs import instruments
from libs import market_packing
from libs import option_book
from libs import packing
from libs import scan_totals
from libs import scenarios
from libs import units as u
from modules import lens_books
from modules import lens_health
from modules import risk_array

implements: IBatchLens

initializes: risk_array
initializes: lens_books

MAX_BATCH: constant(uint256) = 100
# instruments in their ranges that are remembered; who holds more is not shared
MAX_UNITS: constant(uint256) = 128
# legs of an account in the scan
MAX_LEGS: constant(uint256) = 64
# words of a unit: the two rows of a node, then two rows without a shock each
PAIRS: constant(uint256) = risk_array.MAX_NODES + (risk_array.BASES + 1) // 2
# of a leg's entry: the places of its instrument's fields
KIND_AT: constant(uint256) = 118
MARKET_AT: constant(uint256) = 120
# where an instrument in a range is found: twice as many places, by the top of its product with
# the golden ratio [2^-256]
PLACES: constant(uint256) = 512
PLACE_AT: constant(uint256) = 247
MIX: constant(uint256) = (
    71563446777022297856526126342750658392501306254664949883333486863006233104021
)
INDEX_BITS: constant(uint256) = 16
INDEX: constant(uint256) = 2**INDEX_BITS - 1
# of what is asked of OptionsMargin
FACTS: constant(bytes4) = method_id(
    "facts(uint256[],uint256,uint256[8],uint256[4])", output_type=bytes4
)
MAX_WORDS: constant(uint256) = 32
MARGIN: immutable(address)
ROWS: immutable(IPortfolioRows)


@deploy
def __init__(
    clearinghouse: address,
    options: address,
    margin: address,
    rows: address,
    array: IPortfolioMargin.RiskArray,
):
    """
    @param options, margin those of the same deployment
    @param rows the PortfolioRows of the array that `margin` scans with
    @param array that one
    @custom:reverts "portfolio: out of range"
    """
    risk_array.__init__(array)
    lens_books.__init__(clearinghouse, options)
    MARGIN = margin
    ROWS = IPortfolioRows(rows)


@external
@view
def health_many(
    accounts: DynArray[uint256, MAX_BATCH],
) -> DynArray[IBatchLens.Answer, MAX_BATCH]:
    """
    @notice Healths of accounts with options and without; who cannot be checked spoils no other.
            What is shared stands in this frame: an internal function would be given a copy.
    @custom:source docs/spec/option-lens.md#batch
    """
    answers: DynArray[IBatchLens.Answer, MAX_BATCH] = []
    # range and instrument with its place among the units
    places: uint256[PLACES] = empty(uint256[PLACES])
    units: DynArray[IPortfolioRows.Unit, MAX_UNITS] = []
    pairs: uint256 = risk_array.NODE_COUNT + (risk_array.EXTREME_COUNT + 2) // 2
    lens_health._require_idle(lens_books.CLEARINGHOUSE.address)
    for account: uint256 in accounts:
        facts: IOptionsMargin.Facts = empty(IOptionsMargin.Facts)
        answered: bool = False
        answered, facts = self._told(account)
        slow: scan_totals.Totals = empty(scan_totals.Totals)
        scan_im: uint256 = 0
        wider: bool = False
        # in the ranges of v_slow, then in those of v where they are others
        for fast: bool in [False, True]:
            total: scan_totals.Totals = empty(scan_totals.Totals)
            together: risk_array.Rows = empty(risk_array.Rows)
            apart: uint256 = 0
            members: uint256 = 0
            group: uint256 = 0
            for market: IPortfolioMargin.Underlying in facts.markets:
                own: uint256 = scenarios._group(market.risk)
                if own != group:
                    if members > 1:
                        apart = risk_array._offset(risk_array._worst(together), apart, group)
                    total.scan += apart
                    together = empty(risk_array.Rows)
                    apart = 0
                    members = 0
                    group = own

                price: uint256 = market_packing._price(market.price)
                width: uint256 = scenarios._width(
                    market.risk, market_packing._v_slow(market.price)
                )
                width_im: uint256 = scenarios._width(market.risk, market_packing._v(market.price))
                wider = wider or width_im != width
                if fast:
                    width = width_im

                # where each leg's unit stands, or will when those that miss are made
                stands: uint256[MAX_LEGS] = empty(uint256[MAX_LEGS])
                missing: DynArray[uint256, MAX_LEGS] = []
                leg: uint256 = 0
                for pair: uint256 in facts.legs:
                    rest: uint256 = pair
                    for half: uint256 in range(2):
                        entry: uint256 = rest & packing.MASK_128
                        rest >>= 128
                        kind: uint256 = (entry >> KIND_AT) & instruments.KIND_MASK
                        if entry >> MARKET_AT != market.market or kind == instruments.PERP:
                            leg = unsafe_add(leg, 1)
                            continue
                        instrument: uint256 = entry >> 64
                        # a put is priced as its call
                        key: uint256 = (width << 64) | instrument
                        if kind == instruments.PUT:
                            key = unsafe_sub(key, instruments.KIND_AT)
                        place: uint256 = unsafe_mul(key, MIX) >> PLACE_AT
                        found: uint256 = places[place]
                        for step: uint256 in range(PLACES):
                            if found == 0 or found >> INDEX_BITS == key:
                                break
                            place = unsafe_add(place, 1) % PLACES
                            found = places[place]
                        if found == 0:
                            known: uint256 = unsafe_add(len(units), len(missing))
                            answered = answered and known < MAX_UNITS
                            if answered:
                                missing.append(instrument)
                                found = (key << INDEX_BITS) | known
                                places[place] = found
                        stands[leg] = found & INDEX
                        leg = unsafe_add(leg, 1)
                if len(missing) != 0:
                    for unit: IPortfolioRows.Unit in staticcall ROWS.units(
                        market, facts.surfaces, missing, fast
                    ):
                        units.append(unit)
                if not answered:
                    break

                book: option_book.Book = option_book._with_spot(market.spot, price)
                # of long options, then of short ones
                gains: int256[2 * PAIRS] = empty(int256[2 * PAIRS])
                costs: int256[2 * PAIRS] = empty(int256[2 * PAIRS])
                leg = 0
                for pair: uint256 in facts.legs:
                    rest: uint256 = pair
                    for half: uint256 in range(2):
                        entry: uint256 = rest & packing.MASK_128
                        rest >>= 128
                        mine: uint256 = stands[leg]
                        leg = unsafe_add(leg, 1)
                        if entry >> MARKET_AT != market.market:
                            continue
                        size: int256 = (convert(convert(entry, bytes32), int256) << 192) >> 192
                        kind: uint256 = (entry >> KIND_AT) & instruments.KIND_MASK
                        if kind == instruments.PERP:
                            book = option_book._with_perp(book, size, price, market.funding)
                            continue
                        unit: IPortfolioRows.Unit = units[mine]
                        if kind == instruments.FUTURE:
                            book = option_book._with_future(book, size, unit.forward)
                            continue

                        lots: uint256 = convert(convert(size, bytes32), uint256)
                        at: uint256 = 0
                        # sizes are of 64 bits
                        if size < 0:
                            at = PAIRS
                            lots = unsafe_sub(0, lots)
                            if not unit.live:
                                book.worth += option_book._dead_short(size, price)
                        else:
                            book.theta += lots * unit.time_value
                        # 63 bits of lots times 64 of ticks
                        worth: uint256 = unsafe_mul(lots, unit.forward)
                        cost: uint256 = unsafe_mul(lots, unit.strike)
                        if (worth | cost) > option_book.MAX_LEG:
                            answered = False
                            continue
                        book = option_book._with_option(
                            book, kind, size, unit.forward, unit.strike
                        )
                        # `_row` of the whole leg: halves of 64 of them are below 2^127
                        gain_of: int256 = convert(convert(worth >> 16, bytes32), int256)
                        cost_of: int256 = convert(convert(cost >> 16, bytes32), int256)
                        for i: uint256 in range(pairs, bound=PAIRS):
                            gains[at] = unsafe_add(gains[at], unsafe_mul(unit.gains[i], gain_of))
                            costs[at] = unsafe_add(costs[at], unsafe_mul(unit.costs[i], cost_of))
                            at = unsafe_add(at, 1)
                if not answered:
                    break

                sums: risk_array.Sums = self._sums(book, gains, costs)
                rows: risk_array.Rows = risk_array._rows(sums, risk_array._moves(width))
                apart += convert(rows.worst, uint256)
                if len(facts.markets) > 1:
                    together = risk_array._added(together, rows)
                    members += 1
                if not fast:
                    spot: uint256 = convert(market.spot, uint256)
                    delta: int256 = book.linear + rows.delta
                    total.worth += book.worth + rows.mark
                    total.least += option_book._minimum(book, price, market.risk)
                    total.static += option_book._static(book, price, market.risk, spot)
                    total.doubt += option_book._doubt(delta, market.price, market.oi_rate)
            if not answered:
                break
            if members > 1:
                apart = risk_array._offset(risk_array._worst(together), apart, group)
            total.scan += apart
            scan_im = max(scan_im, total.scan)
            if not fast:
                slow = total
            if not wider:
                break

        health: IMarkets.Health = empty(IMarkets.Health)
        if answered:
            health = scan_totals._with_scan(
                facts.health,
                scan_totals._margin(facts.health.equity, facts.health.mm, slow, scan_im),
            )
        else:
            # not under portfolio margin, no room for what it holds, or nobody can say
            answered, health = lens_health._health(lens_books.CLEARINGHOUSE.address, account)
        answers.append(IBatchLens.Answer(answered=answered, health=health))
    return answers


# ---- internal -----------------------------------------------------------------------------------


@internal
@view
def _told(account: uint256) -> (bool, IOptionsMargin.Facts):
    """
    @return whether an account is under portfolio margin and can be scanned, what the scan is told
    """
    books: account_words.Books = lens_books._words(account)
    legs: uint256 = 0
    portfolio: bool = False
    legs, portfolio = staticcall lens_books.OPTIONS.mode(account)
    engaged: bool = books.word & packing.OPTIONS_BIT != 0
    if not (portfolio and engaged) or lens_books._is_engine(account):
        return False, empty(IOptionsMargin.Facts)
    held: DynArray[uint256, MAX_WORDS] = staticcall lens_books.OPTIONS.account_legs(account)
    answered: bool = False
    said: Bytes[bounded_calls.MAX_LONG] = b""
    answered, said = bounded_calls._long_view(
        MARGIN, abi_encode(held, books.word, books.legs, books.amounts, method_id=FACTS)
    )
    if not answered:
        return False, empty(IOptionsMargin.Facts)
    return True, abi_decode(said, IOptionsMargin.Facts)


@internal
@view
def _sums(
    book: option_book.Book, gains: int256[2 * PAIRS], costs: int256[2 * PAIRS]
) -> risk_array.Sums:
    """
    @param gains of |size| F N(d1), two rows a word, as in a unit
    @param costs of |size| K N(d2)
    @return the sums by row
    """
    sums: risk_array.Sums = empty(risk_array.Sums)
    sums.book = book
    for side: uint256 in range(2):
        at: uint256 = side * PAIRS
        to: uint256 = side * risk_array.SIDES
        for i: uint256 in range(risk_array.NODE_COUNT, bound=risk_array.MAX_NODES):
            sums.nodes[to + i], sums.nodes[to + risk_array.MAX_NODES + i] = self._apart(
                gains[at + i], costs[at + i]
            )
        at += risk_array.NODE_COUNT
        to = side * risk_array.BASES
        for i: uint256 in range(risk_array.EXTREME_COUNT + 1, bound=risk_array.BASES):
            both: (int256, int256) = self._apart(gains[at + i // 2], costs[at + i // 2])
            sums.base[to + i] = both[0] if i & 1 == 0 else both[1]
    return sums


@internal
@pure
def _apart(gain: int256, cost: int256) -> (int256, int256):
    """
    @return gain and cost of the first row in a word, and of the second
    """
    gain_low: int256 = (gain << 128) >> 128
    cost_low: int256 = (cost << 128) >> 128
    # halves are below 2^127
    return (
        unsafe_add(unsafe_sub(gain, gain_low), unsafe_sub(cost, cost_low) >> 128),
        unsafe_add(gain_low << 128, cost_low),
    )
