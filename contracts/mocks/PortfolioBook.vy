# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title PortfolioBook: a book in storage that asks PortfolioMargin, as the core will
@license AGPL-3.0-only
@notice Words are read cold and passed in: two legs a slot, one a surface, three a market.
@custom:kill not deployable
"""

from interfaces import IPortfolioMargin

MAX_MARKETS: constant(uint256) = 8
MAX_SURFACES: constant(uint256) = 16
LEG_WORDS: constant(uint256) = 32

ENGINE: immutable(IPortfolioMargin)

# of a market: the price word, the risk word, and funding 64 @128 | spot 64 @64 | oi rate 64 @0
words: uint256[3 * MAX_MARKETS]
surfaces: uint256[MAX_SURFACES]
legs: uint256[LEG_WORDS]
# legs 16 @32 | surfaces 16 @16 | markets 16 @0, in words
counts: uint256


@deploy
def __init__(engine: IPortfolioMargin):
    ENGINE = engine


@external
def store(
    markets: DynArray[IPortfolioMargin.Underlying, MAX_MARKETS],
    surfaces: DynArray[uint256, MAX_SURFACES],
    legs: DynArray[uint256, LEG_WORDS],
):
    """
    @notice Replace the book.
    """
    at: uint256 = 0
    for market: IPortfolioMargin.Underlying in markets:
        funding: uint256 = convert(convert(market.funding, bytes32), uint256) & (2**64 - 1)
        self.words[3 * at] = market.price
        self.words[3 * at + 1] = market.risk | (market.market << 128)
        self.words[3 * at + 2] = (
            (funding << 128) | (convert(market.spot, uint256) << 64) | market.oi_rate
        )
        at += 1
    for i: uint256 in range(len(surfaces), bound=MAX_SURFACES):
        self.surfaces[i] = surfaces[i]
    for i: uint256 in range(len(legs), bound=LEG_WORDS):
        self.legs[i] = legs[i]
    self.counts = (len(legs) << 32) | (len(surfaces) << 16) | at


@external
@view
def check(equity: int256, kappa: uint256) -> IPortfolioMargin.Margin:
    """
    @notice What the engine says of the stored book.
    """
    counts: uint256 = self.counts
    markets: DynArray[IPortfolioMargin.Underlying, MAX_MARKETS] = []
    for i: uint256 in range(counts & 255, bound=MAX_MARKETS):
        risk: uint256 = self.words[3 * i + 1]
        rest: uint256 = self.words[3 * i + 2]
        markets.append(
            IPortfolioMargin.Underlying(
                market=risk >> 128,
                price=self.words[3 * i],
                risk=risk & (2**128 - 1),
                funding=convert(convert(rest << 64, bytes32), int256) >> 192,
                spot=convert((rest >> 64) & (2**64 - 1), int256),
                oi_rate=rest & (2**64 - 1),
            )
        )
    surfaces: DynArray[uint256, MAX_SURFACES] = []
    for i: uint256 in range((counts >> 16) & 255, bound=MAX_SURFACES):
        surfaces.append(self.surfaces[i])
    legs: DynArray[uint256, LEG_WORDS] = []
    for i: uint256 in range(counts >> 32, bound=LEG_WORDS):
        legs.append(self.legs[i])
    return staticcall ENGINE.check(equity, kappa, markets, surfaces, legs)
