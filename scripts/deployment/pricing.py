"""What the rest of a plan costs, before its first transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from scripts.deployment import artifacts, sources
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Executor, Receipt
from scripts.deployment.plan import contract_names, full_plan
from scripts.deployment.record import Record
from scripts.deployment.runner import Site, Step, run

COIN = 10**18
GWEI = 10**9
NODE = "node"  # asked for an estimate
REHEARSED = "rehearsed"  # run on an empty chain inside this process

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StepCost:
    """What a step will burn, and who says so; done ones burn nothing."""

    step: str
    gas: int
    source: str  # NODE, REHEARSED or nothing


@dataclass(frozen=True, slots=True)
class Price:
    """The rest of a plan at the fee of the moment."""

    costs: tuple[StepCost, ...]
    wei_per_gas: int
    sender: str
    balance: int  # wei

    @property
    def unfinished(self) -> bool:
        """Return whether a step may have something to send."""
        return any(cost.source for cost in self.costs)

    @property
    def left(self) -> tuple[StepCost, ...]:
        """Return the steps that send something."""
        return tuple(cost for cost in self.costs if cost.gas)

    @property
    def gas(self) -> int:
        """Return the gas of what is left."""
        return sum(cost.gas for cost in self.left)

    @property
    def wei(self) -> int:
        """Return what that costs."""
        return self.gas * self.wei_per_gas

    def lines(self) -> list[str]:
        """Return the table: each step with its gas and its source, then the sum."""
        rows = [f"{'step':<40}{'gas':>12}  by"]
        rows += [_row(cost) for cost in self.costs]
        asked = sum(cost.source == NODE for cost in self.left)
        rows.append(
            f"{len(self.left)} of {len(self.costs)} steps are left, about {self.gas:,} gas: "
            f"{asked} estimated by the node, {len(self.left) - asked} rehearsed in this process"
        )
        rows.append(
            f"cost {coins(self.wei)} of the native coin at {self.wei_per_gas / GWEI:.3f} gwei now; "
            f"{self.sender} holds {coins(self.balance)}"
        )
        return rows

    def require_enough(self) -> None:
        """Refuse a plan that the sender cannot pay.

        Raises:
            DeploymentError: the balance is below the cost.
        """
        if self.balance < self.wei:
            raise DeploymentError(
                f"the deployer {self.sender} holds {coins(self.balance)} of the native coin and "
                f"the {len(self.left)} steps left cost {coins(self.wei)}; send it "
                f"{coins(self.wei - self.balance)} or more"
            )


def coins(wei: int) -> str:
    """Return wei as the native coin, to the millionth, rounded up."""
    millionths = -(-wei // (COIN // 10**6))
    return f"{millionths // 10**6:,}.{millionths % 10**6:06}"


def price(site: Site, steps: Sequence[Step]) -> Price:
    """Ask the node for the gas of every step that it can simulate now, rehearse the others.

    Raises:
        DeploymentError: the node refuses a step that no rehearsal has.
    """
    left = [step for step in steps if not is_done(step, site)]
    asked = {step.name: _estimated(site, step) for step in left}
    refused = any(isinstance(gas, DeploymentError) for gas in asked.values())
    rehearsed = _rehearsed(site) if refused else {}
    costs = []
    for step in steps:
        gas = asked.get(step.name)
        if gas is None:
            costs.append(StepCost(step.name, 0, ""))
        elif isinstance(gas, int):
            costs.append(StepCost(step.name, gas, NODE))
        else:
            costs.append(StepCost(step.name, _rehearsal_of(step, rehearsed, gas), REHEARSED))
    executor = site.executor
    return Price(tuple(costs), executor.fee(), executor.sender, executor.balance())


def _rehearsal_of(step: Step, rehearsed: Mapping[str, int], refusal: DeploymentError) -> int:
    if step.name not in rehearsed:
        # as an adapter of a neighbour's feed; a price of zero would hide the step
        raise DeploymentError(
            f"{step.name}: the node refuses it ({refusal}); correct what the parameters say of it"
        )
    return rehearsed[step.name]


def is_done(step: Step, site: Site) -> bool:
    """Return whether a step has nothing to send."""
    # A step that looks at a contract of an earlier step cannot be done before that one.
    try:
        return step.done(site)
    except DeploymentError:
        return False


def _row(cost: StepCost) -> str:
    if cost.gas:
        return f"{cost.step:<40}{cost.gas:>12,}  {cost.source}"
    return f"{cost.step:<40}{'nothing' if cost.source else 'as it is':>12}"


# ---- by the node ---------------------------------------------------------------------------------


class _Asked(Exception):
    """Carries the estimate of a step's transaction out of the step."""

    def __init__(self, gas: int) -> None:
        self.gas = gas


class _Asking:
    """An executor that has a transaction estimated instead of sending it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def __getattr__(self, name: str) -> object:
        return getattr(self._executor, name)

    def create(self, initcode: bytes) -> Receipt:
        raise _Asked(self._executor.estimate(None, initcode))

    def send(self, to: str, data: bytes, value: int = 0) -> Receipt:
        raise _Asked(self._executor.estimate(to, data, value))


def _estimated(site: Site, step: Step) -> int | DeploymentError:
    """Return the node's estimate, or its refusal, as where the step needs one before it."""
    asking: Executor = _Asking(site.executor)  # type: ignore[assignment]
    try:
        step.run(replace(site, executor=asking, record=deepcopy(site.record), path=None))
    except _Asked as asked:
        return asked.gas
    except DeploymentError as refusal:
        return refusal
    return 0  # such as to note the token of a real chain


# ---- in this process -----------------------------------------------------------------------------


def _rehearsed(site: Site) -> Mapping[str, int]:
    """Return the gas of all steps on an empty chain, with test tokens and fixed prices."""
    # titanoboa takes two seconds to import
    import boa

    from scripts.deployment.boa_executor import BoaExecutor

    parameters = sources.stood_in(replace(site.parameters, tokens={}))
    made = artifacts.load(*contract_names(parameters))
    with boa.swap_env(boa.Env()):
        executor = BoaExecutor(site.executor.sender, parameters.chain_id)
        record = Record(executor.chain_id(), executor.sender)
        scratch = Site(executor, parameters, made, record, mocks=site.mocks)
        outcomes = run(scratch, full_plan(parameters))
    return {outcome.step: outcome.gas_used for outcome in outcomes}
