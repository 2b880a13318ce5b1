# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What the scan of all markets of a book adds up to
@license AGPL-3.0-only
@notice docs/spec/portfolio-margin.md#requirements, docs/spec/engine.md#check. Pure: sums in,
        requirements out.
@custom:kill not deployable
"""

from interfaces import IMarkets
from interfaces import IPortfolioMargin


struct Totals:  # [WAD]
    worth: int256
    scan: uint256
    least: uint256
    static: uint256
    doubt: uint256
    wider: bool     # whether a range of v is another than that of v_slow


@internal
@pure
def _margin(
    equity: int256, kappa: uint256, slow: Totals, scan_im: uint256
) -> IPortfolioMargin.Margin:
    """
    @param slow what is summed up in the ranges of v_slow; of those of v only the scan differs
    @param scan_im at least slow.scan
    @custom:rounding requirements up, in favour of the protocol
    """
    risk: uint256 = max(slow.scan, slow.least)
    mm: uint256 = risk + slow.static + kappa
    im0: uint256 = mm + (5 * max(scan_im, slow.least) + 3) // 4 - risk
    return IPortfolioMargin.Margin(
        equity=equity + slow.worth,
        im=im0 + slow.doubt,
        im0=im0,
        le=mm + (risk + 7) // 8,
        mm=mm,
        scan_mm=slow.scan,
        scan_im=scan_im,
    )


@internal
@pure
def _with_scan(health: IMarkets.Health, margin: IPortfolioMargin.Margin) -> IMarkets.Health:
    """
    @param health of what takes no part in the scan; its MM is what the scan took for the pay of
           keepers, and added to
    """
    total: IMarkets.Health = health
    total.le += margin.le - health.mm
    total.im += margin.im - health.mm
    total.mm = margin.mm
    total.equity = margin.equity
    return total
