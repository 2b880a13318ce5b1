"""Where the prices of markets come from: read out of the parameters, deployed, and named.

A market's `source` and `cross_check` are adapters: one that stands already (`at`), an aggregator
under terms (`aggregator`), or a price that the owner sets (`price`). `mock` is the last of these at
the listing's price, inside the market's bounds, which `--mocks` deploys. Without a `source` prices
are signed reports, as those of market 1 always are: docs/spec/oracle.md#sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from typing import Any

from scripts.deployment import quantities as q
from scripts.deployment.errors import ParameterError
from scripts.deployment.models import (
    Adapter,
    ChainlinkTerms,
    FixedTerms,
    MarketParams,
    Parameters,
)
from scripts.deployment.ranges import address
from scripts.deployment.runner import Site, Step

NOBODY = "0x" + "00" * 20
CHAINLINK = "ChainlinkFeed"
FIXED = "FixedFeed"
MOCK = "mock"
CONF_ONE = 10**5
CLOCK = 1
TICK = 10**8  # WAD USD
SOURCE = "source"
CROSS_CHECK = "cross_check"
FORMS: Mapping[str, Sequence[str]] = {
    "at": (),
    "aggregator": ("heartbeat", "low", "high", "conf", "uptime", "grace"),
    "price": ("low", "high"),
}

Node = Mapping[str, Any]


# ---- reading -----------------------------------------------------------------------------------


def read(market: Node, where: str, listing: Any = None) -> dict[str, Any]:
    """Return what a market's entry says about its sources, as fields of MarketParams.

    Args:
        market: the entry.
        where: its place in the file.
        listing: the price at which it is listed, as it is written.

    Raises:
        ParameterError: an adapter has none of the known forms, or a wrong entry.
    """
    found: dict[str, Any] = {}
    for seat in (SOURCE, CROSS_CHECK):
        if market.get(seat) is not None:
            extra = ("band",) if seat == CROSS_CHECK else ()
            here = f"{where}.{seat}"
            mock = seat == SOURCE and market[seat] == MOCK
            found[seat] = (
                _mock(market, here, listing) if mock else _adapter(market[seat], here, extra)
            )
    if SOURCE in found and market.get("id") == CLOCK:
        raise ParameterError(f"{where}.{SOURCE}: market 1 is the clock of signed reports")
    if CROSS_CHECK in found:
        found["band"] = q.ratio(market[CROSS_CHECK].get("band"), f"{where}.{CROSS_CHECK}.band")
    return found


def _adapter(node: Node, where: str, extra: Sequence[str]) -> Adapter:
    form = next((form for form in FORMS if form in node), None)
    if form is None:
        raise ParameterError(f"{where}: names none of {', '.join(FORMS)}")
    unknown = sorted(set(node) - {form, *FORMS[form], *extra})
    if unknown:
        raise ParameterError(f"{where}.{unknown[0]}: there is no parameter of this name")
    if form == "at":
        return Adapter(address=_address(node["at"], f"{where}.at"))
    if form == "price":
        names = ("price", "low", "high")
        return Adapter(FixedTerms(*(q.usd(node.get(name), f"{where}.{name}") for name in names)))
    return Adapter(_chainlink(node, where))


def _mock(market: Node, where: str, listing: Any) -> Adapter:
    """Return the fixed price of a test chain."""
    bounds = (market.get("min_price"), market.get("max_price"))
    if listing is None:
        raise ParameterError(f"{where}: a mock needs the market's price at listing, under prices")
    return Adapter(FixedTerms(*(q.usd(each, where) for each in (listing, *bounds))), mock=True)


def _chainlink(node: Node, where: str) -> ChainlinkTerms:
    uptime = node.get("uptime")
    return ChainlinkTerms(
        aggregator=_address(node["aggregator"], f"{where}.aggregator"),
        heartbeat=q.seconds(node.get("heartbeat"), f"{where}.heartbeat"),
        low=q.usd(node.get("low"), f"{where}.low"),
        high=q.usd(node.get("high"), f"{where}.high"),
        conf=_conf(node.get("conf"), f"{where}.conf"),
        uptime=NOBODY if uptime is None else _address(uptime, f"{where}.uptime"),
        grace=0 if uptime is None else q.seconds(node.get("grace"), f"{where}.grace"),
    )


def _conf(value: Any, where: str) -> int:
    share = q.ratio(value, where)
    if share * CONF_ONE % q.WAD:
        raise ParameterError(f"{where}: {value!r} is not a multiple of 0.001 %")
    return share * CONF_ONE // q.WAD


def _address(value: Any, where: str) -> str:
    address(str(value), where)
    return str(value)


def stood_in(parameters: Parameters) -> Parameters:
    """Return parameters for a chain without neighbours: each adapter is the listing's price."""
    markets = {}
    for symbol, market in parameters.markets.items():
        price = parameters.prices[symbol] * TICK
        fixed = Adapter(FixedTerms(price, price, price))
        markets[symbol] = replace(
            market,
            source=market.source and fixed,
            cross_check=market.cross_check and fixed,
        )
    return replace(parameters, markets=markets)


# ---- on chain ----------------------------------------------------------------------------------


def adapters(parameters: Parameters) -> Iterator[tuple[str, Adapter]]:
    """Yield the adapters that a deployment creates, by the names in its file."""
    for market in parameters.markets.values():
        for seat, adapter in _seats(market):
            if adapter.terms is not None:
                yield name_of(adapter, market.symbol, seat), adapter


def mocked(parameters: Parameters) -> list[str]:
    """Return the markets whose source is a mock."""
    markets = parameters.markets.values()
    return [each.symbol for each in markets if each.source is not None and each.source.mock]


def artifacts(parameters: Parameters) -> Iterable[str]:
    """Return the contracts whose code the adapters need."""
    return dict.fromkeys(artifact_of(name) for name, _ in adapters(parameters))


def name_of(adapter: Adapter, symbol: str, seat: str) -> str:
    """Return what an adapter is called in the deployment file."""
    kind = CHAINLINK if isinstance(adapter.terms, ChainlinkTerms) else FIXED
    return f"{kind} {symbol}" if seat == SOURCE else f"{kind} {symbol} {seat}"


def artifact_of(name: str) -> str:
    """Return the contract of a name in the deployment file."""
    return name.split()[0]


def owned(parameters: Parameters) -> list[str]:
    """Return the adapters that have an owner."""
    return [name for name, _ in adapters(parameters) if artifact_of(name) == FIXED]


def steps(market: MarketParams) -> Iterator[Step]:
    """Return the steps that create a market's adapters, and name them or that there are none."""
    for seat, adapter in _seats(market):
        if adapter.terms is not None:
            name = name_of(adapter, market.symbol, seat)
            create = partial(_create, name, adapter)
            yield Step(f"deploy {name}", partial(stands, name, adapter), create)
    yield _naming(market)


def _seats(market: MarketParams) -> list[tuple[str, Adapter]]:
    seats = ((SOURCE, market.source), (CROSS_CHECK, market.cross_check))
    return [(seat, adapter) for seat, adapter in seats if adapter is not None]


def stands(name: str, adapter: Adapter, site: Site) -> bool:
    """Return whether the adapter stands with these terms; the owner's price may have moved."""
    if not site.deployed(name):
        return False
    contract = site.contract(name, artifact_of(name))
    if isinstance(adapter.terms, FixedTerms):
        return tuple(contract.read("bounds")) == (adapter.terms.low, adapter.terms.high)
    assert adapter.terms is not None
    found = tuple(contract.read("terms"))
    return [str(each).lower() for each in found] == [
        str(each).lower() for each in astuple(adapter.terms)
    ]


def _create(name: str, adapter: Adapter, site: Site) -> None:
    terms = adapter.terms
    arguments = astuple(terms) if isinstance(terms, FixedTerms) else (terms,)
    site.deploy(name, *arguments, artifact=artifact_of(name))


def _naming(market: MarketParams) -> Step:
    def done(site: Site) -> bool:
        first, second, band = site.contract("RiskConfigurator").read("sources", market.id)
        named = (str(first).lower(), str(second).lower(), band)
        primary, cross, width = wanted(site, market)
        return named == (primary.lower(), cross.lower(), width)

    def run(site: Site) -> None:
        named = wanted(site, market)
        site.send(site.contract("RiskConfigurator"), "set_sources", market.id, named)

    return Step(f"sources of {market.symbol}", done, run)


def wanted(site: Site, market: MarketParams) -> tuple[str, str, int]:
    """Return what the RiskConfigurator is to name: source, cross-check, band."""
    seats = dict(_seats(market))
    primary = _place(site, market, SOURCE, seats.get(SOURCE))
    cross = _place(site, market, CROSS_CHECK, seats.get(CROSS_CHECK))
    return primary, cross, market.band


def _place(site: Site, market: MarketParams, seat: str, adapter: Adapter | None) -> str:
    if adapter is None:
        return NOBODY
    return adapter.address or site.record.address(name_of(adapter, market.symbol, seat))
