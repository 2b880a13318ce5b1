"""The parameters of a file against what a chain has, entry by entry, in the units of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from decimal import Decimal
from typing import Any

from eth_utils.address import to_checksum_address

from scripts.deployment import options, sources
from scripts.deployment.configuration import NOBODY, OWNED, owners, small_markets
from scripts.deployment.errors import DeploymentError
from scripts.deployment.models import MarketParams, TokenParams
from scripts.deployment.quantities import WAD
from scripts.deployment.runner import Site

SEATS = 8  # of signers
CURVE = ("RISE_TIME", "RISE_SHARE", "SLOW_TIME", "SLOW_SHARE")

Value = int | str
Form = Callable[[Value], str]


@dataclass(frozen=True, slots=True)
class Compared:
    """One entry: what the file says and what the chain has, as the file writes them."""

    entry: str
    file: str
    chain: str

    @property
    def same(self) -> bool:
        """Return whether they agree."""
        return self.file == self.chain

    def line(self) -> str:
        """Return the difference as a line."""
        return f"{self.entry}: {self.file} in the file, {self.chain} on the chain"


@dataclass(frozen=True, slots=True)
class _Fact:
    entry: str
    wanted: Value
    found: Value
    form: Form


def compare(site: Site) -> list[Compared]:
    """Return every entry of the parameters beside the chain's; changes nothing.

    Raises:
        DeploymentError: nothing is deployed.
    """
    if not site.record.contracts:
        raise DeploymentError(
            f"nothing is deployed on chain {site.record.chain_id}; run `ape run deploy` first"
        )
    found: list[Compared] = []
    for what, part in PARTS:
        try:
            found += [_compared(fact) for fact in part(site)]
        except DeploymentError as error:
            found.append(Compared(what, "set", f"unreadable ({error})"))
    return found


def differences(site: Site) -> list[Compared]:
    """Return the entries in which file and chain differ."""
    return [each for each in compare(site) if not each.same]


def _compared(fact: _Fact) -> Compared:
    return Compared(fact.entry, fact.form(fact.wanted), fact.form(fact.found))


# ---- how the file writes them --------------------------------------------------------------------


def _exact(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(value: Value) -> str:
    """Write a whole number, or an address."""
    return f"{value:_}" if isinstance(value, int) else value


def ratio(value: Value) -> str:
    """Write WAD as percent."""
    return f"{_exact(Decimal(value) * 100 / WAD)} %"


def times(value: Value) -> str:
    """Write WAD as a factor."""
    return f"{_exact(Decimal(value) / WAD)} x"


def usd(value: Value) -> str:
    """Write WAD as dollars."""
    whole, part = divmod(int(value), WAD)
    return f"{whole:_}{_exact(Decimal(part) / WAD)[1:]} USD"


def coin(value: Value) -> str:
    """Write wei as the native coin."""
    return _exact(Decimal(value) / WAD)


def seconds(value: Value) -> str:
    """Write seconds."""
    return f"{value} s"


def _per(unit: str) -> Form:
    return lambda value: f"{ratio(value)}/{unit}"


def _share_of(one: int) -> Form:
    return lambda value: ratio(int(value) * WAD // one)


def _raw_per(unit: str) -> Form:
    # what a second brings is rounded down and has no exact percent an hour
    return lambda value: f"{value}e-18/{unit}"


FORMS: dict[str, Form] = {
    **dict.fromkeys(("base", "mm_ratio", "spread_rate", "oi_lo", "jump_0", "conf_cap"), ratio),
    **dict.fromkeys(("sigma_ref", "spread_min", "fee", "liquidation_fee", "keeper_rate"), ratio),
    **dict.fromkeys(("mu", "haircut_im", "haircut_mm"), ratio),
    **dict.fromkeys(("oi_max", "v_max", "lambda"), times),
    **dict.fromkeys(("tier_start", "oi_cap", "min_price", "max_price", "scale", "max_skew"), usd),
    **dict.fromkeys(("kappa_flat", "kappa_leg", "kappa_collateral"), usd),
    **dict.fromkeys(("confirm_delay", "stable_tau", "age_im", "age_mm", "dead_after"), seconds),
    **dict.fromkeys(("grace_max", "window", "variance_tau"), seconds),
    **dict.fromkeys(options.RATES, _share_of(options.RATE)),
    **dict.fromkeys(options.FEES, _share_of(options.FEE)),
    "furthest": seconds,
    "band": ratio,
    "jump_rate": _per("s"),
    "stable_growth": _per("h"),
    "v_step": _per("h"),
    "funding_velocity": _raw_per("s/s"),
    "funding_rate_max": _raw_per("s"),
}


def _struct(entry: str, wanted: Any, found: Any) -> Iterator[_Fact]:
    """Return the fields of a dataclass beside a contract's struct of the same order."""
    for field, value in zip(fields(wanted), found, strict=True):
        name = field.name.rstrip("_")
        form = FORMS.get(name, plain)
        yield _Fact(f"{entry}.{name}", getattr(wanted, field.name), value, form)


def _address(value: object) -> str:
    text = str(to_checksum_address(str(value)))
    return "nobody" if text == NOBODY else text


# ---- what the constructors took and nobody can change --------------------------------------------


def _timings(site: Site) -> Iterator[_Fact]:
    found = site.contract("Markets").read("timing")
    yield from _struct("timings", site.parameters.timing, found)


def _charges(site: Site) -> Iterator[_Fact]:
    found = site.contract("Markets").read("charges")
    for fact in _struct("charges", site.parameters.charges, found):
        entry = fact.entry.replace("charges.funding_", "funding.")
        yield _Fact(entry, fact.wanted, fact.found, fact.form)


def _orders(site: Site) -> Iterator[_Fact]:
    orders, parameters = site.contract("Orders"), site.parameters
    yield _Fact("orders.delay", parameters.order_delay, orders.read("commit_delay"), seconds)
    yield _Fact("orders.min_reserve", parameters.min_reserve, orders.read("MIN_RESERVE"), coin)


def _pool(site: Site) -> Iterator[_Fact]:
    pool, parameters = site.contract("LiquidityPool"), site.parameters
    yield _Fact("pool.delay", parameters.pool_delay, pool.read("DELAY"), seconds)
    yield _Fact("pool.cooldown", parameters.pool_cooldown, pool.read("COOLDOWN"), seconds)


def _liquidation(site: Site) -> Iterator[_Fact]:
    found = [site.immutable("Liquidator", "auction_clock", name) for name in CURVE]
    wanted = [number for point in site.parameters.liquidation_curve for number in point]
    for place, (ours, theirs) in enumerate(zip(wanted, found, strict=True)):
        form = ratio if place % 2 else seconds
        yield _Fact(f"liquidation.curve[{place // 2}][{place % 2}]", ours, theirs, form)
    dust = site.immutable("Liquidator", "desk", "DUST")
    yield _Fact("liquidation.dust", site.parameters.liquidation_dust, dust, usd)


def _treasury(site: Site) -> Iterator[_Fact]:
    wanted = _address(site.resolve(site.parameters.treasury))
    found = site.contract("Clearinghouse").read("fee_account") >> 96
    yield _Fact("treasury", wanted, _address(f"0x{found:040x}"), plain)


# ---- what an owner can change --------------------------------------------------------------------


def _signers(site: Site) -> Iterator[_Fact]:
    yield _Fact(
        "signers.quorum", site.parameters.quorum, site.contract("Markets").read("quorum"), plain
    )
    wanted = [*site.parameters.signers, *[NOBODY] * SEATS][:SEATS]
    for index, signer in enumerate(wanted):
        found = site.contract("RiskConfigurator").read("signers", index)
        yield _Fact(f"signers.addresses[{index}]", _address(signer), _address(found), plain)


def _markets(site: Site) -> Iterator[_Fact]:
    markets = site.parameters.markets.values()
    count = site.contract("Markets").read("market_count")
    yield _Fact("markets", len(markets), count, lambda value: f"{value} of them")
    for market in markets:
        if market.id <= count:
            yield from _market(site, market)


def _market(site: Site, market: MarketParams) -> Iterator[_Fact]:
    where, configurator = f"markets.{market.symbol}", site.contract("RiskConfigurator")
    margin = configurator.read("margin_params", market.id)
    yield from _struct(f"{where}.margin", market.margin, margin)
    tuning = configurator.read("feed_params", market.id)
    for fact in _struct(f"{where}.feed", market.feed, tuning):
        # the bounds of the price stand beside the feed in the file
        moved = fact.entry.replace(".feed.m", ".m") if "_price" in fact.entry else fact.entry
        yield _Fact(moved, fact.wanted, fact.found, fact.form)
    if market.pool is not None:
        found = site.contract("LiquidityPool").read("params", market.id)
        yield from _struct(f"{where}.pool", market.pool, found)
    yield from _options(site, market)


def _options(site: Site, market: MarketParams) -> Iterator[_Fact]:
    """Compare the terms of options; a market without them has none on the chain."""
    found = options.found(site, market.id)
    wanted = market.options or options.NONE
    yield from _struct(f"markets.{market.symbol}.options", wanted, astuple(found))


def _scan(site: Site) -> Iterator[_Fact]:
    """Compare the risk array's size and shocks; `verify` compares all of it."""
    array = site.parameters.scan
    facts = (
        ("nodes", len(array.nodes), "NODE_COUNT", plain),
        ("extremes", len(array.extremes), "EXTREME_COUNT", plain),
        ("up", array.up, "SHOCK_UP", ratio),
        ("down", array.down, "SHOCK_DOWN", ratio),
    )
    for name, wanted, immutable, form in facts:
        found = site.immutable("PortfolioMargin", "risk_array", immutable)
        yield _Fact(f"scan.{name}", wanted, found, form)


def _fees(site: Site) -> Iterator[_Fact]:
    found = site.contract("Exchange").read("fees")
    yield from _struct("exchange", site.parameters.exchange_fees, found)


def _sources(site: Site) -> Iterator[_Fact]:
    """Compare where prices come from, and the terms that each adapter was deployed with."""
    count = site.contract("Markets").read("market_count")
    for market in site.parameters.markets.values():
        if market.id > count:
            continue
        where = f"markets.{market.symbol}"
        found = site.contract("RiskConfigurator").read("sources", market.id)
        wanted = sources.wanted(site, market)
        for place, seat in enumerate((sources.SOURCE, sources.CROSS_CHECK)):
            yield _Fact(f"{where}.{seat}", _address(wanted[place]), _address(found[place]), plain)
        yield _Fact(f"{where}.{sources.CROSS_CHECK}.band", wanted[2], found[2], ratio)
    for name, adapter in sources.adapters(site.parameters):
        stands = "the file's" if sources.stands(name, adapter, site) else "others"
        yield _Fact(f"terms of {name}", "the file's", stands, plain)


def _smallest(site: Site) -> Iterator[_Fact]:
    """Compare where legs open from 500 USD: the Clearinghouse enforces it, the Lens tells it."""
    wanted = small_markets(site.parameters)
    pool = site.record.address("LiquidityPool")
    enforced = site.stored("Clearinghouse", "trading", "venues", pool)
    told = site.immutable("Lens", "lens_orders", "SMALL_MARKETS")
    for market in site.parameters.markets.values():
        small = [words >> market.id & 1 for words in (wanted, enforced, told)]
        form: Form = lambda bit: "500 USD" if bit else "1_000 USD"  # noqa: E731
        yield _Fact(f"markets.{market.symbol}.min_leg", small[0], small[1], form)
        yield _Fact(f"markets.{market.symbol}.min_leg in the Lens", small[0], small[2], form)


def _tokens(site: Site) -> Iterator[_Fact]:
    for token in site.parameters.all_tokens:
        named = site.parameters.tokens.get(token.symbol)
        if named is not None:
            noted = site.record.token(token.symbol)
            yield _Fact(f"tokens.{token.symbol}", _address(named), _address(noted), plain)
        yield from _token(site, token)
    past = len(site.parameters.collaterals) + 1
    more = site.contract("Markets").read("collateral_params", past)[0] > 0
    yield _Fact("collaterals", "all", "one more" if more else "all", plain)


def _token(site: Site, token: TokenParams) -> Iterator[_Fact]:
    where = f"collaterals.{token.symbol}" if token.id else "settlement"
    address = site.record.token(token.symbol)
    info = site.contract("Clearinghouse").read("token_info", address)
    yield _Fact(f"{where} listed", "yes", "yes" if info.listed else "no", plain)
    if not info.listed:
        return
    yield _Fact(f"{where}.id", token.id, info.id, plain)
    yield _Fact(f"{where}.decimals", token.decimals, info.decimals, plain)
    yield _Fact(f"{where}.hard_cap", token.hard_cap, info.hard_cap, plain)
    if token.id:
        yield _Fact(f"{where}.soft_cap", token.soft_cap, info.soft_cap, plain)
        terms = site.contract("Markets").read("collateral_params", token.id)
        yield _Fact(f"{where}.feed", token.feed, terms[0], lambda market: f"market {market}")
        yield _Fact(f"{where}.haircut_im", token.haircut_im, terms[2], ratio)
        yield _Fact(f"{where}.haircut_mm", token.haircut_mm, terms[3], ratio)


def _insurance(site: Site) -> Iterator[_Fact]:
    market, day = site.contract("InsuranceFund").read("limits")
    parameters = site.parameters
    yield _Fact("insurance.market_limit", parameters.insurance_market_limit, market, ratio)
    yield _Fact("insurance.day_limit", parameters.insurance_day_limit, day, ratio)


def _owner(site: Site) -> Iterator[_Fact]:
    """Compare the owner with who is it, or may become it by accepting."""
    wanted = _address(site.resolve(site.parameters.owner))
    for name in (*OWNED, *sources.owned(site.parameters)):
        owner, pending = owners(site, name)
        heir = owner if pending == NOBODY else pending
        yield _Fact(f"owner of {name}", wanted, _address(heir), plain)


def _guardian(site: Site) -> Iterator[_Fact]:
    wanted = _address(site.resolve(site.parameters.guardian))
    found = _address(site.contract("RiskConfigurator").read("guardian"))
    yield _Fact("guardian", wanted, found, plain)


PARTS: tuple[tuple[str, Callable[[Site], Iterator[_Fact]]], ...] = (
    ("owner", _owner),
    ("guardian", _guardian),
    ("treasury", _treasury),
    ("signers", _signers),
    ("timings", _timings),
    ("charges", _charges),
    ("orders", _orders),
    ("pool", _pool),
    ("liquidation", _liquidation),
    ("insurance", _insurance),
    ("scan", _scan),
    ("exchange", _fees),
    ("markets", _markets),
    ("markets.source", _sources),
    ("markets.min_leg", _smallest),
    ("tokens", _tokens),
)
