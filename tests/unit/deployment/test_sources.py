"""Sources of prices in the parameter files, and on a chain that was deployed with them."""

from __future__ import annotations

from dataclasses import replace

import boa
import pytest

from scripts.deployment import command, sources
from scripts.deployment.configuration import ownership
from scripts.deployment.errors import DeploymentError, ParameterError
from scripts.deployment.models import Adapter, ChainlinkTerms, FixedTerms
from scripts.deployment.plan import contract_names, full_plan
from scripts.deployment.runner import run
from scripts.deployment.verification import verify
from tests.support.attack import deploy

WAD = 10**18
NOBODY = "0x" + "00" * 20
AGGREGATOR = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
UPTIME = "0xFdB631F5EE196F0ed6FAa767959853A9F217697D"
CHAINLINK = {
    "aggregator": AGGREGATOR,
    "heartbeat": "1 h",
    "low": "10 USD",
    "high": "1_000_000 USD",
    "conf": "0.5 %",
}


def with_sources(parameters, symbol, **fields):
    market = replace(parameters.markets[symbol], **fields)
    return replace(parameters, markets={**parameters.markets, symbol: market})


# ---- reading -----------------------------------------------------------------------------------


def test_read__each_form__is_exact():
    entry = {
        "source": CHAINLINK | {"uptime": UPTIME, "grace": "30 min"},
        "cross_check": {"at": AGGREGATOR, "band": "2 %"},
    }
    terms = ChainlinkTerms(AGGREGATOR, 3_600, 10 * WAD, 10**6 * WAD, 500, UPTIME, 1_800)
    assert sources.read(entry, "here") == {
        "source": Adapter(terms),
        "cross_check": Adapter(address=AGGREGATOR),
        "band": WAD // 50,
    }
    peg = {"source": {"price": "1 USD", "low": "0.9 USD", "high": "1.1 USD"}}
    fixed = FixedTerms(WAD, WAD * 9 // 10, WAD * 11 // 10)
    assert sources.read(peg, "here") == {"source": Adapter(fixed)}
    assert sources.read({"source": CHAINLINK}, "here")["source"].terms.uptime == NOBODY


def test_read__mock__is_the_listings_price_inside_the_markets_bounds():
    entry = {"source": "mock", "min_price": "0.5 USD", "max_price": "2 USD"}
    terms = FixedTerms(WAD, WAD // 2, 2 * WAD)
    assert sources.read(entry, "here", "1 USD") == {"source": Adapter(terms, mock=True)}


def test_read__nothing_said__is_signed_reports():
    assert sources.read({}, "here") == {}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"source": {}}, "here.source: names none of at, aggregator, price"),
        ({"source": {"at": "0x12"}}, "here.source.at: 0x12 is not an address"),
        ({"source": {"at": AGGREGATOR.replace("FE", "fE")}}, "here.source.at: .* typing error"),
        ({"source": {"at": AGGREGATOR, "band": "1 %"}}, "here.source.band: there is no parameter"),
        ({"source": {"at": AGGREGATOR}, "id": 1}, "market 1 is the clock of signed reports"),
        ({"source": CHAINLINK | {"conf": "0.0001 %"}}, "here.source.conf: .* multiple of 0.001 %"),
        ({"source": CHAINLINK | {"heartbeat": None}}, "here.source.heartbeat: is missing"),
        ({"source": CHAINLINK | {"uptime": UPTIME}}, "here.source.grace: is missing"),
        ({"source": "mock"}, "here.source: a mock needs the market's price at listing"),
        ({"cross_check": "mock"}, "here.cross_check: names none of at, aggregator, price"),
        ({"cross_check": {"at": AGGREGATOR}}, "here.cross_check.band: is missing"),
    ],
)
def test_read__malformed__is_refused_with_its_place(entry, sentence):
    with pytest.raises(ParameterError, match=sentence):
        sources.read(entry, "here")


# ---- deploying ---------------------------------------------------------------------------------


def deployed(executor, parameters):
    site = command.open_site(executor, parameters, None)
    command.carry_out(site, full_plan(parameters), lambda _: None)
    return site


def test_deploy__with_sources__they_are_named_verified_and_offered(executor, local):
    with boa.env.prank(executor.sender):
        aggregator = deploy("mocks/Aggregator", 8)
    now = boa.env.evm.patch.timestamp
    aggregator.set_round((1, 60_300 * 10**8, now, now, 1))
    terms = ChainlinkTerms(aggregator.address, 3_600, WAD, 10**6 * WAD, 100, NOBODY, 0)
    peg = Adapter(FixedTerms(3_500 * WAD, WAD, 10**6 * WAD))
    parameters = with_sources(local, "BTC", cross_check=Adapter(terms), band=WAD // 50)
    parameters = with_sources(parameters, "WSTETH", source=peg)
    assert contract_names(parameters)[-2:] == ("ChainlinkFeed", "FixedFeed")

    site = deployed(executor, parameters)

    assert all(finding.ok for finding in verify(site)), verify(site)
    cross, fixed = (
        site.record.address(name) for name in ("ChainlinkFeed BTC cross_check", "FixedFeed WSTETH")
    )
    read = site.contract("RiskConfigurator").read
    assert [str(each).lower() for each in read("sources", 2)[:2]] == [NOBODY, cross.lower()]
    assert [str(each).lower() for each in read("sources", 4)[:2]] == [fixed.lower(), NOBODY]
    flags = [site.contract("Markets").read("market_words", id)[0] >> 32 & 0xFF for id in (1, 2, 4)]
    assert flags == [8, 8 | 64, 8 | 128]
    assert ownership(site)[-1] == f"owner of FixedFeed WSTETH: {executor.sender}, accepted"


def test_deploy__repeated_or_changed__sends_only_what_differs(executor, local):
    peg = FixedTerms(3_500 * WAD, WAD, 10**6 * WAD)
    parameters = with_sources(local, "WSTETH", source=Adapter(peg))
    site = deployed(executor, parameters)
    first = site.record.address("FixedFeed WSTETH")
    again = [outcome for outcome in _again(site, parameters) if not outcome.already]
    assert again == []
    wider = with_sources(local, "WSTETH", source=Adapter(replace(peg, low=2 * WAD)))
    site.parameters = wider
    changed = [outcome.step for outcome in _again(site, wider) if not outcome.already]
    assert changed == ["deploy FixedFeed WSTETH", "sources of WSTETH"]
    assert site.record.address("FixedFeed WSTETH") != first
    site.parameters = local
    assert [finding.what for finding in verify(site) if not finding.ok] == ["markets.WSTETH.source"]


def _again(site, parameters):
    return run(site, full_plan(parameters))


def test_deploy__listing_away_from_its_source__is_refused(executor, local):
    peg = Adapter(FixedTerms(2_000 * WAD, WAD, 10**6 * WAD))
    with pytest.raises(DeploymentError, match="list market WSTETH: sources: disagree"):
        deployed(executor, with_sources(local, "WSTETH", source=peg))
