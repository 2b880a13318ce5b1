# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Instruments: self-describing uint64, decoded without a registry
@license AGPL-3.0-only
@notice market 8 | kind 2 | expiry 24 (hours) | strike 30. Only perps are traded so far: they
        are `market << 56`, and everything below the market is zero.
@custom:kill not deployable
"""

from libs import packing


@internal
@pure
def _market(instrument: uint256) -> uint256:
    return packing._instrument_market(instrument)


@internal
@pure
def _is_perp(instrument: uint256) -> bool:
    """
    @return whether this is the perp of a market 1 .. 255
    """
    market: uint256 = packing._instrument_market(instrument)
    return market != 0 and market < 256 and packing._perp(market) == instrument
