"""Options and dated futures in the parameter files and in the steps of a deployment.

Every deployment has the engine, for an account could otherwise never get it; a market has options
where it has terms for them, which an owner may add later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from typing import Any

from scripts.deployment import quantities as q
from scripts.deployment.errors import ParameterError
from scripts.deployment.models import (
    ExchangeFees,
    MarketParams,
    OptionTerms,
    Parameters,
    RiskArray,
)
from scripts.deployment.quantities import WAD
from scripts.deployment.runner import Site, Step

# in the order of their creation, behind Markets; Options last, since it knows the Clearinghouse
AHEAD = ("Surfaces", "Expiries", "PortfolioMargin", "OptionsMargin")
ENGINE = "Options"
EXCHANGE = "Exchange"
BEHIND = (EXCHANGE, "OptionLens", "PortfolioRows", "MarginLens", "BatchLens")
OWNED = ("Surfaces", "OptionsMargin", ENGINE, EXCHANGE)
LOTS_PER_UNIT = 10**8
DAY = 86_400
# of ranges and rates in terms, and of fees
RATE = 10**4
FEE = 10**6
GROUPS = 4
SCAN = ("steps", "extremes", "up", "down", "rho")
FEES = tuple(entry.name for entry in fields(ExchangeFees))
TERMS = tuple(entry.name for entry in fields(OptionTerms))

Node = Mapping[str, Any]


# ---- read ----------------------------------------------------------------------------------------


def terms(node: Node, where: str) -> OptionTerms:
    """Return a market's terms of options.

    Raises:
        ParameterError: an entry is missing or cannot be stored.
    """
    part = {name: _parts(node.get(name), RATE, f"{where}.{name}") for name in RATES}
    return OptionTerms(
        cap=q.whole(node.get("cap"), f"{where}.cap") * LOTS_PER_UNIT,
        group=q.whole(node.get("group"), f"{where}.group"),
        furthest=q.seconds(node.get("furthest"), f"{where}.furthest"),
        widest=q.whole(node.get("widest"), f"{where}.widest"),
        band=q.ratio(node.get("band"), f"{where}.band"),
        **part,
    )


RATES = ("range_min", "range_vol", "som", "spread")


def scan(node: Node) -> RiskArray:
    """Return the rows of portfolio margin: `steps` nodes either way, and extremes with weights.

    Raises:
        ParameterError: an entry is missing or has another form.
    """
    steps = q.whole(node.get("steps"), "scan.steps")
    if steps < 1:
        raise ParameterError("scan.steps: is not above zero")
    inner = WAD // steps
    up = [*(inner * step for step in range(1, steps)), WAD]
    rows = _pairs(node.get("extremes"), "scan.extremes")
    return RiskArray(
        nodes=(*(-move for move in reversed(up)), 0, *up),
        extremes=tuple(node for node, _ in rows),
        weights=tuple(weight for _, weight in rows),
        up=q.ratio(node.get("up"), "scan.up"),
        down=q.ratio(node.get("down"), "scan.down"),
        rhos=tuple(q.ratio(rho, "scan.rho") for rho in _list(node.get("rho"), "scan.rho")),
    )


def fees(node: Node) -> ExchangeFees:
    """Return the Exchange's fees [1e-6]."""
    return ExchangeFees(**{name: _parts(node.get(name), FEE, f"exchange.{name}") for name in FEES})


def _parts(value: Any, one: int, where: str) -> int:
    """Return a ratio in parts of 1/one, exactly."""
    parts, rest = divmod(q.ratio(value, where), WAD // one)
    if rest:
        raise ParameterError(f"{where}: {value!r} has more digits than can be stored")
    return parts


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ParameterError(f"{where}: is not a list")
    return value


def _pairs(value: Any, where: str) -> list[tuple[int, int]]:
    pairs = [_list(row, where) for row in _list(value, where)]
    if any(len(pair) != len(("node", "weight")) for pair in pairs):
        raise ParameterError(f"{where}: a row is not [node, weight]")
    return [(q.ratio(node, where), q.ratio(weight, where)) for node, weight in pairs]


# ---- ranges, as in OptionsMargin.set_risk, Surfaces.set_bounds, risk_array and Exchange ----------


def faults(parameters: Parameters) -> Iterator[str]:
    """Return a sentence for each entry that the contracts would refuse."""
    array = parameters.scan
    if len(array.rhos) != GROUPS or not all(0 <= rho <= 6 * WAD // 10 for rho in array.rhos):
        yield f"scan.rho: is not {GROUPS} numbers from 0 to 60 %"
    if len(array.nodes) > 9 or len(array.extremes) > 8:
        yield "scan: has more than 4 steps, or more than 8 extremes"
    if max(parameters.exchange_fees.rates) > 1_000:
        yield "exchange: a fee is above 0.1 %"
    if parameters.exchange_fees.premium_share > FEE // 8:
        yield "exchange.premium_share: is above 12.5 %"
    for market in parameters.markets.values():
        if market.options is not None:
            yield from _faults(market, market.options)


def _faults(market: MarketParams, said: OptionTerms) -> Iterator[str]:
    where = f"markets.{market.symbol}.options"
    bounds = {
        "cap": (0, 2**56),
        "group": (0, GROUPS - 1),
        "range_min": (500, 10_000),
        "range_vol": (500, 10_000),
        "som": (0, 2_000),
        "spread": (0, 2_000),
        "furthest": (DAY, 730 * DAY),
        "widest": (2, 10),
        "band": (WAD // 1_000, market.margin.mm_ratio * market.margin.base // WAD),
    }
    for name, (low, high) in bounds.items():
        if not low <= getattr(said, name) <= high:
            yield f"{where}.{name}: {getattr(said, name)} is not between {low} and {high}"


# ---- deploy --------------------------------------------------------------------------------------


def _surfaces(site: Site) -> tuple[object, ...]:
    return (site.record.address("Markets"),)


def _scan(site: Site) -> tuple[object, ...]:
    return (site.parameters.scan,)


def _margin(site: Site) -> tuple[object, ...]:
    return _at(site, "Markets", "Surfaces", "Expiries", "PortfolioMargin")


def _engine(site: Site) -> tuple[object, ...]:
    return _at(site, "Clearinghouse", "Markets", "Surfaces", "OptionsMargin", "Expiries")


def _exchange(site: Site) -> tuple[object, ...]:
    places = _at(site, "Clearinghouse", ENGINE, "Surfaces", "Liquidator", "LiquidityPool")
    return (*places, site.parameters.exchange_fees)


def _lens(site: Site) -> tuple[object, ...]:
    return _at(site, "Clearinghouse", ENGINE, "Surfaces", "Expiries")


def _margin_lens(site: Site) -> tuple[object, ...]:
    names = ("Clearinghouse", ENGINE, "OptionsMargin", "Surfaces", "Expiries", "PortfolioRows")
    return _at(site, *names)


def _batch_lens(site: Site) -> tuple[object, ...]:
    places = _at(site, "Clearinghouse", ENGINE, "OptionsMargin", "PortfolioRows")
    return (*places, site.parameters.scan)


def _at(site: Site, *names: str) -> tuple[object, ...]:
    return tuple(site.record.address(name) for name in names)


ARGUMENTS: Mapping[str, Callable[[Site], tuple[object, ...]]] = {
    "Surfaces": _surfaces,
    "Expiries": _surfaces,
    "PortfolioMargin": _scan,
    "OptionsMargin": _margin,
    ENGINE: _engine,
    EXCHANGE: _exchange,
    "OptionLens": _lens,
    "PortfolioRows": _scan,
    "MarginLens": _margin_lens,
    "BatchLens": _batch_lens,
}


# ---- configure -----------------------------------------------------------------------------------


def steps(parameters: Parameters) -> Iterator[Step]:
    """Return the steps that open markets for options and let the Exchange bring fills."""
    for market in parameters.markets.values():
        if market.options is not None:
            yield from _market(market, market.options)
    yield _venue()
    yield _fees()


def risk_word(said: OptionTerms) -> int:
    """Return a market's risk word: docs/spec/portfolio-margin.md#inputs."""
    parts = (said.group, said.spread, said.som, said.range_vol, said.range_min)
    return sum(part << shift for part, shift in zip(parts, RISK_SHIFTS, strict=True))


RISK_SHIFTS = (64, 48, 32, 16, 0)
RISK_MASK = 2**16 - 1
NONE = OptionTerms(0, 0, 0, 0, 0, 0, 0, 0, 0)


def found(site: Site, market: int) -> OptionTerms:
    """Return the terms that the chain has for a market; nothing where it has none."""
    word = site.contract("OptionsMargin").read("risk", market)
    group, spread, som, range_vol, range_min = (word >> at & RISK_MASK for at in RISK_SHIFTS)
    bounds = site.contract("Surfaces").read("bounds", market)
    cap = site.contract(ENGINE).read("market_terms", market)[0]
    return OptionTerms(cap, group, range_min, range_vol, som, spread, *bounds)


def _market(market: MarketParams, said: OptionTerms) -> Iterator[Step]:
    key, symbol = market.id, market.symbol
    bounds = (True, said.furthest, said.widest, said.band)

    def set_risk(site: Site) -> None:
        risk = (said.group, [said.range_min, said.range_vol], said.som, said.spread)
        site.send(site.contract("OptionsMargin"), "set_risk", key, *risk)

    def bounded(site: Site) -> bool:
        return tuple(site.contract("Surfaces").read("bounds", key)) == bounds[1:]

    yield Step(
        f"OptionsMargin risk {symbol}",
        lambda site: bool(site.contract("OptionsMargin").read("risk", key) == risk_word(said)),
        set_risk,
    )
    yield Step(
        f"Surfaces bounds {symbol}",
        bounded,
        lambda site: site.send(site.contract("Surfaces"), "set_bounds", key, bounds),
    )
    yield Step(
        f"Options cap {symbol}",
        lambda site: bool(site.contract(ENGINE).read("market_terms", key)[0] == said.cap),
        lambda site: site.send(site.contract(ENGINE), "set_cap", key, said.cap),
    )


def _venue() -> Step:
    def done(site: Site) -> bool:
        return bool(site.contract(ENGINE).read("venues", site.record.address(EXCHANGE)))

    def run(site: Site) -> None:
        site.send(site.contract(ENGINE), "set_venue", site.record.address(EXCHANGE), True)

    return Step("venue Exchange", done, run)


def _fees() -> Step:
    def done(site: Site) -> bool:
        found = tuple(site.contract(EXCHANGE).read("fees"))
        return found == astuple(site.parameters.exchange_fees)

    def run(site: Site) -> None:
        site.send(site.contract(EXCHANGE), "set_fees", site.parameters.exchange_fees)

    return Step("fees of the Exchange", done, run)
