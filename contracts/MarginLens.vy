# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title MarginLens: why the margin of an account is what it is
@license AGPL-3.0-only
@notice docs/spec/option-lens.md. Static calls only, writes nothing. What a charge or a row is, the
        contracts and libs that require it say; this puts their answers together.
@custom:kill none: nothing depends on it
"""

from interfaces import IClearinghouse
from interfaces import IMarginLens
from interfaces import IPortfolioRows
from modules import engine_lines as own
from modules import engine_portfolio
from modules import engine_standard
from modules import lens_books
from modules import lens_parts

implements: IMarginLens

initializes: own
initializes: engine_standard[own := own]
initializes: engine_portfolio[own := own]
initializes: lens_books
initializes: lens_parts[
    engine_portfolio := engine_portfolio,
    engine_standard := engine_standard,
    lens_books := lens_books,
    own := own,
]


@deploy
def __init__(
    clearinghouse: address,
    options: address,
    margin: address,
    surfaces: address,
    expiries: address,
    rows: address,
):
    """
    @param options, margin, surfaces, expiries those of the same deployment
    @param rows the PortfolioRows of the array that `margin` scans with
    """
    own.__init__(staticcall IClearinghouse(clearinghouse).markets(), surfaces, expiries)
    lens_books.__init__(clearinghouse, options)
    lens_parts.__init__(margin, rows)


@external
@view
def scenarios(account: uint256, initial: bool) -> IPortfolioRows.Scan:
    """
    @notice What an account under portfolio margin loses in every row: the scan of its requirement.
    @param initial whether the ranges are those of IM (of v), not of MM (of v_slow)
    @custom:source docs/spec/option-lens.md#rows
    @custom:reverts "portfolio: value too large"
    """
    return lens_parts._scan(lens_parts._case(account), initial)


@external
@view
def decomposition(account: uint256) -> IMarginLens.Decomposition:
    """
    @notice Why an account's IM and MM are what they are: parts that add up to them, to the wei.
    @custom:source docs/spec/option-lens.md#parts
    @custom:reverts what a check of the account reverts with
    """
    return lens_parts._decomposition(lens_parts._case(account))
