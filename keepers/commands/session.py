"""How a user's command runs: the options they share, the client it gets, what it prints."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from keepers.chain.plans import Cost, Done, Plan
from keepers.client import Client
from keepers.commands import changes
from keepers.commands import options as shared
from keepers.commands.books import read_account
from keepers.commands.options import Json
from keepers.domain.tickets import State
from keepers.domain.times import parse_time
from keepers.errors import BadInput, KeeperError
from keepers.settings import ClientSettings, make

Opener = Callable[[ClientSettings, str], Awaitable[Client]]

# What a command opens; a front end with signers of its own (Ape) puts its own here.
OPENER: Final[ContextVar[Opener]] = ContextVar("opener", default=Client.open)

UNIX_DIGITS: Final = 9  # what has as many is a time, not a number of seconds
NOBODY: Final = "0x" + "00" * 20  # who looks without a key
LONGEST_INDEX: Final = 20  # digits: what is longer is a whole id
AccountOption = Annotated[
    str, typer.Option("--account", help="Number of your account, or 0xADDRESS:NUMBER.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Simulate, show before, after and gas; send nothing.")
]
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline",
        help="Seconds from now, or a time (ISO, UTC; unix seconds).",
        show_default="PLIMSOLL_LIFETIME_S, 300",
    ),
]
Wait = Annotated[
    float | None,
    typer.Option("--wait-s", help="How long to wait for the execution.", show_default="60"),
]


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command."""

    client: Client
    dry_run: bool
    as_json: bool

    def account(self, text: str) -> int:
        """Return the account that was meant: an index of one's own, or a whole id."""
        index = text.isascii() and text.isdigit() and len(text) < LONGEST_INDEX
        if index and self.client.desk.owner == NOBODY:
            raise BadInput(
                f"{text} is a number of your own, and there is no key",
                "write 0xADDRESS:NUMBER, or set PLIMSOLL_KEY",
            )
        return int(text) if index else read_account(text)

    async def deadline(self, text: str | None) -> int | None:
        """Return a deadline [unix s] from seconds after the latest block, or from a time."""
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) < UNIX_DIGITS:
            return (await self.client.desk.rpc.head()).time + int(text)
        return parse_time(text)

    async def carry_out(self, plan: Plan, wait_s: float | None = None) -> Done | None:
        """Show a plan and what it costs, or send it and show what became of it.

        Raises:
            KeeperError: an order among it is not filled.
        """
        if self.dry_run:
            self._print(plan, await self.client.simulate(plan), None)
            return None
        done = await self.client.send(plan, wait_s)
        self._print(plan, None, done)
        for ticket in done.tickets:
            if ticket.state is not State.EXECUTED:
                committed = ticket.state in (State.OPEN, State.DEAD)
                raise KeeperError(
                    f"the order 0x{ticket.order.id.hex()} is not filled ({ticket.said})",
                    "wait, or take it back with `plimsoll cancel`" if committed else "trade again",
                )
        return done

    async def serve(self, request: int, wait_s: float | None) -> None:
        """Execute a request to the pool as soon as a price allows it, and show it."""
        done = await self.client.serve(request, wait_s)
        if done is not None:
            self._print(done.plan, None, done)
        elif self.as_json:
            print(json.dumps({"request": request, "served": True}))
        else:
            print(f"request {request} is served already: look at `plimsoll lp status`")

    def show(self, plan: Plan, more: Mapping[str, Any] | None = None, aside: bool = False) -> None:
        """Show a plan of which nothing is sent.

        Args:
            plan: to show.
            more: what JSON says besides; for people the caller prints it.
            aside: on stderr, where stdout is for what is handed on.
        """
        deployed = self.client.desk.deployment
        if self.as_json:
            changes.print_json({**changes.as_json(plan, None, None, deployed), **(more or {})})
        else:
            changes.print_tables(plan, None, None, deployed, aside=aside)

    def _print(self, plan: Plan, cost: Cost | None, done: Done | None) -> None:
        deployed = self.client.desk.deployment
        if self.as_json:
            changes.print_json(changes.as_json(plan, cost, done, deployed))
        else:
            changes.print_tables(plan, cost, done, deployed)


def _options(
    rpc: shared.Rpc = None,
    rpc_fallback: shared.Fallback = None,
    deployment: shared.DeploymentFile = None,
    key: shared.Key = None,
    password_file: shared.PasswordFile = None,
    fee_cap_gwei: shared.FeeCap = None,
    tip_gwei: shared.Tip = None,
    stuck_s: shared.Stuck = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Name the options that every user's command has."""


def _looking(
    rpc: shared.Rpc = None,
    rpc_fallback: shared.Fallback = None,
    deployment: shared.DeploymentFile = None,
    json: Json = False,
) -> None:
    """Name the options of a command that sends nothing."""


Command = Callable[..., Coroutine[Any, Any, None]]


def command(
    app: typer.Typer, name: str | None = None, looks: bool = False
) -> Callable[[Command], Command]:
    """Register an async function of (session, its own arguments) as a command.

    Its signature is shown with the shared options behind its own. Where it has them,
    `slippage_percent` goes to the settings, and a whole `account` id (in a dry run) or `owner`
    stands in for a key.

    Args:
        app: that it belongs to.
        name: of the command, where the function has another.
        looks: it sends nothing, and so has no options about that.
    """

    def register(act: Command) -> Command:
        def run(mine: dict[str, Any], given: dict[str, Any]) -> None:
            stand_in = NOBODY if looks else ""
            shared.run(_run(act, mine, {"dry_run": True, **given}, stand_in))

        app.command(name)(shared.joined(act, _looking if looks else _options, run))
        return act

    return register


async def _run(act: Command, mine: dict[str, Any], given: dict[str, Any], stand_in: str) -> None:
    dry_run, as_json = given.pop("dry_run"), given.pop("json")
    settings = make(ClientSettings, slippage_percent=mine.get("slippage_percent"), **given)
    owner = _owner(str(mine.get("account") or "")) if dry_run else str(mine.get("owner") or "")
    async with await OPENER.get()(settings, owner or stand_in) as client:
        await act(Session(client, dry_run, as_json), **mine)


def _owner(account: str) -> str:
    """Return the owner that a whole account id names, nothing for an index."""
    try:
        return f"0x{read_account(account) >> 96:040x}" if not account.isdigit() else ""
    except BadInput:
        return ""
