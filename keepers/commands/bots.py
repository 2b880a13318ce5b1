"""`plimsoll publish`, `execute` and `liquidate`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from keepers.bots.runtime import Bot, opened, run_until_stopped
from keepers.commands import options as shared
from keepers.errors import BadInput
from keepers.settings import (
    ExecuteSettings,
    LiquidateSettings,
    PublishSettings,
    Settings,
    make,
)

app = typer.Typer()

# as of `keepers.bots.sources.Chains`
Chosen = tuple[Path | None, int | None, int | None, str | None]
Given = dict[str, Any]  # what the shared options were given, by the name of the setting


def _options(
    rpc: shared.Rpc = None,
    rpc_fallback: shared.Fallback = None,
    ws: shared.Ws = None,
    deployment: shared.DeploymentFile = None,
    key: shared.Key = None,
    password_file: shared.PasswordFile = None,
    store: shared.StoreFile = None,
    host: shared.Host = None,
    port: shared.Port = None,
    fee_cap_gwei: shared.FeeCap = None,
    tip_gwei: shared.Tip = None,
    stuck_s: shared.Stuck = None,
    watchdog_s: shared.Watchdog = None,
) -> None:
    """Name the options that every bot has."""


def command(act: Callable[..., None], where: typer.Typer = app) -> Callable[..., None]:
    """Register a function of (what the shared options were given, its own arguments)."""

    def run(mine: Given, given: Given) -> None:
        act(given, **mine)

    where.command()(shared.joined(act, _options, run))
    return act


async def run_bot(bot: Bot, settings: Settings) -> None:
    """Run a bot and its HTTP server until one of them ends or a signal comes."""
    jobs: list[Coroutine[Any, Any, None]] = [bot.run()]
    if settings.port:
        from keepers.web.server import application, serve

        board = getattr(bot, "board", None) if bot.name == "publish" else None
        proposals = getattr(bot, "proposals", None)
        book = getattr(bot, "bids", None)
        bids = None if book is None else book.text
        served = application(bot.runtime.metrics, lambda: readiness(bot), board, proposals, bids)
        jobs.append(serve(served, settings.host, settings.port))
    await run_until_stopped(*jobs)


def readiness(bot: Bot) -> str:
    """Return why a bot makes no progress, nothing when it does."""
    if not bot.ready:
        return "still reading the chain"
    if not bot.stream.alive:
        return "the WebSocket is cut"
    return ""


@command
def publish(
    given: Given,
    prices: Annotated[
        list[str] | None,
        typer.Option("--prices", help="Price file, or SYMBOL=FILE; repeat for each market."),
    ] = None,
    live: Annotated[
        str | None,
        typer.Option("--live", help="Exchange that ccxt knows, instead of files."),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--fixed", help="SYMBOL=USD that stays; repeat. Others stand as on the chain."
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", help="SYMBOL=PAIR on the exchange, such as ETH=ETH/USDT."),
    ] = None,
    file_from: Annotated[
        int | None,
        typer.Option("--from", help="Second of the files to start at.", show_default="their start"),
    ] = None,
    chain_from: Annotated[
        int | None,
        typer.Option("--chain-from", help="Chain time of the files' start.", show_default="now"),
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", help="Seconds of the files per second of the chain.")
    ] = "1",
    chains: Annotated[
        Path | None,
        typer.Option("--chains", help="Recorded option chains (.csv.gz): sign surfaces too."),
    ] = None,
    chains_from: Annotated[
        int | None,
        typer.Option(
            "--chains-from", help="Second of the chains to start at.", show_default="their last"
        ),
    ] = None,
    heartbeat: Annotated[
        int | None,
        typer.Option("--heartbeat", help="Seconds between reports.", show_default="10"),
    ] = None,
    deviation_bp: Annotated[
        int | None,
        typer.Option("--deviation-bp", help="Report early beyond this move.", show_default="never"),
    ] = None,
    conf: Annotated[
        int | None,
        typer.Option("--conf", help="Least confidence, 1e-5 of the price.", show_default="10"),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option("--quorum", help="Reports of one update.", show_default="3"),
    ] = None,
    live_chains: Annotated[
        str | None,
        typer.Option("--live-chains", help="Exchange whose option chains ccxt gives: deribit."),
    ] = None,
    peer: shared.Peers = None,
) -> None:
    """Sign price reports, swap them with peers, submit the first quorum."""
    settings = make(
        PublishSettings,
        peers=tuple(peer) if peer else None,
        heartbeat_s=heartbeat,
        deviation_bp=deviation_bp,
        conf=conf,
        quorum=quorum,
        **given,
    )
    if sum(map(bool, (prices, live, fixed))) != 1:
        raise BadInput(
            "there is no source of prices, or more than one",
            "give --prices FILE, --live EXCHANGE or --fixed SYMBOL=USD",
        )
    if chains and live_chains:
        raise BadInput("there are two sources of surfaces", "give --chains or --live-chains")
    smiles = (chains, chains_from, chain_from, live_chains)
    if live:
        job = _publish_live(settings, live, tuple(pair or ()), smiles)
    elif fixed:
        job = _publish_fixed(settings, tuple(fixed), smiles)
    else:
        played = (file_from, chain_from, _speed(speed))
        job = _publish_files(settings, tuple(prices or ()), *played, smiles)
    shared.run(job)


def _speed(text: str) -> Fraction:
    try:
        speed = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise BadInput(f"{text} is no speed", "write a number such as 1 or 60") from error
    if speed <= 0:
        raise BadInput(f"{text} is no speed", "write a number above 0")
    return speed


async def _publish_files(
    settings: PublishSettings,
    prices: tuple[str, ...],
    file_from: int | None,
    chain_from: int | None,
    speed: Fraction,
    chosen: Chosen,
) -> None:
    from keepers.bots.publish import Publish
    from keepers.bots.sources import Chains, replay_source, smiles_source

    async with opened(settings) as runtime, smiles_source(runtime, Chains(*chosen)) as smiles:
        source = await replay_source(runtime, prices, file_from, chain_from, speed, settings.conf)
        bot = Publish(runtime, settings, source, wall_clock=False, smiles=smiles)
        await run_bot(bot, settings)


async def _publish_fixed(settings: PublishSettings, fixed: tuple[str, ...], chosen: Chosen) -> None:
    from keepers.bots.publish import Publish
    from keepers.bots.sources import Chains, fixed_source, smiles_source

    async with opened(settings) as runtime, smiles_source(runtime, Chains(*chosen)) as smiles:
        source = await fixed_source(runtime, fixed, settings.conf)
        bot = Publish(runtime, settings, source, wall_clock=True, smiles=smiles)
        await run_bot(bot, settings)


async def _publish_live(
    settings: PublishSettings, name: str, pairs: tuple[str, ...], chosen: Chosen
) -> None:
    from keepers.bots.publish import Publish
    from keepers.bots.sources import Chains, live_source, smiles_source

    async with (
        opened(settings) as runtime,
        live_source(runtime, name, pairs, settings.conf) as source,
        smiles_source(runtime, Chains(*chosen)) as smiles,
    ):
        bot = Publish(runtime, settings, source, wall_clock=True, smiles=smiles)
        await run_bot(bot, settings)


@command
def execute(
    given: Given,
    min_profit_usd: Annotated[
        float | None,
        typer.Option("--min-profit-usd", help="Least reward after gas.", show_default="0"),
    ] = None,
    refund: Annotated[
        bool | None,
        typer.Option(
            "--refund/--no-refund", help="Close dead orders for their owners.", show_default="yes"
        ),
    ] = None,
    peer: shared.Peers = None,
) -> None:
    """Execute committed orders at the first price that may fill them, for their reserve."""
    settings = make(
        ExecuteSettings,
        peers=tuple(peer) if peer else None,
        min_profit_usd=min_profit_usd,
        refund=refund,
        **given,
    )
    shared.run(_execute(settings))


async def _execute(settings: ExecuteSettings) -> None:
    from keepers.bots.execute import Execute

    async with opened(settings) as runtime:
        await run_bot(Execute(runtime, settings), settings)


@command
def liquidate(
    given: Given,
    account: Annotated[
        int | None,
        typer.Option("--account", help="Number of the key's account that earns.", show_default="0"),
    ] = None,
    take: Annotated[
        bool | None,
        typer.Option(
            "--take/--no-take", help="Take slices over with own capital.", show_default="yes"
        ),
    ] = None,
    max_take_usd: Annotated[
        int | None,
        typer.Option("--max-take-usd", help="Gross value of one slice.", show_default="250000"),
    ] = None,
    max_inventory_usd: Annotated[
        int | None,
        typer.Option("--max-inventory-usd", help="Gross value held.", show_default="1000000"),
    ] = None,
    min_profit_usd: Annotated[
        float | None,
        typer.Option("--min-profit-usd", help="Least profit after gas.", show_default="0"),
    ] = None,
    headroom_percent: Annotated[
        str | None,
        typer.Option("--headroom-percent", help="Of IM, kept above it.", show_default="0"),
    ] = None,
    unwind: Annotated[
        bool | None,
        typer.Option(
            "--unwind/--no-unwind",
            help="Close what was taken over, by orders.",
            show_default="yes",
        ),
    ] = None,
    max_slippage_percent: Annotated[
        str | None,
        typer.Option("--max-slippage-percent", help="Of those orders.", show_default="2"),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Send taken collateral to the key's address.")
    ] = False,
    bids: Annotated[
        list[str] | None,
        typer.Option(
            "--bids", help="Folder, or HTTP address, of makers' orders to close against; repeat."
        ),
    ] = None,
    max_bid_gas_usd: Annotated[
        float | None,
        typer.Option(
            "--max-bid-gas-usd", help="Most gas for a close, which pays nothing.", show_default="5"
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Print what --store says of past liquidations; end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The report as JSON, exact integers.")
    ] = False,
) -> None:
    """Reduce and take accounts under maintenance, within the limits of one's own capital."""
    if report:
        from keepers.commands import earned

        earned.report(make(Settings, store=given["store"]).store, as_json=as_json)
        return
    settings = make(
        LiquidateSettings,
        account=account,
        take=take,
        max_take_usd=max_take_usd,
        max_inventory_usd=max_inventory_usd,
        min_profit_usd=min_profit_usd,
        headroom_percent=headroom_percent,
        unwind=unwind,
        max_slippage_percent=max_slippage_percent,
        withdraw=withdraw or None,
        bids=tuple(bids) if bids else None,
        max_bid_gas_usd=max_bid_gas_usd,
        **given,
    )
    shared.run(_liquidate(settings))


async def _liquidate(settings: LiquidateSettings) -> None:
    from keepers.bots.liquidate import Liquidate, settings_or_refuse

    async with opened(settings_or_refuse(settings)) as runtime:
        await run_bot(Liquidate(runtime, settings), settings)
