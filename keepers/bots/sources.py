"""What a publisher reports: files against chain time, fixed prices, or an exchange."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import structlog

from keepers.bots.cosign import Smiles
from keepers.bots.publish import Source
from keepers.bots.runtime import Runtime
from keepers.chain.live import live_quotes, open_exchange
from keepers.domain.prices import Series, load, to_ticks
from keepers.domain.reports import Quote
from keepers.domain.sources import Replay, by_market
from keepers.domain.units import HOUR
from keepers.errors import BadInput

log = structlog.get_logger()


async def replay_source(
    runtime: Runtime,
    prices: Sequence[str],
    file_from: int | None,
    chain_from: int | None,
    speed: Fraction,
    conf: int,
) -> Source:
    """Return a source that plays price files; markets without one stand still where they are."""
    series = [load(argument) for argument in prices]
    deployed = runtime.deployment
    for each in series:
        _describe(each)
        deployed.market(each.symbol)
    known = by_market(series, deployed.markets)
    views = await runtime.reader.markets()
    head = await runtime.rpc.head()
    replay = Replay(
        series=known,
        still={view.id: view.price.price for view in views if view.id not in known},
        file_from=min(each.start for each in series) if file_from is None else file_from,
        chain_from=head.time if chain_from is None else chain_from,
        speed=speed,
        conf=conf,
    )

    async def source(chain_time: int) -> list[Quote]:
        return replay.quotes(chain_time)

    return source


async def fixed_source(runtime: Runtime, fixed: Sequence[str], conf: int) -> Source:
    """Return a source of prices that stay, `SYMBOL=USD` each; the others stand where they are."""
    views = await runtime.reader.markets()
    still = {view.id: view.price.price for view in views}
    for text in fixed:
        symbol, equals, usd = text.partition("=")
        try:
            if not equals:
                raise ValueError(text)
            price = to_ticks(usd)
        except (ValueError, ArithmeticError) as error:
            raise BadInput(f"{text} is no price", "write it as ETH=3000") from error
        still[runtime.deployment.market(symbol)] = price
    quotes = [Quote(market, price, conf) for market, price in sorted(still.items())]

    async def source(_chain_time: int) -> list[Quote]:
        return quotes

    return source


@dataclass(frozen=True, slots=True)
class Chains:
    """Where surfaces come from: a file and the second of it to start at, or an exchange."""

    file: Path | None = None
    start: int | None = None  # of the file
    chain_from: int | None = None  # the chain time of that
    exchange: str | None = None


@contextlib.asynccontextmanager
async def smiles_source(runtime: Runtime, chains: Chains) -> AsyncIterator[Smiles | None]:
    """Yield what a publisher signs of volatility, None where it signs no surfaces."""
    if chains.exchange is not None:
        async with _live_smiles(runtime, chains.exchange) as smiles:
            yield smiles
        return
    if chains.file is None:
        yield None
        return
    yield await recorded_smiles(runtime, (chains.file, chains.start, chains.chain_from))


@contextlib.asynccontextmanager
async def _live_smiles(runtime: Runtime, name: str) -> AsyncIterator[Smiles]:
    """Yield surfaces of an exchange's chains; it is asked once before anything starts."""
    from keepers.smiles.live import Live, open_options

    runtime.deployment.address("Surfaces")
    exchange = open_options(name)
    # of the markets those that have bounds, and so options
    ids = sorted(runtime.deployment.markets.values())
    bounds = await runtime.reader.many([("Surfaces", "bounds", (each,)) for each in ids])
    opened = [each for each, found in zip(ids, bounds, strict=True) if found[0]]
    source = Live(exchange, {each: runtime.deployment.symbol(each) for each in opened})
    try:
        await source.refresh((await runtime.rpc.head()).time)
        yield source.surfaces
    finally:
        await exchange.close()


async def recorded_smiles(
    runtime: Runtime, recorded: tuple[Path, int | None, int | None] | None
) -> Smiles | None:
    """Return surfaces fitted to recorded chains, played from a second of the file on.

    Times are shifted by whole hours, so that expiries stay on theirs; sources that begin in
    different hours of the chain agree about them if they are told the same `chain_from`.

    Raises:
        BadInput: the deployment has no Surfaces, or the file has no chain of its markets.
    """
    if recorded is None:
        return None
    # the fit needs numpy and scipy, which a publisher of prices does not wait for
    from keepers.smiles.chains import read_chains
    from keepers.smiles.source import Recorded

    path, start, chain_from = recorded
    deployed = runtime.deployment
    deployed.address("Surfaces")
    chains = {}
    for symbol, market in deployed.markets.items():
        with contextlib.suppress(BadInput):
            chains[market] = read_chains(path, symbol)
    if not chains:
        raise BadInput(f"{path} has no option chain of a market here", "give another --chains")
    last = max(time for snapshots in chains.values() for time in snapshots)
    now = (await runtime.rpc.head()).time if chain_from is None else chain_from
    shift = (now - (last if start is None else start)) // HOUR * HOUR
    return Recorded(chains, shift).surfaces


def _describe(series: Series) -> None:
    """Say what is odd about a file, once."""
    if series.gaps:
        log.warning("the prices have gaps: outages", symbol=series.symbol, gaps=len(series.gaps))
    if series.repaired:
        log.warning("rows widened to open and close", symbol=series.symbol, rows=series.repaired)


@contextlib.asynccontextmanager
async def live_source(
    runtime: Runtime, name: str, pairs: Sequence[str], conf: int
) -> AsyncIterator[Source]:
    """Yield a source that asks an exchange, closed at the end."""
    exchange = open_exchange(name)
    chosen = {symbol: f"{symbol}/USDT" for symbol in runtime.deployment.markets}
    for pair in pairs:
        symbol, equals, market = pair.partition("=")
        if not equals:
            raise BadInput(f"{pair} is no pair", "write it as ETH=ETH/USDT")
        runtime.deployment.market(symbol)
        chosen[symbol.upper()] = market
    wanted = {runtime.deployment.market(symbol): pair for symbol, pair in chosen.items()}

    async def source(_chain_time: int) -> list[Quote]:
        return await live_quotes(exchange, dict(sorted(wanted.items())), conf)

    try:
        yield source
    finally:
        await exchange.close()
