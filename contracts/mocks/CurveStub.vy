# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title CurveStub: what the Exchange asks a pool, as a test says it
@license AGPL-3.0-only
@custom:kill not deployed outside tests
"""

from interfaces import ILiquidityPool

params: public(HashMap[uint256, ILiquidityPool.PoolParams])


@external
def set_curve(market: uint256, scale: uint256, max_skew: uint256, spread_min: uint256):
    """
    @param scale [USD WAD], as max_skew
    @param spread_min [WAD]
    """
    self.params[market].scale = scale
    self.params[market].max_skew = max_skew
    self.params[market].spread_min = spread_min
