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
from interfaces import IMarkets
from interfaces import IOptions
from interfaces import ISurfaces
from libs import errors
from libs import fee_packing
from libs import fixed_point
from libs import instruments
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
# fee rates are parts of this, and at most 0.1 % of a notional and an eighth of a premium
RATE_ONE: constant(uint256) = 1_000_000
MAX_RATE: constant(uint256) = 1_000
MAX_SHARE: constant(uint256) = 125_000
# how old the price under a band may be [s]; what opens needs a fresher one, which Options asks for
MAX_AGE: constant(uint256) = 60
# where a market opens nothing it has no band, and what is open closes within the least one [WAD]
LEAST_BAND: constant(uint256) = u.WAD // 1_000
# of a trusted price ACTIVE alone is set of these
TRUST_BITS: constant(uint256) = (
    packing.ACTIVE_BIT | packing.PENDING_BIT | packing.UNTRUSTED_BIT
)

OPTIONS: immutable(IOptions)
MARKETS: immutable(IMarkets)
SURFACES: immutable(ISurfaces)


struct Basis:               # what one market's legs are measured by
    market: uint256
    price: uint256          # ticks
    band: uint256           # ticks
    marks: DynArray[uint256, MAX_MARKS]     # ticks, per leg of the order


# IExchange.Fees as libs/fee_packing.vy packs it: a fill reads it once
_fees: uint256


@deploy
def __init__(clearinghouse: address, options: address, surfaces: address, rates: IExchange.Fees):
    """
    @param options predicted, where it does not stand yet
    @custom:reverts "exchange: out of range"
    """
    ownable.__init__()
    ownable_2step.__init__()
    eip712_domain_separator.__init__("Plimsoll Exchange", "1")
    signed_orders.__init__(clearinghouse)
    OPTIONS = IOptions(options)
    MARKETS = IMarkets(staticcall IClearinghouse(clearinghouse).markets())
    SURFACES = ISurfaces(surfaces)
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
    legs: DynArray[IOptions.Leg, MAX_LEGS] = self._legs(maker.order, size, prices)
    self._require_terms(maker.order, legs, -1)
    self._require_terms(taker.order, legs, 1)
    maker_fee: uint256 = 0
    taker_fee: uint256 = 0
    maker_fee, taker_fee = self._judged(legs, maker.order.fee_cap, taker.order.fee_cap)

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
    signed_orders._require_sound(maker)
    signed_orders._require_sound(taker)
    if maker.takes or not taker.takes:
        errors._fail("exchange: wrong roles")
    if block.timestamp > min(maker.deadline, taker.deadline):
        errors._fail("exchange: expired")
    if packing._same_owner(maker.account, taker.account):
        errors._fail("exchange: same owner")
    self._require_accepted(maker.counterparty, taker.account)
    self._require_accepted(taker.counterparty, maker.account)
    if size == 0:
        errors._fail("exchange: no size")
    self._require_mirrored(maker, taker, size)


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
@pure
def _legs(
    maker: IExchange.Order, size: uint256, prices: DynArray[uint256, MAX_LEGS]
) -> DynArray[IOptions.Leg, MAX_LEGS]:
    """
    @return what the taker gets, at the maker's price a leg, or the prices that make his net price
    @custom:reverts "exchange: prices"
    """
    if len(prices) != (len(maker.legs) if maker.by_net else 0):
        errors._fail("exchange: prices")
    legs: DynArray[IOptions.Leg, MAX_LEGS] = []
    for i: uint256 in range(len(maker.legs), bound=MAX_LEGS):
        leg: IExchange.Leg = maker.legs[i]
        lots: int256 = -leg.size
        if len(maker.legs) == 1:
            # at most a size of 63 bits
            lots = convert(size, int256) if leg.size < 0 else -convert(size, int256)
        price: uint256 = leg.price
        if maker.by_net:
            price = prices[i]
            if price > u.MAX_PRICE:
                errors._fail("exchange: prices")
        legs.append(IOptions.Leg(instrument=leg.instrument, size=lots, price=price))
    return legs


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
    self._require_limits(order, legs, side)
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
                held += self._size_in(pair, leg.instrument)
        else:
            for pair: uint256 in dated:
                held += self._size_in(pair, leg.instrument)
        # sizes are int64
        after: int256 = held + side * leg.size
        if after < min(held, 0) or after > max(held, 0):
            errors._fail("exchange: not reducing")


@internal
@pure
def _size_in(pair: uint256, instrument: uint256) -> int256:
    """
    @return [lots] of an instrument in two entries, which hold it once at most
    """
    half: uint256 = packing._place_in(pair, instrument)
    return 0 if half > 1 else packing._leg_size(packing._half(pair, half))


@internal
@pure
def _require_limits(
    order: IExchange.Order, legs: DynArray[IOptions.Leg, MAX_LEGS], side: int256
):
    """
    @notice No leg at a worse price than signed; or all together at no worse a net price, and for
            the maker at no better one than a tick of his smallest leg: the rest is the taker's.
    @param side 1 of the taker, -1 of the maker
    @custom:reverts "exchange: limit", "exchange: net price"
    """
    cost: int256 = 0
    least: int256 = u.MAX_SIZE
    for i: uint256 in range(len(legs), bound=MAX_LEGS):
        leg: IOptions.Leg = legs[i]
        size: int256 = side * leg.size
        # eight products of 63 bits each
        cost += size * convert(leg.price, int256)
        least = min(least, abs(size))
        if order.by_net:
            continue
        limit: uint256 = order.legs[i].price
        if leg.price > limit if size > 0 else leg.price < limit:
            errors._fail("exchange: limit")
    if order.by_net:
        if cost > order.net or (side < 0 and order.net - cost >= least):
            errors._fail("exchange: net price")


@internal
@view
def _judged(
    legs: DynArray[IOptions.Leg, MAX_LEGS], maker_cap: uint256, taker_cap: uint256
) -> (uint256, uint256):
    """
    @notice Hold every leg to the band around its mark and add up the fees.
    @return fee of the maker and of the taker [WAD]
    @custom:reverts "exchange: expired instrument", "exchange: price not trusted",
            "exchange: off the mark", "exchange: fee cap"
    """
    rates: IExchange.Fees = fee_packing._fees(self._fees)
    words: DynArray[uint256, LEG_WORDS] = self._words(legs)
    basis: Basis = empty(Basis)
    maker_fee: uint256 = 0
    taker_fee: uint256 = 0
    for i: uint256 in range(len(legs), bound=MAX_LEGS):
        leg: IOptions.Leg = legs[i]
        expiry: uint256 = instruments._expiry(leg.instrument)
        if expiry != 0 and expiry <= block.timestamp:
            errors._fail("exchange: expired instrument")
        # legs are grouped by market
        if instruments._market(leg.instrument) != basis.market:
            basis = self._basis(instruments._market(leg.instrument), words)
        mark: uint256 = basis.price if expiry == 0 else basis.marks[i]
        if max(leg.price, mark) - min(leg.price, mark) > basis.band:
            errors._fail("exchange: off the mark")

        option: bool = instruments._kind(leg.instrument) >= instruments.CALL
        maker_rate: uint256 = rates.option_maker if option else rates.maker
        taker_rate: uint256 = rates.option_taker if option else rates.taker
        if maker_rate > maker_cap or taker_rate > taker_cap:
            errors._fail("exchange: fee cap")
        share: uint256 = rates.premium_share if option else 0
        maker_fee += self._fee(leg, basis.price, maker_rate, option, share)
        taker_fee += self._fee(leg, basis.price, taker_rate, option, share)
    return maker_fee, taker_fee


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
        marks=staticcall SURFACES.marks(market, price, words),
    )


@internal
@pure
def _words(legs: DynArray[IOptions.Leg, MAX_LEGS]) -> DynArray[uint256, LEG_WORDS]:
    """
    @return the legs two a word, as accounts store them
    """
    words: DynArray[uint256, LEG_WORDS] = []
    for i: uint256 in range(len(legs), bound=MAX_LEGS):
        entry: uint256 = packing._leg(legs[i].instrument, legs[i].size)
        if i % 2 == 0:
            words.append(entry)
        else:
            words[i // 2] = packing._with_half(words[i // 2], i, entry)
    return words


@internal
@pure
def _fee(
    leg: IOptions.Leg, price: uint256, rate: uint256, option: bool, share: uint256
) -> uint256:
    """
    @notice A rate of what changes hands; of an option a rate of its underlying, and no more than a
            share of its premium.
    @return [WAD]
    @custom:rounding up, in favour of the protocol
    """
    # sizes and prices have 63 bits, rates 17
    lots: uint256 = convert(abs(leg.size), uint256)
    value: uint256 = unsafe_mul(lots, leg.price)
    if not option:
        return fixed_point._ceil_div(unsafe_mul(value, rate), RATE_ONE)
    fee: uint256 = fixed_point._ceil_div(unsafe_mul(unsafe_mul(lots, price), rate), RATE_ONE)
    return min(fee, fixed_point._ceil_div(unsafe_mul(value, share), RATE_ONE))


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
