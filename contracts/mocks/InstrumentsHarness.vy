# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title InstrumentsHarness: ids of futures and options, taken apart and put together
@license AGPL-3.0-only
@custom:kill not deployable
"""

from libs import instruments


@external
@pure
def parts(instrument: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @return market, kind, expiry [unix s], strike [ticks]
    """
    return (
        instruments._market(instrument),
        instruments._kind(instrument),
        instruments._expiry(instrument),
        instruments._strike(instrument),
    )


@external
@pure
def encode(
    market: uint256, kind: uint256, hours: uint256, mantissa: uint256, exponent: uint256
) -> uint256:
    return instruments._encode(market, kind, hours, mantissa, exponent)


@external
@pure
def is_canonical(instrument: uint256) -> bool:
    return instruments._is_canonical(instrument)


@external
@pure
def may_open(
    instrument: uint256, now: uint256, price: uint256, furthest: uint256, widest: uint256
) -> bool:
    return instruments._may_open(instrument, now, price, furthest, widest)
