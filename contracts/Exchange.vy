# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Exchange: signed orders of options, futures and perps, matched by anyone
@license AGPL-3.0-only
@notice docs/spec/exchange.md. Judges signatures, terms, prices and fees; what moves is moved by
        Options, whose venue this is, and which holds both sides to R2. Holds nothing.
        Module: signed_orders (who signed, and how much is left).
@custom:kill Options takes it off as its venue; owners cancel their orders here at any time
"""

from interfaces import IClearinghouse
from interfaces import IExchange
from interfaces import ILiquidator
from interfaces import ILiquidityPool
from interfaces import IMarkets
from interfaces import IOptions
from interfaces import ISurfaces
from libs import errors
from libs import fee_packing
from libs import instruments
from libs import order_terms
from libs import packing
from libs import units as u
from modules import signed_orders
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator

implements: IExchange

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712_domain_separator
initializes: signed_orders[eip712_domain_separator := eip712_domain_separator]

exports: eip712_domain_separator.eip712Domain
exports: (
    signed_orders.cancel,
    signed_orders.order_hash,
    signed_orders.remaining,
    signed_orders.nonces,
)
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

MAX_LEGS: constant(uint256) = 8
LEG_WORDS: constant(uint256) = 32
MAX_MARKS: constant(uint256) = 64
# fee rates are at most 0.1 % of a notional and an eighth of a premium [1e-6]
MAX_RATE: constant(uint256) = 1_000
MAX_SHARE: constant(uint256) = 125_000
# how old the price under a band may be [s]; what opens needs a fresher one, which Options asks for
MAX_AGE: constant(uint256) = 60
# where a market opens nothing it has no band, and what is open closes within the least one [WAD]
LEAST_BAND: constant(uint256) = u.WAD // 1_000
# for whom a price is worse than the pool's
TAKERS: constant(uint256) = 1
MAKERS: constant(uint256) = 2
# of a trusted price ACTIVE alone is set of these
TRUST_BITS: constant(uint256) = (
    packing.ACTIVE_BIT | packing.PENDING_BIT | packing.UNTRUSTED_BIT
)

OPTIONS: immutable(IOptions)
MARKETS: immutable(IMarkets)
SURFACES: immutable(ISurfaces)
LIQUIDATOR: immutable(ILiquidator)
POOL: immutable(ILiquidityPool)


struct Basis:               # what one market's legs are measured by
    market: uint256
    price: uint256          # ticks
    band: uint256           # ticks
    asked: bool             # whether the pool has been, for
    worst: uint256          # ticks from the mark, the most that its own price is
    marks: DynArray[uint256, MAX_MARKS]     # ticks, per leg of the order


# IExchange.Fees as libs/fee_packing.vy packs it: a fill reads it once
_fees: uint256


@deploy
def __init__(
    clearinghouse: address,
    options: address,
    surfaces: address,
    liquidator: address,
    pool: address,
    rates: IExchange.Fees,
):
    """
    @param options predicted, where it does not stand yet
    @param liquidator whose clocks say what a close may cost
    @param pool whose worst price bounds what an account under MM may agree to
    @custom:reverts "exchange: out of range"
    """
    ownable.__init__()
    ownable_2step.__init__()
    eip712_domain_separator.__init__("Plimsoll Exchange", "1")
    signed_orders.__init__(clearinghouse)
    OPTIONS = IOptions(options)
    MARKETS = IMarkets(staticcall IClearinghouse(clearinghouse).markets())
    SURFACES = ISurfaces(surfaces)
    LIQUIDATOR = ILiquidator(liquidator)
    POOL = ILiquidityPool(pool)
    self._set_fees(rates)


# ---- external -----------------------------------------------------------------------------------


@external
def fill(
    maker: IExchange.Signed,
    taker: IExchange.Signed,
    size: uint256,
    prices: DynArray[uint256, MAX_LEGS],
    reports: Bytes[2048] = b"",
) -> bytes32:
    """
    @notice Match two orders, at the maker's price. Anyone, where both are signed; a taker who calls
            himself, or through a hand that answers for him, signs nothing and spends no nonce.
    @param size [lots of the first leg] all of an order of several legs
    @param prices [ticks] one a leg where the maker signed a net price, else none
    @param reports a price update to begin with (docs/spec/oracle.md#blob), or nothing
    @return the maker's order
    @custom:reverts "exchange: …", as Markets.update, and whatever Options refuses
    """
    self._require_pair(maker.order, taker.order, size)
    maker_id: bytes32 = signed_orders._hash(maker.order)
    taker_id: bytes32 = signed_orders._hash(taker.order)
    signed_orders._require_signed(maker.order.account, maker_id, maker.signature)
    direct: bool = self._is_direct(taker.order.account)
    if not direct:
        signed_orders._require_signed(taker.order.account, taker_id, taker.signature)

    if len(reports) != 0:
        extcall MARKETS.update(reports)
    legs: DynArray[IOptions.Leg, MAX_LEGS] = order_terms._legs(maker.order, size, prices)
    self._require_terms(maker.order, legs, -1)
    self._require_terms(taker.order, legs, 1)
    maker_fee: uint256 = 0
    taker_fee: uint256 = 0
    worse: uint256 = 0
    maker_fee, taker_fee, worse = self._judged(legs, maker.order.fee_cap, taker.order.fee_cap)
    if worse & TAKERS != 0:
        self._require_standing(taker.order.account)
    if worse & MAKERS != 0:
        self._require_standing(maker.order.account)

    signed_orders._spend(maker.order, maker_id, size)
    if not direct:
        signed_orders._spend(taker.order, taker_id, size)

    log IExchange.Filled(
        maker=maker.order.account,
        taker=taker.order.account,
        maker_order=maker_id,
        taker_order=taker_id,
        size=size,
        legs=legs,
        maker_fee=maker_fee,
        taker_fee=taker_fee,
        caller=msg.sender,
    )

    extcall OPTIONS.trade(
        IOptions.Fill(
            taker=taker.order.account,
            maker=maker.order.account,
            legs=legs,
            taker_fee=taker_fee,
            maker_fee=maker_fee,
        )
    )
    return maker_id


@external
def close(
    account: uint256, maker: IExchange.Signed, size: uint256, reports: Bytes[2048] = b""
) -> bytes32:
    """
    @notice Fill a maker's order of one leg against an account under MM, whose owner is not asked:
            how a market maker bids for a liquidation. Anyone.
    @param account gets what the maker's order gives, at its price, and pays no fee
    @param size [lots]
    @param reports as of fill
    @return the maker's order
    @custom:source docs/spec/exchange.md#close
    @custom:reverts "exchange: one leg" and the others of fill, as Markets.update, and whatever
            Options.close refuses
    """
    self._require_resting(maker.order, account, size)
    if len(maker.order.legs) != 1:
        errors._fail("exchange: one leg")
    maker_id: bytes32 = signed_orders._hash(maker.order)
    signed_orders._require_signed(maker.order.account, maker_id, maker.signature)

    if len(reports) != 0:
        extcall MARKETS.update(reports)
    legs: DynArray[IOptions.Leg, MAX_LEGS] = order_terms._legs(maker.order, size, [])
    self._require_terms(maker.order, legs, -1)
    maker_fee: uint256 = self._judged(legs, maker.order.fee_cap, MAX_RATE)[0]
    concession: uint256 = staticcall LIQUIDATOR.concession(account)

    signed_orders._spend(maker.order, maker_id, size)

    log IExchange.Closed(
        account=account,
        maker=maker.order.account,
        maker_order=maker_id,
        instrument=legs[0].instrument,
        size=legs[0].size,
        price=legs[0].price,
        maker_fee=maker_fee,
        concession=concession,
        caller=msg.sender,
    )

    extcall OPTIONS.close(
        IOptions.Fill(
            taker=account,
            maker=maker.order.account,
            legs=legs,
            taker_fee=0,
            maker_fee=maker_fee,
        ),
        concession,
    )
    return maker_id


@external
def set_fees(rates: IExchange.Fees):
    """
    @param rates [1e-6] at most 1,000 each, and the share of a premium at most 125,000
    @custom:reverts "exchange: out of range", unless the owner calls
    """
    ownable._check_owner()

    self._set_fees(rates)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def fees() -> IExchange.Fees:
    """
    @return [1e-6]
    """
    return fee_packing._fees(self._fees)


# ---- the two orders -----------------------------------------------------------------------------


@internal
@view
def _require_pair(maker: IExchange.Order, taker: IExchange.Order, size: uint256):
    """
    @notice One rests and one takes, of two owners who accept each other, in time, with the same
            legs the other way round.
    @custom:reverts "exchange: bad order", "exchange: wrong roles", "exchange: expired",
            "exchange: same owner", "exchange: counterparty", "exchange: legs differ",
            "exchange: all or nothing", "exchange: no size"
    """
    signed_orders._require_sound(taker)
    self._require_resting(maker, taker.account, size)
    if not taker.takes:
        errors._fail("exchange: wrong roles")
    if block.timestamp > taker.deadline:
        errors._fail("exchange: expired")
    self._require_accepted(taker.counterparty, maker.account)
    self._require_mirrored(maker, taker, size)


@internal
@view
def _require_resting(maker: IExchange.Order, account: uint256, size: uint256):
    """
    @notice An order that rests, in time, and accepts whose account is the other side.
    """
    signed_orders._require_sound(maker)
    if maker.takes:
        errors._fail("exchange: wrong roles")
    if block.timestamp > maker.deadline:
        errors._fail("exchange: expired")
    if packing._same_owner(maker.account, account):
        errors._fail("exchange: same owner")
    self._require_accepted(maker.counterparty, account)
    if size == 0:
        errors._fail("exchange: no size")


@internal
@pure
def _require_accepted(counterparty: address, account: uint256):
    if counterparty != empty(address) and counterparty != packing._owner(account):
        errors._fail("exchange: counterparty")


@internal
@pure
def _require_mirrored(maker: IExchange.Order, taker: IExchange.Order, size: uint256):
    """
    @notice Single legs go against each other in part; several are of the same sizes, and go whole.
    """
    if len(maker.legs) != len(taker.legs):
        errors._fail("exchange: legs differ")
    several: bool = len(maker.legs) > 1
    for i: uint256 in range(len(maker.legs), bound=MAX_LEGS):
        a: IExchange.Leg = maker.legs[i]
        b: IExchange.Leg = taker.legs[i]
        # sound sizes have an opposite
        opposite: bool = b.size == -a.size if several else (b.size > 0) != (a.size > 0)
        if a.instrument != b.instrument or not opposite:
            errors._fail("exchange: legs differ")
    if several and size != signed_orders._whole(maker):
        errors._fail("exchange: all or nothing")
    if size > min(signed_orders._whole(maker), signed_orders._whole(taker)):
        errors._fail("exchange: too much")


@internal
@view
def _is_direct(account: uint256) -> bool:
    """
    @return whether the caller is the account's owner, or a hand that answers for him
    """
    return msg.sender == packing._owner(account) or signed_orders._answers(msg.sender)


# ---- price --------------------------------------------------------------------------------------


@internal
@view
def _require_terms(
    order: IExchange.Order, legs: DynArray[IOptions.Leg, MAX_LEGS], side: int256
):
    """
    @notice What a signer said of prices and sizes.
    @param side 1 of the taker, -1 of the maker
    @custom:reverts "exchange: limit", "exchange: net price", "exchange: not reducing"
    """
    order_terms._require_limits(order, legs, side)
    if order.reduce_only:
        self._require_reducing(order.account, legs, side)


@internal
@view
def _require_reducing(
    account: uint256, legs: DynArray[IOptions.Leg, MAX_LEGS], side: int256
):
    """
    @notice Every leg goes toward zero and not across it: perps are the core's, the rest is held
            by Options. Nobody is called between this and the trade.
    """
    word: uint256 = 0
    perps: uint256[u.LEG_WORDS] = empty(uint256[u.LEG_WORDS])
    amounts: uint256[u.AMOUNT_WORDS] = empty(uint256[u.AMOUNT_WORDS])
    word, perps, amounts = staticcall signed_orders.CLEARINGHOUSE.account_words(account)
    dated: DynArray[uint256, LEG_WORDS] = staticcall OPTIONS.account_legs(account)
    for leg: IOptions.Leg in legs:
        held: int256 = 0
        if instruments._kind(leg.instrument) == instruments.PERP:
            for pair: uint256 in perps:
                held += order_terms._size_in(pair, leg.instrument)
        else:
            for pair: uint256 in dated:
                held += order_terms._size_in(pair, leg.instrument)
        # sizes are int64
        after: int256 = held + side * leg.size
        if after < min(held, 0) or after > max(held, 0):
            errors._fail("exchange: not reducing")


@internal
@view
def _judged(
    legs: DynArray[IOptions.Leg, MAX_LEGS], maker_cap: uint256, taker_cap: uint256
) -> (uint256, uint256, uint256):
    """
    @notice Hold every leg to the band around its mark and add up the fees.
    @return fee of the maker and of the taker [WAD]; TAKERS, MAKERS or both: for whom a leg's price
            is worse than the pool's worst one
    @custom:reverts "exchange: expired instrument", "exchange: price not trusted",
            "exchange: off the mark", "exchange: fee cap"
    """
    rates: IExchange.Fees = fee_packing._fees(self._fees)
    words: DynArray[uint256, LEG_WORDS] = order_terms._words(legs)
    basis: Basis = empty(Basis)
    maker_fee: uint256 = 0
    taker_fee: uint256 = 0
    worse: uint256 = 0
    for i: uint256 in range(len(legs), bound=MAX_LEGS):
        leg: IOptions.Leg = legs[i]
        expiry: uint256 = instruments._expiry(leg.instrument)
        if expiry != 0 and expiry <= block.timestamp:
            errors._fail("exchange: expired instrument")
        # legs are grouped by market
        if instruments._market(leg.instrument) != basis.market:
            basis = self._basis(instruments._market(leg.instrument), words)
        mark: uint256 = basis.price if expiry == 0 else basis.marks[i]
        off: uint256 = max(leg.price, mark) - min(leg.price, mark)
        if off > basis.band:
            errors._fail("exchange: off the mark")
        if off != 0:
            if not basis.asked:
                basis.asked = True
                basis.worst = order_terms._worst(staticcall POOL.params(basis.market), basis.price)
            if off > basis.worst:
                # who pays more than the mark, or gets less
                worse |= TAKERS if (leg.price > mark) == (leg.size > 0) else MAKERS

        option: bool = instruments._kind(leg.instrument) >= instruments.CALL
        maker_rate: uint256 = rates.option_maker if option else rates.maker
        taker_rate: uint256 = rates.option_taker if option else rates.taker
        if maker_rate > maker_cap or taker_rate > taker_cap:
            errors._fail("exchange: fee cap")
        share: uint256 = rates.premium_share if option else 0
        maker_fee += order_terms._fee(leg, basis.price, maker_rate, option, share)
        taker_fee += order_terms._fee(leg, basis.price, taker_rate, option, share)
    return maker_fee, taker_fee, worse


@internal
@view
def _require_standing(account: uint256):
    """
    @notice Under MM nobody agrees to a price that the pool would not give (R2).
    @custom:reverts "exchange: beyond the pool"
    """
    health: IMarkets.Health = staticcall signed_orders.CLEARINGHOUSE.health(account)
    if health.equity < convert(health.mm, int256):
        errors._fail("exchange: beyond the pool")


@internal
@view
def _basis(market: uint256, words: DynArray[uint256, LEG_WORDS]) -> Basis:
    """
    @notice Price, band and marks of a market, asked once.
    """
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall MARKETS.market_words(market)
    publish: uint256 = price_word // packing.PUBLISH_AT & packing.MASK_32
    if price_word & TRUST_BITS != packing.ACTIVE_BIT or block.timestamp > publish + MAX_AGE:
        errors._fail("exchange: price not trusted")
    price: uint256 = price_word // packing.P_AT

    furthest: uint256 = 0
    widest: uint256 = 0
    band: uint256 = 0
    furthest, widest, band = staticcall SURFACES.bounds(market)
    return Basis(
        market=market,
        price=price,
        band=price * max(band, LEAST_BAND) // u.WAD,
        asked=False,
        worst=0,
        marks=staticcall SURFACES.marks(market, price, words),
    )


# ---- fees ---------------------------------------------------------------------------------------


@internal
def _set_fees(rates: IExchange.Fees):
    highest: uint256 = max(
        max(rates.maker, rates.taker), max(rates.option_maker, rates.option_taker)
    )
    if highest > MAX_RATE or rates.premium_share > MAX_SHARE:
        errors._fail("exchange: out of range")
    old: IExchange.Fees = fee_packing._fees(self._fees)
    self._fees = fee_packing._word(rates)

    log IExchange.FeesSet(old=old, new=rates)
