# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Portfolio margin of who holds options or futures (R5)
@license AGPL-3.0-only
@notice docs/spec/engine.md#check. The scan over what takes part, Markets for the rest.
@custom:kill not deployable
"""

from interfaces import IMarkets
from interfaces import IOptionsMargin
from interfaces import IPortfolioMargin
from libs import errors
from libs import fixed_point
from libs import instruments
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import scenarios
from libs import units as u
from modules import engine_lines as own

uses: own

MAX_SURFACES: constant(uint256) = 16
# an expiry in the key of a surface stands under its market
KEY_MARKET: constant(uint256) = 2**24
# the expiry of a leg's entry, whose instrument is the upper half
HOURS_AT: constant(uint256) = 2**94


struct Holding:             # of a collateral
    id: uint256
    feed: uint256
    decimals: uint256
    soft: uint256           # 1e-4
    amount: uint256         # atoms


struct Rest:                # what is left for Markets
    word: uint256
    amounts: uint256[4]


@internal
@view
def _taken(
    word: uint256,
    lines: DynArray[own.Line, own.MAX_LINES],
    amounts: uint256[u.AMOUNT_WORDS],
    extra: own.Extra,
) -> (Rest, uint256[own.MAX_LINES], own.Extra):
    """
    @notice Take the collateral of scanned markets out of the words: it is spot, without a haircut.
    @return the words without it, its lots by line, and the sums with what it adds
    @custom:rounding lots down; what is above the soft cap counts for nothing in IM, up
    """
    sums: own.Extra = extra
    spots: uint256[own.MAX_LINES] = empty(uint256[own.MAX_LINES])
    rest: Rest = empty(Rest)
    rest.word = packing._without_collaterals(word)
    for i: uint256 in range(packing._collateral_count(word), bound=u.MAX_COLLATERALS):
        holding: Holding = self._holding(packing._collateral_id(word, i), amounts, i)
        at: uint256 = 0
        for k: uint256 in range(len(lines), bound=own.MAX_LINES):
            if lines[k].market == holding.feed:
                break
            at += 1
        if at == len(lines) or not lines[at].scanned:
            rest = self._with_holding(rest, holding)
            continue
        lots: uint256 = holding.amount * u.LOTS_PER_UNIT // 10**holding.decimals
        spots[at] += lots
        value: uint256 = lots * market_packing._price(lines[at].price)
        sums.kappa += min(own.KAPPA_COLLATERAL, value)
        sums.im += fixed_point._ceil_div(value * (u.SOFT_ONE - holding.soft), u.SOFT_ONE)
    return rest, spots, sums


@internal
@view
def _facts(
    rest: Rest,
    spots: uint256[own.MAX_LINES],
    held: DynArray[uint256, own.WORDS],
    lines: DynArray[own.Line, own.MAX_LINES],
    extra: own.Extra,
) -> IOptionsMargin.Facts:
    """
    @notice R5: Markets answers for what takes no part, the scan for the rest.
    @return what the scan is told, and what Markets says
    """
    sums: own.Extra = extra
    legs: uint256[u.LEG_WORDS] = empty(uint256[u.LEG_WORDS])
    at: uint256 = 0
    for line: own.Line in lines:
        size: int256 = 0 if line.scanned else line.perp
        entry: uint256 = packing._leg(packing._perp(line.market), size)
        legs[at // 2] = packing._with_half(legs[at // 2], at, entry)
        at += 1
    health: IMarkets.Health = staticcall own.MARKETS.check(
        packing._with_leg_count(rest.word, len(lines)), legs, rest.amounts
    )

    markets: DynArray[IPortfolioMargin.Underlying, own.MAX_SCANNED] = []
    perps: DynArray[uint256, own.MAX_SCANNED] = []
    for k: uint256 in range(len(lines), bound=own.MAX_LINES):
        if not lines[k].scanned:
            continue
        markets = self._in_order(markets, self._underlying(lines[k], spots[k]))
        sums = self._with_doubt(sums, lines[k], spots[k])
        if lines[k].perp != 0:
            perps.append(packing._leg(packing._perp(lines[k].market), lines[k].perp))
            price: int256 = convert(market_packing._price(lines[k].price), int256)
            sums.unsettled += lines[k].perp * (price - lines[k].funding)
    scanned: DynArray[uint256, own.WORDS] = []
    surfaces: DynArray[uint256, MAX_SURFACES] = []
    scanned, surfaces, sums = self._scanned(held, markets, sums)
    for perp: uint256 in perps:
        scanned = self._appended(scanned, perp)
    return IOptionsMargin.Facts(
        health=own._total(health, sums), markets=markets, surfaces=surfaces, legs=scanned
    )


@internal
@view
def _underlying(line: own.Line, spot: uint256) -> IPortfolioMargin.Underlying:
    """
    @notice What the scan is told of a market; of open interest, what it adds to the rate of a leg.
    """
    capped: margin_math.Rates = margin_math._rates(line.price, line.state, 0, 0, False)
    plain: margin_math.Rates = margin_math._rates(line.price, line.state, 0, 0, True)
    return IPortfolioMargin.Underlying(
        market=line.market,
        price=line.price,
        risk=own.risks[line.market],
        funding=line.funding,
        spot=convert(spot, int256),
        oi_rate=max(capped.im, plain.im) - plain.im,
    )


@internal
@view
def _in_order(
    markets: DynArray[IPortfolioMargin.Underlying, own.MAX_SCANNED],
    market: IPortfolioMargin.Underlying,
) -> DynArray[IPortfolioMargin.Underlying, own.MAX_SCANNED]:
    """
    @notice Put a market behind those of its group and of lower ones.
    """
    changed: DynArray[IPortfolioMargin.Underlying, own.MAX_SCANNED] = markets
    changed.append(market)
    at: uint256 = len(markets)
    for i: uint256 in range(len(markets), bound=own.MAX_SCANNED):
        if scenarios._group(changed[at - 1].risk) <= scenarios._group(market.risk):
            break
        changed[at] = changed[at - 1]
        changed[at - 1] = market
        at -= 1
    return changed


@internal
@view
def _with_doubt(sums: own.Extra, line: own.Line, spot: uint256) -> own.Extra:
    """
    @notice What a dead feed adds (R9): twice the base to every leg, its haircut to spot; spot of an
            invalid one counts for nothing in IM.
    """
    changed: own.Extra = sums
    price: uint256 = market_packing._price(line.price)
    value: uint256 = spot * price
    decay: uint256 = own._decay(line.price)
    if decay != 0:
        rate: uint256 = min(margin_math._dead_rate(line.state, decay), u.WAD)
        charge: uint256 = fixed_point._mul_up(line.gross * price, rate)
        charge += fixed_point._mul_up(value, decay)
        changed.mm += charge
        changed.ims += charge
        changed.im += charge
    publish: uint256 = market_packing._publish_time(line.price)
    flags: uint256 = market_packing._price_flags(line.price)
    if block.timestamp > publish + own.AGE_IM or flags & (packing.PENDING | packing.UNTRUSTED) != 0:
        changed.im += value
    return changed


@internal
@view
def _scanned(
    held: DynArray[uint256, own.WORDS],
    markets: DynArray[IPortfolioMargin.Underlying, own.MAX_SCANNED],
    extra: own.Extra,
) -> (DynArray[uint256, own.WORDS], DynArray[uint256, MAX_SURFACES], own.Extra):
    """
    @return the legs of the scan but perps, the surfaces of their expiries, and the sums with what
            expired and with what futures add to U
    """
    legs: DynArray[uint256, own.WORDS] = []
    surfaces: DynArray[uint256, MAX_SURFACES] = []
    keys: DynArray[uint256, MAX_SURFACES] = []
    sums: own.Extra = extra
    now: uint256 = block.timestamp // u.HOUR
    # a leg of the scan that waits for the other one of its word
    waiting: uint256 = 0
    at: uint256 = 0
    for pair: uint256 in held:
        for half: uint256 in range(2):
            entry: uint256 = (
                pair & packing.MASK_128 if half == 0 else pair // packing.UPPER_HALF_AT
            )
            if entry == 0:
                continue
            market: uint256 = entry // packing.LEG_MARKET_AT
            hours: uint256 = (entry // HOURS_AT) & instruments.EXPIRY_MASK
            if hours <= now:
                price: uint256 = self._price_of(markets, market)
                instrument: uint256 = packing._leg_instrument(entry)
                sums = own._expired(sums, instrument, packing._leg_size(entry), price)
                continue
            if waiting == 0:
                waiting = entry
            else:
                legs.append(waiting | (entry * packing.UPPER_HALF_AT))
                waiting = 0
            # market and expiry, as a surface word has them on top
            key: uint256 = market * KEY_MARKET + hours
            # legs of an expiry are often neighbours
            if at == len(keys) or keys[at] != key:
                at = 0
                for k: uint256 in range(len(keys), bound=MAX_SURFACES):
                    if keys[k] == key:
                        break
                    at += 1
            if at == len(keys):
                if at == MAX_SURFACES:
                    errors._fail("engine: no room")
                keys.append(key)
                surfaces.append(staticcall own.SURFACES.surface(market, hours))
            if entry & own.OPTION_BIT == 0:
                price: uint256 = self._price_of(markets, market)
                forward: uint256 = self._forward(surfaces[at], price, hours * u.HOUR)
                sums.unsettled += packing._leg_size(entry) * convert(forward, int256)
    if waiting != 0:
        legs.append(waiting)
    return legs, surfaces, sums


@internal
@pure
def _appended(legs: DynArray[uint256, own.WORDS], entry: uint256) -> DynArray[uint256, own.WORDS]:
    """
    @custom:reverts "engine: no room"
    """
    changed: DynArray[uint256, own.WORDS] = legs
    last: uint256 = len(legs)
    if last != 0 and legs[last - 1] <= packing.MASK_128:
        changed[last - 1] = packing._with_half(legs[last - 1], 1, entry)
    else:
        if last == own.WORDS:
            errors._fail("engine: no room")
        changed.append(entry)
    return changed


@internal
@pure
def _price_of(
    markets: DynArray[IPortfolioMargin.Underlying, own.MAX_SCANNED], market: uint256
) -> uint256:
    """
    @return [ticks] of a market of the scan, as are all that have legs at the engine
    """
    for k: uint256 in range(len(markets), bound=own.MAX_SCANNED):
        if markets[k].market == market:
            return market_packing._price(markets[k].price)
    return 0


@internal
@view
def _forward(surface: uint256, price: uint256, expires: uint256) -> uint256:
    """
    @return [ticks] the mark of a future, as the scan has it
    """
    if surface == 0:
        return price
    publish: uint256 = (surface // own.PUBLISHED_AT) & packing.MASK_32
    return scenarios._forward(surface, price, expires - block.timestamp, publish, expires)


@internal
@view
def _holding(id: uint256, amounts: uint256[u.AMOUNT_WORDS], index: uint256) -> Holding:
    holding: Holding = empty(Holding)
    haircuts: uint256[2] = empty(uint256[2])
    holding.id = id
    holding.amount = packing._half(amounts[index // 2], index)
    holding.feed, holding.decimals, haircuts[0], haircuts[1], holding.soft = (
        staticcall own.MARKETS.collateral_params(id)
    )
    return holding


@internal
@pure
def _with_holding(rest: Rest, holding: Holding) -> Rest:
    changed: Rest = rest
    at: uint256 = packing._collateral_count(rest.word)
    changed.amounts[at // 2] = packing._with_half(rest.amounts[at // 2], at, holding.amount)
    changed.word = packing._with_collateral_count(
        packing._with_collateral_id(rest.word, at, holding.id), at + 1
    )
    return changed
