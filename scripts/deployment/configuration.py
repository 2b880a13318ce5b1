"""The steps that bring deployed contracts to the parameters; `done` compares with the chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eth_utils.address import to_checksum_address

from scripts.deployment import options, sources
from scripts.deployment.executor import plain
from scripts.deployment.models import MarketParams, Parameters, PoolParams, TokenParams
from scripts.deployment.runner import Site, Step

TICK = 10**8
# docs/spec/words.md: a venue's word has bit 0 when it is allowed, bit m where market m is small
SMALL_LEG = 500 * 10**18
# IClearinghouse.Role
ROLE_TRADE = 1
ROLE_LIQUIDATE = 2
ROLE_ACT = 4
ROLE_GUARD = 8
# docs/spec/words.md: account flags of an account word
HOUSE_BIT = 4 << 48
# how the steps begin whose subject is no parameter, but which contract may do what
ROLES = ("venue ", "hand ", "pool of ", "Liquidator of ")
OWNED = ("RiskConfigurator", "Clearinghouse", "InsuranceFund", "LiquidityPool", *options.OWNED)
NOBODY = "0x" + "00" * 20


def configure_plan(parameters: Parameters) -> tuple[Step, ...]:
    """Return the steps in an order in which each finds what it needs."""
    return tuple(_steps(parameters))


def _steps(parameters: Parameters) -> Iterator[Step]:
    markets = sorted(parameters.markets.values(), key=lambda market: market.id)
    for index, signer in enumerate(parameters.signers):
        yield _signer(index, signer)
    for market in markets:
        yield from _market(market)
    for token in parameters.all_tokens[1:]:
        yield _collateral(token)
    for token in parameters.all_tokens:
        yield _caps(token)
    yield _venue(parameters)
    for market in markets:
        if market.pool is not None:
            yield _pool(market, market.pool)
    yield _named_pool()
    yield _hand("Orders", ROLE_TRADE)
    yield _hand("Liquidator", ROLE_LIQUIDATE)
    # ends the auction of an account that a fill brings back to MM
    yield _hand("Options", ROLE_LIQUIDATE)
    yield _hand("Operators", ROLE_ACT)
    yield _hand("RiskConfigurator", ROLE_GUARD)
    yield _guardian()
    yield from _insurance(parameters)
    yield _liquidator()
    yield from options.steps(parameters)
    # last: from then on the deployer may be owner no longer
    for name in (*OWNED, *sources.owned(parameters)):
        yield _owner(name)


# ---- Markets -----------------------------------------------------------------------------------


def _signer(index: int, signer: str) -> Step:
    def done(site: Site) -> bool:
        listed = site.contract("RiskConfigurator").read("signers", index)
        return bool(listed.lower() == signer.lower())

    def run(site: Site) -> None:
        site.send(site.contract("RiskConfigurator"), "set_signer", index, signer)

    return Step(f"signer {index}", done, run)


def _market(market: MarketParams) -> Iterator[Step]:
    def listed(site: Site) -> bool:
        return bool(site.contract("Markets").read("market_count") >= market.id)

    def list_it(site: Site) -> None:
        price_wad = site.parameters.prices[market.symbol] * TICK
        facts = (market.id, market.symbol, market.margin, market.feed, price_wad)
        site.send(site.contract("RiskConfigurator"), "list_market", *facts)

    # ahead of the listing, which is held against them
    yield from sources.steps(market)
    yield Step(f"list market {market.symbol}", listed, list_it)
    yield _setter("RiskConfigurator", "margin_params", market.id, market.margin, market.symbol)
    yield _setter("RiskConfigurator", "feed_params", market.id, market.feed, market.symbol)


def _setter(contract: str, name: str, key: int, wanted: object, symbol: str) -> Step:
    """Return a step of a pair `name(key)` and `set_name(key, struct)`."""

    def done(site: Site) -> bool:
        return _flat(site.contract(contract).read(name, key)) == _flat(plain(wanted))

    def run(site: Site) -> None:
        site.send(site.contract(contract), f"set_{name}", key, wanted)

    return Step(f"{contract} {name} {symbol}", done, run)


def _flat(values: Any) -> list[Any]:
    return list(values)


# ---- Clearinghouse -----------------------------------------------------------------------------


def _token_info(site: Site, token: TokenParams) -> Any:
    address = site.record.token(token.symbol)
    return site.contract("Clearinghouse").read("token_info", address)


def _collateral(token: TokenParams) -> Step:
    def done(site: Site) -> bool:
        return bool(_token_info(site, token)[5])

    def run(site: Site) -> None:
        address = site.record.token(token.symbol)
        haircuts = (token.haircut_im, token.haircut_mm)
        caps = (token.hard_cap, token.soft_cap)
        clearinghouse = site.contract("Clearinghouse")
        site.send(clearinghouse, "list_collateral", address, token.feed, *haircuts, *caps)

    return Step(f"list collateral {token.symbol}", done, run)


def _caps(token: TokenParams) -> Step:
    # the settlement token has no haircut and so no soft cap: there stands how long it is paused
    soft = token.soft_cap if token.id else 0

    def done(site: Site) -> bool:
        hard_cap, found = _token_info(site, token)[3:5]
        return hard_cap == token.hard_cap and (token.id == 0 or found == soft)

    def run(site: Site) -> None:
        address = site.record.token(token.symbol)
        site.send(site.contract("Clearinghouse"), "set_caps", address, token.hard_cap, soft)

    return Step(f"caps of {token.symbol}", done, run)


def small_markets(parameters: Parameters) -> int:
    """Return the markets that open from 500 USD, bit m for market m."""
    return sum(1 << m.id for m in parameters.markets.values() if m.min_leg == SMALL_LEG)


def _venue(parameters: Parameters) -> Step:
    small = small_markets(parameters)

    def done(site: Site) -> bool:
        pool = site.record.address("LiquidityPool")
        clearinghouse = site.contract("Clearinghouse")
        house = clearinghouse.read("account_words", int(pool, 16) << 96)[0] & HOUSE_BIT
        return bool(house) and site.stored("Clearinghouse", "trading", "venues", pool) == small | 1

    def run(site: Site) -> None:
        pool = site.record.address("LiquidityPool")
        site.send(site.contract("Clearinghouse"), "set_venue", pool, True, True, small)

    return Step("venue LiquidityPool", done, run)


def _hand(name: str, role: int) -> Step:
    def done(site: Site) -> bool:
        address = site.record.address(name)
        return bool(site.contract("Clearinghouse").read("hands", address) == role)

    def run(site: Site) -> None:
        site.send(site.contract("Clearinghouse"), "set_hand", site.record.address(name), role)

    return Step(f"hand {name}", done, run)


# ---- pool and insurance ------------------------------------------------------------------------


def _pool(market: MarketParams, pool: PoolParams) -> Step:
    return _setter("LiquidityPool", "params", market.id, pool, market.symbol)


def _named_pool() -> Step:
    """Return the step that holds later margins to the pool's listing assert."""

    def done(site: Site) -> bool:
        named = str(site.contract("RiskConfigurator").read("pool"))
        return named.lower() == site.record.address("LiquidityPool").lower()

    def run(site: Site) -> None:
        pool = site.record.address("LiquidityPool")
        site.send(site.contract("RiskConfigurator"), "set_pool", pool)

    return Step("pool of the RiskConfigurator", done, run)


def _guardian() -> Step:
    """Return the step that names who may pause and tighten."""

    def wanted(site: Site) -> str:
        return to_checksum_address(site.resolve(site.parameters.guardian))

    def done(site: Site) -> bool:
        named = str(site.contract("RiskConfigurator").read("guardian"))
        return to_checksum_address(named) == wanted(site)

    def run(site: Site) -> None:
        site.send(site.contract("RiskConfigurator"), "set_guardian", wanted(site))

    return Step("guardian", done, run)


def _insurance(parameters: Parameters) -> Iterator[Step]:
    limits = (parameters.insurance_market_limit, parameters.insurance_day_limit)

    def done(site: Site) -> bool:
        return tuple(site.contract("InsuranceFund").read("limits")) == limits

    def run(site: Site) -> None:
        site.send(site.contract("InsuranceFund"), "set_limits", *limits)

    yield Step("limits of the InsuranceFund", done, run)


def _liquidator() -> Step:
    def done(site: Site) -> bool:
        named = str(site.contract("InsuranceFund").read("liquidator"))
        return named.lower() == site.record.address("Liquidator").lower()

    def run(site: Site) -> None:
        liquidator = site.record.address("Liquidator")
        site.send(site.contract("InsuranceFund"), "set_liquidator", liquidator)

    return Step("Liquidator of the InsuranceFund", done, run)


# ---- owners ------------------------------------------------------------------------------------


def _owner(name: str) -> Step:
    """Return the step that offers a contract to its owner, who has to accept."""

    def heir(site: Site) -> str:
        wanted = to_checksum_address(site.resolve(site.parameters.owner))
        return NOBODY if owners(site, name)[0] == wanted else wanted

    def done(site: Site) -> bool:
        return owners(site, name)[1] == heir(site)

    def run(site: Site) -> None:
        contract = site.contract(name, sources.artifact_of(name))
        site.send(contract, "transfer_ownership", heir(site))

    return Step(f"owner of {name}", done, run)


def owners(site: Site, name: str) -> tuple[str, str]:
    """Return the owner of a contract and who may become it by accepting."""
    contract = site.contract(name, sources.artifact_of(name))
    found = (contract.read(each) for each in ("owner", "pending_owner"))
    owner, pending = (to_checksum_address(each) for each in found)
    return owner, pending


def ownership(site: Site) -> list[str]:
    """Return a sentence for each contract that has an owner: accepted, or still pending."""
    said = []
    for name in (*OWNED, *sources.owned(site.parameters)):
        owner, pending = owners(site, name)
        wait = f" until {pending} calls accept_ownership" if pending != NOBODY else ""
        said.append(f"owner of {name}: {owner}{wait or ', accepted'}")
    return said
