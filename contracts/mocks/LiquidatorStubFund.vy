# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LiquidatorStubFund: an insurance fund that answers draws as a test sets them
@license AGPL-3.0-only
@custom:kill not deployed outside tests
"""

cash: public(uint256)
limit: public(uint256)
last_market: public(uint256)
market_limit: uint256
day_limit: uint256


@deploy
def __init__(clearinghouse: address):
    pass


@external
@view
def limits() -> (uint256, uint256):
    return self.market_limit, self.day_limit


@external
def set_limits(market: uint256, day: uint256):
    self.market_limit = market
    self.day_limit = day


@external
def set_available(cash: uint256, limit: uint256):
    """
    @notice Set what the next draws find [WAD].
    """
    self.cash = cash
    self.limit = limit


@external
def draw(market: uint256, deficit: uint256, reward: uint256) -> (uint256, uint256):
    """
    @notice Pay as much as there is: the deficit first, then the reward inside the limit.
    """
    self.last_market = market
    covered: uint256 = min(deficit, self.cash)
    bonus: uint256 = min(reward, min(self.limit, self.cash - covered))
    self.cash -= covered + bonus
    self.limit -= bonus
    return covered, bonus


@external
@view
def available(market: uint256) -> (uint256, uint256):
    """
    @return what a draw would find [WAD]
    """
    return self.cash, self.limit
