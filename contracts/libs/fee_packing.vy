# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Fees of the Exchange in one word
@license AGPL-3.0-only
@notice `maker 24 @0 | taker 24 @24 | option_maker 24 @48 | option_taker 24 @72
        | premium_share 24 @96`, rates in 1e-6: a fill reads one cold slot instead of five.
@custom:kill not deployable
"""

from interfaces import IExchange

MASK_24: constant(uint256) = 2**24 - 1
TAKER_AT: constant(uint256) = 2**24
OPTION_MAKER_AT: constant(uint256) = 2**48
OPTION_TAKER_AT: constant(uint256) = 2**72
SHARE_AT: constant(uint256) = 2**96


@internal
@pure
def _word(rates: IExchange.Fees) -> uint256:
    """
    @param rates each below 2^24
    """
    return (
        rates.maker
        | rates.taker * TAKER_AT
        | rates.option_maker * OPTION_MAKER_AT
        | rates.option_taker * OPTION_TAKER_AT
        | rates.premium_share * SHARE_AT
    )


@internal
@pure
def _fees(word: uint256) -> IExchange.Fees:
    return IExchange.Fees(
        maker=word & MASK_24,
        taker=word // TAKER_AT & MASK_24,
        option_maker=word // OPTION_MAKER_AT & MASK_24,
        option_taker=word // OPTION_TAKER_AT & MASK_24,
        premium_share=word // SHARE_AT,
    )
