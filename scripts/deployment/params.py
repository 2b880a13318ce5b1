"""Read the parameter files, convert every entry exactly, check the ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from keepers.chain.signer import address_in
from keepers.errors import BadInput
from scripts.deployment import options, sources
from scripts.deployment import quantities as q
from scripts.deployment.errors import ParameterError
from scripts.deployment.models import (
    DEPLOYER,
    Charges,
    FeedParams,
    MarginParams,
    MarketParams,
    Parameters,
    PoolParams,
    Timing,
    TokenParams,
)
from scripts.deployment.ranges import TEST_CHAINS, check

FOLDER = Path(__file__).resolve().parent.parent / "params"
MOCK = "mock"
KEYSTORE = ".json"  # of its public address alone; read from where the command is run
KAPPAS = ("kappa_flat", "kappa_leg", "kappa_collateral")
# every entry that is read, by section; what is called otherwise is refused, not ignored
SECTIONS: Mapping[str, Sequence[str]] = {
    "signers": ("quorum", "addresses"),
    "timings": tuple(entry.name for entry in fields(Timing)),
    "charges": KAPPAS,
    "funding": ("velocity", "rate_max"),
    "orders": ("delay", "min_reserve"),
    "pool": ("delay", "cooldown"),
    "liquidation": ("curve", "dust"),
    "insurance": ("market_limit", "day_limit"),
    "scan": options.SCAN,
    "exchange": options.FEES,
    "settlement": ("symbol", "decimals", "hard_cap"),
}
SINGLE = (
    *("chain_id", "owner", "guardian", "treasury", "tokens", "prices"),
    *("classes", "markets", "collaterals"),
)
MARKET = (
    "id",
    "class",
    "min_price",
    "max_price",
    "min_leg",
    "margin",
    "feed",
    "pool",
    "options",
    sources.SOURCE,
    sources.CROSS_CHECK,
)
COLLATERAL = ("id", "feed", "decimals", "haircut_im", "haircut_mm", "hard_cap", "soft_cap")
MARGIN = tuple(entry.name for entry in fields(MarginParams))
FEED = tuple(entry.name for entry in fields(FeedParams) if not entry.name.endswith("_price"))
POOL = tuple(entry.name.rstrip("_") for entry in fields(PoolParams))

Node = Mapping[str, Any]


def load(network: str, folder: Path = FOLDER) -> Parameters:
    """Return the checked parameters of `<network>.yaml` and of the files that it extends.

    Raises:
        ParameterError: a file or an entry is missing, malformed or out of range.
    """
    try:
        parameters = build(network, read(network, folder))
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        # a list or a number where entries belong, or files that extend each other
        raise ParameterError(
            f"{network}.yaml: an entry has another form than in base.yaml ({error!s:.80})"
        ) from error
    check(parameters)
    return parameters


def read(network: str, folder: Path = FOLDER) -> Node:
    """Return the merged YAML of a network; entries of the extending file win."""
    path = folder / f"{network}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml") if p.stem != "base"))
        raise ParameterError(f"no parameters for network {network!r}; there are {known}")
    try:
        node = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ParameterError(f"{path.name} is not YAML: {str(error).splitlines()[0]}") from error
    parent = node.pop("extends", None)
    return node if parent is None else _merge(read(parent, folder), node)


def _merge(below: Node, above: Node) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def build(network: str, node: Node) -> Parameters:
    """Convert the merged YAML to integers."""
    _known(node, (*SINGLE, *SECTIONS), "")
    insurance = _ratios(_section(node, "insurance"), "insurance")
    liquidation = _section(node, "liquidation")
    orders = _section(node, "orders")
    pool = _section(node, "pool")
    markets = _markets(node)
    tokens = node.get("tokens") or {}
    chain_id = q.whole(node.get("chain_id"), "chain_id")
    # elsewhere whoever owns the contracts, guards them and earns the fees is to be named
    who = DEPLOYER if chain_id in TEST_CHAINS else ""
    return Parameters(
        network=network,
        chain_id=chain_id,
        owner=_address(node.get("owner", who), "owner"),
        guardian=_address(node.get("guardian", who), "guardian"),
        treasury=_address(node.get("treasury", who), "treasury"),
        quorum=q.whole(_section(node, "signers").get("quorum"), "signers.quorum"),
        signers=_signers(_section(node, "signers").get("addresses") or ()),
        timing=_timing(_section(node, "timings")),
        charges=_charges(_section(node, "charges"), _section(node, "funding")),
        order_delay=q.seconds(orders.get("delay"), "orders.delay"),
        min_reserve=q.coin(orders.get("min_reserve"), "orders.min_reserve"),
        pool_delay=q.seconds(pool.get("delay"), "pool.delay"),
        pool_cooldown=q.seconds(pool.get("cooldown"), "pool.cooldown"),
        liquidation_curve=_curve(liquidation),
        liquidation_dust=q.usd(liquidation.get("dust"), "liquidation.dust"),
        insurance_market_limit=insurance("market_limit"),
        insurance_day_limit=insurance("day_limit"),
        scan=options.scan(_section(node, "scan")),
        exchange_fees=options.fees(_section(node, "exchange")),
        markets=markets,
        settlement=_settlement(_section(node, "settlement")),
        collaterals={
            symbol: _collateral(symbol, entry, markets)
            for symbol, entry in _section(node, "collaterals").items()
        },
        tokens={} if tokens == MOCK else {name: str(where) for name, where in tokens.items()},
        prices={
            symbol: q.ticks(price, f"prices.{symbol}")
            for symbol, price in (node.get("prices") or {}).items()
        },
    )


def _signers(entries: Sequence[object]) -> tuple[str, ...]:
    return tuple(
        _address(entry, f"signers.addresses[{index}]") for index, entry in enumerate(entries)
    )


def _address(entry: object, where: str) -> str:
    """Return an address as it is written, or out of the keystore that is named instead of it."""
    text = str(entry)
    if not text.endswith(KEYSTORE):
        return text
    try:
        return address_in(Path(text))
    except BadInput as error:
        raise ParameterError(f"{where}: {str(error).rstrip('.')}") from error


def _known(node: Node, names: Iterable[str], where: str) -> None:
    unknown = sorted(set(node) - set(names))
    if unknown:
        raise ParameterError(f"{where}{unknown[0]}: there is no parameter of this name")


def _ratios(node: Node, where: str) -> Callable[[str], int]:
    return lambda key: q.ratio(node.get(key), f"{where}.{key}")


def _section(node: Node, name: str) -> Node:
    section = node.get(name)
    if not isinstance(section, Mapping):
        raise ParameterError(f"{name}: is missing")
    if name in SECTIONS:
        _known(section, SECTIONS[name], f"{name}.")
    return section


def _part(market: Node, name: str, names: Iterable[str], where: str) -> Node:
    part = market.get(name)
    if not isinstance(part, Mapping):
        raise ParameterError(f"{where}.{name}: is missing")
    _known(part, names, f"{where}.{name}.")
    return part


def _timing(node: Node) -> Timing:
    names = SECTIONS["timings"]
    return Timing(**{name: q.seconds(node.get(name), f"timings.{name}") for name in names})


def _charges(charges: Node, funding: Node) -> Charges:
    velocity = q.rate(funding.get("velocity"), "h/h", "funding.velocity")
    rate_max = q.rate(funding.get("rate_max"), "h", "funding.rate_max")
    return Charges(
        **{name: q.usd(charges.get(name), f"charges.{name}") for name in KAPPAS},
        funding_velocity=q.per_second_down(velocity, 2),
        funding_rate_max=q.per_second_down(rate_max, 1),
    )


def _curve(liquidation: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    where = "liquidation.curve"
    points = liquidation.get("curve") or ()
    if len(points) != 2:
        raise ParameterError(f"{where}: has {len(points)} points, not two")
    first, second = ((q.seconds(time, where), q.ratio(share, where)) for time, share in points)
    return first, second


def _settlement(node: Node) -> TokenParams:
    return TokenParams(
        symbol=str(node.get("symbol")),
        id=0,
        decimals=q.whole(node.get("decimals"), "settlement.decimals"),
        feed=0,
        haircut_im=0,
        haircut_mm=0,
        hard_cap=q.whole(node.get("hard_cap"), "settlement.hard_cap"),
        soft_cap=q.whole(node.get("hard_cap"), "settlement.hard_cap"),
    )


def _collateral(symbol: str, node: Node, markets: Mapping[str, MarketParams]) -> TokenParams:
    where = f"collaterals.{symbol}"
    _known(node, COLLATERAL, f"{where}.")
    feed = str(node.get("feed"))
    if feed not in markets:
        raise ParameterError(f"{where}.feed: there is no market {feed}")
    numbers = {
        key: q.whole(node.get(key), f"{where}.{key}")
        for key in ("id", "decimals", "hard_cap", "soft_cap")
    }
    haircuts = {
        key: q.ratio(node.get(key), f"{where}.{key}") for key in ("haircut_im", "haircut_mm")
    }
    return TokenParams(symbol=symbol, feed=markets[feed].id, **numbers, **haircuts)


def _markets(node: Node) -> dict[str, MarketParams]:
    classes = _section(node, "classes")
    markets = {}
    for symbol, entry in _section(node, "markets").items():
        where = f"markets.{symbol}"
        if entry.get("class") not in classes:
            raise ParameterError(f"{where}.class: there is no class {entry.get('class')!r}")
        merged = _merge(classes[entry["class"]], entry)
        _known(merged, MARKET, f"{where}.")
        markets[symbol] = MarketParams(
            symbol=symbol,
            id=q.whole(entry.get("id"), f"{where}.id"),
            margin=_margin(_part(merged, "margin", MARGIN, where), f"{where}.margin"),
            feed=_feed(_part(merged, "feed", FEED, where), merged, where),
            pool=_pool(_part(merged, "pool", POOL, where), f"{where}.pool")
            if merged.get("pool") is not None
            else None,
            min_leg=q.usd(merged.get("min_leg"), f"{where}.min_leg"),
            options=options.terms(
                _part(merged, "options", options.TERMS, where), f"{where}.options"
            )
            if merged.get("options") is not None
            else None,
            **sources.read(merged, where, (node.get("prices") or {}).get(symbol)),
        )
    return markets


def _margin(node: Node, where: str) -> MarginParams:
    read_ratio = _ratios(node, where)
    return MarginParams(
        base=read_ratio("base"),
        mm_ratio=read_ratio("mm_ratio"),
        tier_start=q.usd(node.get("tier_start"), f"{where}.tier_start"),
        spread_rate=read_ratio("spread_rate"),
        oi_max=read_ratio("oi_max"),
        oi_lo=read_ratio("oi_lo"),
        oi_cap=q.usd(node.get("oi_cap"), f"{where}.oi_cap"),
    )


def _feed(node: Node, market: Node, where: str) -> FeedParams:
    read_ratio = _ratios(node, f"{where}.feed")
    return FeedParams(
        min_price=q.usd(market.get("min_price"), f"{where}.min_price"),
        max_price=q.usd(market.get("max_price"), f"{where}.max_price"),
        jump_0=read_ratio("jump_0"),
        jump_rate=q.rate(node.get("jump_rate"), "s", f"{where}.feed.jump_rate"),
        confirm_delay=q.seconds(node.get("confirm_delay"), f"{where}.feed.confirm_delay"),
        conf_cap=read_ratio("conf_cap"),
        stable_growth=q.rate(node.get("stable_growth"), "h", f"{where}.feed.stable_growth"),
        stable_tau=q.seconds(node.get("stable_tau"), f"{where}.feed.stable_tau"),
        sigma_ref=read_ratio("sigma_ref"),
        v_max=read_ratio("v_max"),
        v_step=q.rate(node.get("v_step"), "h", f"{where}.feed.v_step"),
    )


def _pool(node: Node, where: str) -> PoolParams:
    read_ratio = _ratios(node, where)
    return PoolParams(
        scale=q.usd(node.get("scale"), f"{where}.scale"),
        max_skew=q.usd(node.get("max_skew"), f"{where}.max_skew"),
        spread_min=read_ratio("spread_min"),
        fee=read_ratio("fee"),
        liquidation_fee=read_ratio("liquidation_fee"),
        keeper_rate=read_ratio("keeper_rate"),
        lambda_=read_ratio("lambda"),
        mu=read_ratio("mu"),
    )
