"""F5 on every transfer: what a token's hook finds when it calls back in the middle of it.

Before an op that moves tokens, the same op is tried on a copy of the chain with a hook that makes a
few calls, chosen anew each time: any function of the contract whose lock is taken, and the price,
health, share and plan getters of the others that ask it.
"""

from __future__ import annotations

from functools import cached_property
from random import Random
from typing import Any

from tests.faults.abi_table import LOCKED, TABLES
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import LOTS_PER_UNIT
from tests.stateful.evm import Contract, Method, Reverted, blank
from tests.stateful.house import House
from tests.stateful.ops import Op, send
from tests.stateful.step import Probe

# of one op: more would only take longer, other ops choose others
CALLS = 5
# by the contract that is entered first: in the middle of its first transfer its own lock is taken
ENTERED = {
    "Clearinghouse": ("deposit", "withdraw", "batch", "operate", "op_withdraw", "permit_deposit"),
    "LiquidityPool": ("request_deposit",),
    "InsuranceFund": ("fund",),
}
ENTRY = {name: contract for contract, names in ENTERED.items() for name in names}
Call = tuple[Contract, str, bytes]


def plain_call(method: Method) -> bytes:
    """Return a call with the least arguments: a lock stands before all that they could mean."""
    return method.data(*(blank(kind) for kind in method.inputs))


class Prober:
    """Tries ops with a hook that calls back."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.rng = Random(seed)

    @cached_property
    def _own(self) -> dict[str, list[Call]]:
        """Return the locked functions of each contract that can be entered."""
        house = self.house
        found: dict[str, list[Call]] = {}
        for name, contract in (
            ("Clearinghouse", house.clearinghouse),
            ("LiquidityPool", house.pool),
            ("InsuranceFund", house.fund),
            ("Operators", house.operators),
        ):
            found[name] = [
                (contract, method, plain_call(made))
                for (method, _), made in contract.methods.items()
                if TABLES[name][method].lock == LOCKED
            ]
        return found

    def _asking(self, world: World) -> list[Call]:
        """Return getters and actions of other contracts that ask the Clearinghouse."""
        house, rng = self.house, self.rng
        key = rng.choice(list(world.accounts))
        own = house.prober.address << 96
        market = rng.choice(list(world.pool_params))
        token = house.tokens[SETTLEMENT].address
        asked: tuple[tuple[Contract, str, tuple[Any, ...]], ...] = (
            (house.pool, "nav", ()),
            (house.pool, "totalAssets", ()),
            (house.pool, "convertToShares", (1,)),
            (house.pool, "convertToAssets", (1,)),
            (house.pool, "previewDeposit", (1,)),
            (house.pool, "previewRedeem", (1,)),
            (house.pool, "liquidation_room", (market, LOTS_PER_UNIT)),
            (house.fund, "available", (market,)),
            (house.liquidator, "flag", (key,)),
            (house.liquidator, "plan_take", (key,)),
            (house.liquidator, "plan_reduce", (key, market << 56)),
            (house.liquidator, "write_off", (key,)),
            (house.operators, "fold", (own, own | 1)),
            (house.operators, "move", (own, own | 1, [], [])),
            (house.operators, "withdraw", (own, token, 1)),
            (house.operators, "batch", (b"", [], [])),
        )
        return [
            (contract, name, contract.method(name, len(args)).data(*args))
            for contract, name, args in asked
        ]

    def probe(self, world: World, op: Op) -> tuple[Probe, ...]:
        """Return how calls in the middle of an op end; nothing of it stays."""
        entered = ENTRY.get(op.name)
        if entered is None:
            return ()
        if op.name == "permit_deposit" and owner_of(op.args[0]) != op.caller:
            # the first transfer is to Operators: every ledger is whole, and only it is locked
            entered = "Operators"
        calls = self._own[entered]
        if entered == "Clearinghouse" and self.rng.random() < 0.5:
            calls = self._asking(world)
        chosen = self.rng.sample(calls, CALLS)
        evm = self.house.evm
        checkpoint = evm.snapshot()
        try:
            return self._tried(op, chosen)
        finally:
            evm.restore(checkpoint)

    def _tried(self, op: Op, chosen: list[Call]) -> tuple[Probe, ...]:
        prober = self.house.prober
        for token in self.house.tokens:
            token.send(1, "set_hook", prober.address)
        for contract, _, data in chosen:
            prober.send(1, "aim", contract.address, data, 0)
        try:
            send(self.house, op)
        except Reverted:
            return ()
        passed = prober.view("outcomes")
        return tuple(
            Probe(contract.name, name, ok, prober.view("answer", i))
            for i, ((contract, name, _), ok) in enumerate(zip(chosen, passed, strict=False))
        )
