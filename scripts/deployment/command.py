"""What the Ape scripts and other front ends share: open a site, run it, rehearse it, say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from scripts.deployment import artifacts, constants, preflight
from scripts.deployment import record as records
from scripts.deployment.configuration import NOBODY, OWNED, owners
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Executor
from scripts.deployment.models import Parameters
from scripts.deployment.plan import contract_names, deploy_plan
from scripts.deployment.record import Record
from scripts.deployment.runner import Outcome, Site, Step, resume, run

Tell = Callable[[str], None]


def open_site(
    executor: Executor, parameters: Parameters, path: Path | None, fresh: bool = False
) -> Site:
    """Return a site that goes on where the deployment file ends; `fresh` begins a new one."""
    record = resume(executor, None if fresh else path)
    made = artifacts.load(*contract_names(parameters))
    record.commit = records.commit()
    record.compiler = next(iter(made.values())).compiler
    record.describe(parameters)
    return Site(executor, parameters, made, record, path)


def carry_out(site: Site, steps: Sequence[Step], tell: Tell) -> list[Outcome]:
    """Check, then run what is left of the steps."""
    preflight.check(site)
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
    """Check, then say what would be run and at what gas; send nothing.

    The gas is that of the same steps on an empty chain inside this process, with mock tokens.
    """
    preflight.check(site)
    gas = _rehearsed_gas(site, steps)
    left = 0
    for step in steps:
        already, cost = _is_done(step, site), gas.get(step.name, 0)
        left += 0 if already else cost
        tell(_line(Outcome(step.name, already or cost == 0, cost)))
    show_constants(tell)
    tell(f"dry run: nothing was sent; about {left:,} gas are left to spend")


def show_constants(tell: Tell) -> None:
    """Say what the contracts fix and no parameter file can change."""
    tell("constants of the contracts:")
    for line in constants.shown():
        tell(f"  {line}")


def _is_done(step: Step, site: Site) -> bool:
    # A step that looks at a contract of an earlier step cannot be done before that one.
    try:
        return step.done(site)
    except DeploymentError:
        return False


def _rehearsed_gas(site: Site, steps: Sequence[Step]) -> dict[str, int]:
    # titanoboa takes two seconds to import, and only a dry run needs it
    import boa

    from scripts.deployment.boa_executor import BoaExecutor

    parameters = replace(site.parameters, tokens={})
    made = artifacts.load(*contract_names(parameters))
    with boa.swap_env(boa.Env()):
        executor = BoaExecutor(site.executor.sender, parameters.chain_id)
        record = Record(executor.chain_id(), executor.sender)
        scratch = Site(executor, parameters, made, record)
        wanted = {step.name for step in steps}
        before = [step for step in deploy_plan(parameters) if step.name not in wanted]
        outcomes = run(scratch, (*before, *steps))
    gas = {outcome.step: outcome.gas_used for outcome in outcomes}
    # the tokens of a real chain stand already
    return gas | {f"token {symbol}": 0 for symbol in site.parameters.tokens}


def _line(outcome: Outcome) -> str:
    said = "as it is" if outcome.already else f"{outcome.gas_used:>12,} gas"
    return f"{outcome.step:<40} {said}"
