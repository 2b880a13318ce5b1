"""What the Ape scripts and other front ends share: open a site, run it, rehearse it, say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.deployment import artifacts, constants, preflight
from scripts.deployment import record as records
from scripts.deployment.configuration import NOBODY, OWNED, owners
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Executor
from scripts.deployment.models import Parameters
from scripts.deployment.plan import FAUCET, contract_names
from scripts.deployment.pricing import price
from scripts.deployment.record import Record
from scripts.deployment.runner import Outcome, Site, Step, resume, run

Tell = Callable[[str], None]
Agree = Callable[[str], bool]


def open_site(
    executor: Executor,
    parameters: Parameters,
    path: Path | None,
    fresh: bool = False,
    mocks: bool = False,
) -> Site:
    """Return a site that goes on where the deployment file ends; `fresh` begins a new one."""
    record = resume(executor, None if fresh else path)
    made = artifacts.load(*contract_names(parameters))
    record.commit = records.commit()
    record.compiler = next(iter(made.values())).compiler
    record.describe(parameters)
    return Site(executor, parameters, made, record, path, mocks or _has_faucets(record))


def _has_faucets(record: Record) -> bool:
    """Return whether an earlier run was told to deploy tokens with a faucet."""
    names = (*record.contracts, str(record.begun.get("name", "")))
    return any(name.startswith(FAUCET) for name in names)


def at_once(_question: str) -> bool:
    """Agree to everything."""
    return True


def carry_out(
    site: Site, steps: Sequence[Step], tell: Tell, agree: Agree = at_once
) -> list[Outcome]:
    """Check, say what is left and what it costs, then run it.

    Args:
        site: where.
        steps: the plan.
        tell: takes each line.
        agree: is asked before the first transaction.

    Raises:
        DeploymentError: something is wrong, the sender cannot pay, or nobody agreed.
    """
    preflight.check(site)
    cost = price(site, steps)
    if cost.unfinished:
        for line in cost.lines():
            tell(line)
        cost.require_enough()
        if not agree(f"send {len(cost.left)} transactions to chain {site.record.chain_id}?"):
            raise DeploymentError("nothing was sent; run this again and agree, or say --yes")
    outcomes = run(site, steps, lambda outcome: tell(_line(outcome)))
    total = sum(outcome.gas_used for outcome in outcomes)
    done = sum(not outcome.already for outcome in outcomes)
    tell(f"{done} of {len(outcomes)} steps run, {total:,} gas")
    waiting = [name for name in OWNED if owners(site, name)[1] != NOBODY]
    if waiting:
        heir = site.resolve(site.parameters.owner)
        tell(f"{heir} must call accept_ownership on {', '.join(waiting)} to become their owner")
    return outcomes


def rehearse(site: Site, steps: Sequence[Step], tell: Tell) -> None:
    """Check, then say what would be run and at what cost; send nothing."""
    preflight.check(site)
    cost = price(site, steps)
    for line in cost.lines():
        tell(line)
    show_constants(tell)
    tell("dry run: nothing was sent")


def show_constants(tell: Tell) -> None:
    """Say what the contracts fix and no parameter file can change."""
    tell("constants of the contracts:")
    for line in constants.shown():
        tell(f"  {line}")


def _line(outcome: Outcome) -> str:
    said = "as it is" if outcome.already else f"{outcome.gas_used:>12,} gas"
    return f"{outcome.step:<40} {said}"
