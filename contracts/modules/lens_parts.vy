# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Parts of a requirement: why an account's margin is what it is
@license AGPL-3.0-only
@notice docs/spec/option-lens.md#parts. Markets is asked about one leg or collateral at a time, the
        engine's own modules about what comes on top, PortfolioRows about the scan. Whatever is in
        no part is in none of the requirements either: the parts add up to them.
@custom:kill not deployable
"""

from interfaces import IMarginLens
from interfaces import IMarkets
from interfaces import IOptionsMargin
from interfaces import IPortfolioRows
from libs import account_words
from libs import fixed_point
from libs import instruments
from libs import market_packing
from libs import packing
from libs import units as u
from modules import engine_lines as own
from modules import engine_portfolio
from modules import engine_standard
from modules import lens_books

uses: lens_books
uses: own
uses: engine_portfolio
uses: engine_standard

MAX_PARTS: constant(uint256) = 160
# docs/spec/option-lens.md#parts
LEG: constant(uint256) = 1
CALENDAR: constant(uint256) = 2
OPTION: constant(uint256) = 3
AWAITED: constant(uint256) = 4
HAIRCUT: constant(uint256) = 5
KAPPA: constant(uint256) = 6
SCAN: constant(uint256) = 7
MINIMUM: constant(uint256) = 8
BUFFER: constant(uint256) = 9
STATIC: constant(uint256) = 10
ORACLE: constant(uint256) = 11
OPEN_INTEREST: constant(uint256) = 12
SPOT: constant(uint256) = 13
DEAD_FEED: constant(uint256) = 14
AVERAGED: constant(uint256) = 15

MARGIN: immutable(IOptionsMargin)
ROWS: immutable(IPortfolioRows)


struct Case:                # an account as it stands
    books: account_words.Books
    legs: DynArray[uint256, own.WORDS]  # of the engine
    held: DynArray[uint256, own.WORDS]  # those as they are checked: docs/spec/engine.md#averages
    averaged: uint256       # what is known of legs in their last half hour requires [WAD]
    portfolio: bool
    lines: DynArray[own.Line, own.MAX_LINES]
    rest: engine_portfolio.Rest     # its words without what takes part in the scan
    spots: uint256[own.MAX_LINES]   # lots of collateral that takes part, by line
    kappa: uint256          # beyond what Markets says of the rest [WAD]
    soft: uint256           # of IM: collateral in the scan above its soft cap [WAD]


@deploy
def __init__(margin: address, rows: address):
    MARGIN = IOptionsMargin(margin)
    ROWS = IPortfolioRows(rows)


# ---- facts --------------------------------------------------------------------------------------


@internal
@view
def _case(account: uint256) -> Case:
    """
    @notice Read an account and sum it up as OptionsMargin does (docs/spec/engine.md#check).
    """
    case: Case = empty(Case)
    if lens_books._is_engine(account):
        return case
    case.books = lens_books._words(account)
    legs: uint256 = 0
    legs, case.portfolio = staticcall lens_books.OPTIONS.mode(account)
    case.legs = staticcall lens_books.OPTIONS.account_legs(account)
    case.held, case.averaged = staticcall MARGIN.averaged(case.legs, case.portfolio)
    # who takes part is said below: what OptionsMargin knows of markets is asked for
    case.lines = own._lines(case.held, False, case.books.word, case.books.legs)
    legs += packing._leg_count(case.books.word)
    case.kappa = (legs - len(case.lines)) * own.KAPPA_LEG
    room: uint256 = own.MAX_SCANNED if case.portfolio else 0
    for k: uint256 in range(len(case.lines), bound=own.MAX_LINES):
        if room != 0 and staticcall MARGIN.risk(case.lines[k].market) != 0:
            case.lines[k].scanned = True
            room -= 1
    sums: own.Extra = empty(own.Extra)
    case.rest, case.spots, sums = engine_portfolio._taken(
        case.books.word, case.lines, case.books.amounts, sums
    )
    case.kappa += sums.kappa
    case.soft = sums.im
    return case


@internal
@view
def _scan(case: Case, initial: bool) -> IPortfolioRows.Scan:
    """
    @return the rows of what takes part; no markets where nothing does
    """
    facts: IOptionsMargin.Facts = empty(IOptionsMargin.Facts)
    if case.portfolio:
        facts = staticcall MARGIN.facts(
            case.legs, case.books.word, case.books.legs, case.books.amounts
        )
    return staticcall ROWS.rows(facts.markets, facts.surfaces, facts.legs, initial)


# ---- parts --------------------------------------------------------------------------------------


@internal
@view
def _decomposition(case: Case) -> IMarginLens.Decomposition:
    """
    @custom:source docs/spec/option-lens.md#parts
    @custom:rounding up, as each requirement is
    """
    found: IMarginLens.Decomposition = empty(IMarginLens.Decomposition)
    found.portfolio = case.portfolio
    money: bool = packing._cash(case.books.word) < 0 or packing._quote(case.books.word) < 0
    if len(case.lines) == 0 and not money:
        return found
    found.parts = self._market_parts(case)
    found.parts = self._with(found.parts, AVERAGED, 0, case.averaged, case.averaged)
    for k: uint256 in range(len(case.lines), bound=own.MAX_LINES):
        line: own.Line = case.lines[k]
        if line.scanned:
            sums: own.Extra = engine_portfolio._with_doubt(
                empty(own.Extra), line, case.spots[k]
            )
            found.parts = self._with(found.parts, DEAD_FEED, line.market, sums.mm, sums.mm)
            found.parts = self._with(found.parts, SPOT, line.market, 0, sums.im - sums.mm)
        elif line.held:
            sums: own.Extra = engine_standard._with_spread(empty(own.Extra), line)
            found.parts = self._with(found.parts, CALENDAR, line.market, sums.mm, sums.im)
        if line.held:
            found.parts = self._with_legs(found.parts, case.held, line)
    if case.portfolio:
        found.parts = self._with(found.parts, SPOT, 0, 0, case.soft)
        found.parts = self._with_scan(
            found.parts, self._scan(case, False), self._scan(case, True).scan
        )
    for part: IMarginLens.Part in found.parts:
        found.mm += part.mm
        found.im += part.im
    return found


@internal
@view
def _market_parts(case: Case) -> DynArray[IMarginLens.Part, MAX_PARTS]:
    """
    @return what Markets requires: of each net leg and each collateral alone, and keepers' pay
    """
    parts: DynArray[IMarginLens.Part, MAX_PARTS] = []
    bare: engine_portfolio.Rest = empty(engine_portfolio.Rest)
    bare.word = packing._without_collaterals(case.rest.word)
    kappa: uint256 = (staticcall own.MARKETS.charges()).kappa_flat + case.kappa
    mm: uint256 = 0
    im: uint256 = 0
    charge: uint256 = 0
    for line: own.Line in case.lines:
        size: int256 = line.net
        if case.portfolio:
            size = 0 if line.scanned else line.perp
        entry: uint256 = packing._leg(packing._perp(line.market), size)
        mm, im, charge = self._charge(bare, entry)
        parts = self._with(parts, LEG, line.market, mm, im)
        kappa += own.KAPPA_LEG
    for i: uint256 in range(packing._collateral_count(case.rest.word), bound=u.MAX_COLLATERALS):
        id: uint256 = packing._collateral_id(case.rest.word, i)
        holding: engine_portfolio.Holding = engine_portfolio._holding(id, case.rest.amounts, i)
        # beside a leg of nothing, which requires nothing
        mm, im, charge = self._charge(
            engine_portfolio._with_holding(bare, holding), packing._leg(packing._perp(1), 0)
        )
        parts = self._with(parts, HAIRCUT, id, mm, im)
        kappa += charge
    return self._with(parts, KAPPA, 0, kappa, kappa)


@internal
@view
def _charge(rest: engine_portfolio.Rest, entry: uint256) -> (uint256, uint256, uint256):
    """
    @return MM and IM of one leg beside words without others, short of what keepers are paid; what
            keepers are paid for the collateral
    """
    legs: uint256[u.LEG_WORDS] = empty(uint256[u.LEG_WORDS])
    legs[0] = entry
    found: IMarkets.Health = staticcall own.MARKETS.check(
        packing._with_leg_count(rest.word, 1), legs, rest.amounts
    )
    flat: uint256 = (staticcall own.MARKETS.charges()).kappa_flat + own.KAPPA_LEG
    return found.mm - found.kappa, found.im - found.kappa, found.kappa - flat


@internal
@view
def _with_legs(
    parts: DynArray[IMarginLens.Part, MAX_PARTS],
    held: DynArray[uint256, own.WORDS],
    line: own.Line,
) -> DynArray[IMarginLens.Part, MAX_PARTS]:
    """
    @notice Add what each of the engine's legs of a market requires by itself.
    """
    changed: DynArray[IMarginLens.Part, MAX_PARTS] = parts
    for pair: uint256 in held:
        for half: uint256 in range(2):
            entry: uint256 = packing._half(pair, half)
            instrument: uint256 = packing._leg_instrument(entry)
            if entry == 0 or instruments._market(instrument) != line.market:
                continue
            sums: own.Extra = empty(own.Extra)
            kind: uint256 = OPTION
            if instruments._expiry(instrument) <= block.timestamp:
                kind = AWAITED
                sums = own._expired(
                    sums, instrument, packing._leg_size(entry), market_packing._price(line.price)
                )
            elif not line.scanned:
                sums = engine_standard._with_options(sums, line, [entry])
            changed = self._with(changed, kind, instrument, sums.mm, sums.im)
    return changed


@internal
@view
def _with_scan(
    parts: DynArray[IMarginLens.Part, MAX_PARTS], slow: IPortfolioRows.Scan, fast: uint256
) -> DynArray[IMarginLens.Part, MAX_PARTS]:
    """
    @notice Add what the scan requires (docs/spec/portfolio-margin.md#requirements).
    @param slow the rows under the ranges of MM
    @param fast the scan under those of IM [WAD]
    """
    changed: DynArray[IMarginLens.Part, MAX_PARTS] = parts
    least: uint256 = 0
    for rows: IPortfolioRows.MarketRows in slow.markets:
        least += rows.least
        changed = self._with(changed, STATIC, rows.market, rows.static, rows.static)
        changed = self._with(changed, CALENDAR, rows.market, rows.calendar, rows.calendar)
        changed = self._with(changed, ORACLE, rows.market, 0, rows.oracle)
        changed = self._with(changed, OPEN_INTEREST, rows.market, 0, rows.open_interest)
    scan_im: uint256 = max(slow.scan, fast)
    risk: uint256 = max(scan_im, least)
    changed = self._with(changed, SCAN, 0, slow.scan, scan_im)
    changed = self._with(
        changed, MINIMUM, 0, max(least, slow.scan) - slow.scan, risk - scan_im
    )
    return self._with(changed, BUFFER, 0, 0, (5 * risk + 3) // 4 - risk)


@internal
@pure
def _with(
    parts: DynArray[IMarginLens.Part, MAX_PARTS],
    kind: uint256,
    about: uint256,
    mm: uint256,
    im: uint256,
) -> DynArray[IMarginLens.Part, MAX_PARTS]:
    """
    @notice Add a part that is not nothing.
    """
    changed: DynArray[IMarginLens.Part, MAX_PARTS] = parts
    if mm != 0 or im != 0:
        changed.append(IMarginLens.Part(kind=kind, about=about, mm=mm, im=im))
    return changed
