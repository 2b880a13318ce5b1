"""F8: what every action costs at most, with the fullest accounts there can be.

Sixteen accounts have sixteen legs and eight collaterals each, one of them under margin and in
auction; the pool has sixteen legs. pyrevm keeps storage warm from one transaction to the next, so
the state is carried over to an anvil, where each action has a transaction of its own and pays for
its calldata. Prices are an hour old where one comes in, so that both variance samples are due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import pytest
from hexbytes import HexBytes

from bench.node import Anvil, fresh_chain, rpc
from tests.reference import closing, liquidation
from tests.reference.ledger import WITHDRAW, Action
from tests.reference.operators import NO_LIMIT, Grant
from tests.reference.orders import Order
from tests.reference.pauses import STOP_DEPOSITS, STOP_OPENING
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import COOLDOWN, DAY, WAD
from tests.reference.words import market_of
from tests.stateful import fullest, powers
from tests.stateful.evm import GAS, address_text
from tests.stateful.gas_bounds import BOUNDS
from tests.stateful.house import BUYERS, KEEPERS, KEYS, OWNER, PROVIDERS, TRADERS
from tests.stateful.machine import Machine
from tests.stateful.ops import ACTIONS, Op, perform, send
from tests.stateful.ops_options import ENGINE_ACTIONS
from tests.stateful.rules import Actors
from tests.stateful.sinking import Sinking
from tests.stateful.terms import WIDE

FULL = tuple(fullest.account(owner, place) for place in (20, 21) for owner in TRADERS[:8])
STRONG, WEAK, *_ = FULL
HELPER = TRADERS[2]
FAR = 2**60
MAX_ACTIONS = 8
# seconds from now on, and from the update before: a jump, its confirmation, and once more
JUMP = ((10, 10), (40, 30), (80, 40))
# calls of tokens, and of nobody in particular
NO_ENTRY = ("donate", "habit", "trespass")
SLACK = 1.5


# an op, or what makes it of the world that it finds
Made = Op | Callable[[World], Op]


@dataclass(slots=True)
class Scene:
    """The full accounts, and what is done with them."""

    machine: Machine
    actors: Actors
    broke: Op | None = None

    @property
    def world(self) -> World:
        return self.machine.world

    def do(self, *ops: Op) -> None:
        for op in ops:
            self.machine.step(op)
            self.actors.world = self.world

    def price(self, wait: int = 3) -> None:
        self.actors.world = self.world
        reports = self.actors.reports(self.world.now + wait)
        self.do(Op("update", KEEPERS[0], (), reports, wait))

    def gas(self, node: Anvil, *ops: Made) -> int:
        """Return what the last op uses on the node, after the others; nothing of them stays."""
        checkpoint = rpc(node.web3, "evm_snapshot")
        used = 0
        for sender, to, data, value, now in self._calls(*ops):
            rpc(node.web3, "evm_setNextBlockTimestamp", now)
            sent = {
                "from": address_text(sender),
                "to": address_text(to),
                "data": "0x" + data.hex(),
                "value": hex(value),
                "gas": hex(GAS),
            }
            receipt = node.web3.eth.wait_for_transaction_receipt(
                HexBytes(str(rpc(node.web3, "eth_sendTransaction", sent)))
            )
            assert receipt["status"] == 1
            used = receipt["gasUsed"]
        rpc(node.web3, "evm_revert", checkpoint)
        return used

    def _calls(self, *ops: Made) -> list[tuple[int, int, bytes, int, int]]:
        """Return the transactions of ops, which go through here and in the reference."""
        evm, world, calls = self.machine.house.evm, self.world, []
        really = evm.send

        def noted(sender: int, to: int, data: bytes, value: int = 0) -> bytes:
            calls.append((sender, to, data, value, evm.time))
            return really(sender, to, data, value)

        checkpoint = evm.snapshot()
        evm.send = noted  # type: ignore[method-assign]
        try:
            for made in ops:
                op = made if isinstance(made, Op) else made(world)
                evm.advance(op.wait, op.blocks)
                world = world.copy()
                world.now, world.block = evm.time, evm.block
                world, _ = perform(world, op)
                send(self.machine.house, op)
        finally:
            evm.send = really  # type: ignore[method-assign]
            evm.restore(checkpoint)
        return calls


@contextmanager
def loaded(made: Scene) -> Iterator[Anvil]:
    """Yield a node in the state of a scene."""
    state = made.machine.house.evm.dump()
    with fresh_chain() as node:
        rpc(node.web3, "anvil_autoImpersonateAccount", True)
        for address, (balance, nonce, code) in state.accounts.items():
            rpc(node.web3, "anvil_setBalance", address, hex(balance or 10**24))
            if code:
                rpc(node.web3, "anvil_setNonce", address, hex(nonce))
                rpc(node.web3, "anvil_setCode", address, "0x" + code.hex())
        for (address, slot), value in state.slots.items():
            if value:
                word = f"0x{value:064x}"
                rpc(node.web3, "anvil_setStorageAt", address, f"0x{slot:064x}", word)
        yield node


def _opened(number: int) -> Scene:
    machine = Machine(number)
    actors = Actors(11, machine.world)
    actors.core = machine.house.clearinghouse.address
    made = Scene(machine, actors)
    for op in actors.opening():
        made.do(op)
    return made


@cache
def scene() -> Scene:
    made = _opened(WIDE)
    for key in FULL:
        for op in fullest.fill(made.actors, owner_of(key), place=key & 2**96 - 1):
            made.do(op)
        assert fullest.is_full(made.world, key)
    _weaken(made)
    return made


@cache
def bare() -> Scene:
    """Return a deployment that nobody has used yet: what comes first writes everything anew."""
    machine = Machine(1)
    return Scene(machine, Actors(11, machine.world))


@cache
def sunk() -> Scene:
    """Return a scene of its own with an account that has nothing but a debt."""
    made = _opened(0)
    while made.broke is None:
        for op in Sinking(made.actors).story():
            if op.name == "write_off":
                made.broke = op
                break
            made.do(op)
    return made


def _weaken(made: Scene) -> None:
    """Take cash out of the weak account and let prices rise against it, until its auction runs."""
    for _ in range(60):
        world, health = made.world, made.world.health(WEAK)
        if health.equity < health.mm:
            break
        free = min(world.account(WEAK).cash + min(0, health.unsettled), health.equity - health.im)
        atoms = free // world.setup.scale
        if atoms > 0:
            owner = owner_of(WEAK)
            made.do(Op("withdraw", owner, (WEAK, SETTLEMENT, atoms, owner)))
        for leg in world.account(WEAK).legs:
            key = market_of(leg.instrument)
            against = -1 if leg.size > 0 else 1
            made.actors.move(key, made.actors.truth[key] * (100 + 2 * against) // 100)
        made.price(12)
    made.do(Op("flag", KEEPERS[0], (WEAK,)))
    assert made.world.account(WEAK).in_auction


# ---- the worst of each action --------------------------------------------------------------------


def _some(world: World, key: int) -> tuple[int, int]:
    """Return the last collateral of an account and a part of it."""
    held = world.account(key).collateral[-1]
    return held.id, held.amount // 40


def _reports(made: Scene, wait: int) -> Op:
    made.actors.world = made.world
    reports = made.actors.reports(made.world.now + wait)
    while max(quote.conf for report in reports for quote in report.quotes) > 200:
        reports = made.actors.reports(made.world.now + wait)
    return Op("update", KEEPERS[0], (), reports, wait)


def _order(made: Scene, key: int, salt: int, close: bool = False) -> Order:
    market = max(made.world.pool_params)
    lots = 1_200 * WAD // made.world.markets[market].price
    if close:
        lots = -made.world.account(key).legs[0].size
        market = market_of(made.world.account(key).legs[0].instrument)
    return replace(made.actors.order(key, market, lots, False), salt=salt)


def update(made: Scene) -> Iterator[Made]:
    yield _reports(made, 3_700)


def deposit(made: Scene) -> Iterator[Made]:
    token, amount = _some(made.world, WEAK)
    yield Op("deposit", owner_of(WEAK), (WEAK, token, amount))


def withdraw(made: Scene) -> Iterator[Made]:
    token, amount = _some(made.world, STRONG)
    yield Op("withdraw", owner_of(STRONG), (STRONG, token, amount, KEEPERS[0]))


def transfer(made: Scene) -> Iterator[Made]:
    amount = 100 * made.world.tokens[SETTLEMENT].unit
    yield Op("transfer", owner_of(STRONG), (STRONG, WEAK, SETTLEMENT, amount))


def settle(made: Scene) -> Iterator[Made]:
    yield Op("settle", KEEPERS[0], (WEAK,))


def settle_pair(made: Scene) -> Iterator[Made]:
    yield Op("settle_pair", KEEPERS[0], (FULL, made.world.setup.pool_account, KEEPERS[0] << 96))


def commit(made: Scene) -> Iterator[Made]:
    yield Op("commit", owner_of(STRONG), (_order(made, STRONG, 1),))


def cancel(made: Scene) -> Iterator[Made]:
    order = _order(made, STRONG, 1)
    yield Op("commit", owner_of(STRONG), (order,))
    yield Op("cancel", owner_of(STRONG), (order,))


def refund(made: Scene) -> Iterator[Made]:
    order = replace(_order(made, STRONG, 1), deadline=made.world.now + 30)
    yield Op("commit", owner_of(STRONG), (order,))
    yield Op("refund", KEEPERS[0], (order,), (), 40)


def execute(made: Scene) -> Iterator[Made]:
    order = _order(made, STRONG, 1)
    yield Op("commit", owner_of(STRONG), (order,))
    yield _reports(made, 4)
    yield Op("execute", KEEPERS[0], (order,))


def request_deposit(made: Scene) -> Iterator[Made]:
    yield Op("request_deposit", PROVIDERS[0], (10**6, PROVIDERS[0]))


def execute_deposit(made: Scene) -> Iterator[Made]:
    yield from request_deposit(made)
    yield _reports(made, 4)
    yield Op("execute_deposit", KEEPERS[0], (made.world.next_request,))


def request_redeem(made: Scene) -> Iterator[Made]:
    yield Op("request_redeem", PROVIDERS[0], (1_000 * WAD,))


def execute_redeem(made: Scene) -> Iterator[Made]:
    yield from request_redeem(made)
    yield _reports(made, COOLDOWN + 10)
    yield Op("execute_redeem", KEEPERS[0], (made.world.next_request,))


def retime(made: Scene) -> Iterator[Made]:
    yield from request_deposit(made)
    yield _reports(made, 4)
    yield _reports(made, 10)
    yield Op("retime", KEEPERS[0], (made.world.next_request,))


def flag(made: Scene) -> Iterator[Made]:
    yield Op("flag", KEEPERS[0], (WEAK,), (), 3)


def reduce(made: Scene) -> Iterator[Made]:
    world = made.world
    plans = (
        (closing.plan_reduce(world, WEAK, leg.instrument), leg) for leg in world.account(WEAK).legs
    )
    leg = next(leg for plan, leg in plans if plan.status == 0)
    args = (WEAK, leg.instrument, 0, 0, KEEPERS[0] << 96, FAR)
    yield Op("reduce", KEEPERS[0], args)


def take(made: Scene) -> Iterator[Made]:
    buyer = BUYERS[0] << 96
    fraction = liquidation.planned_fraction(made.world, liquidation.case_of(made.world, WEAK))
    yield Op("take", BUYERS[0], (WEAK, buyer, fraction, 10**30, 0, FAR))


def fund(made: Scene) -> Iterator[Made]:
    yield Op("fund", OWNER, (10**6,))


def share(made: Scene) -> Iterator[Made]:
    yield Op("share", PROVIDERS[0], (KEEPERS[0], WAD))


def batch(made: Scene) -> Iterator[Made]:
    """Every action a withdrawal of the full account: checked at once, and again at the end."""
    token, amount = _some(made.world, STRONG)
    owner = owner_of(STRONG)
    action = Action(WITHDRAW, STRONG, owner, token, amount // MAX_ACTIONS)
    yield Op("batch", owner, (owner, (action,) * MAX_ACTIONS))


def operate(made: Scene) -> Iterator[Made]:
    op = next(batch(made))
    assert isinstance(op, Op)
    grant = Grant(STRONG, HELPER, 7, FAR, NO_LIMIT)
    yield Op("operate", op.caller, (op.args[1], (grant,) * 4))


def grant(made: Scene) -> Iterator[Made]:
    yield Op("grant", owner_of(STRONG), (Grant(STRONG, HELPER, 7, FAR, 1),))


def permit(made: Scene) -> Iterator[Made]:
    owner = next(iter(KEYS))
    given = Grant(owner << 96, HELPER, 7, FAR, 1)
    yield Op("permit", KEEPERS[0], (given, 7, FAR, owner))


def cancel_nonce(made: Scene) -> Iterator[Made]:
    yield Op("cancel_nonce", owner_of(STRONG), (1,))


def permit_deposit(made: Scene) -> Iterator[Made]:
    token, amount = _some(made.world, WEAK)
    yield Op("permit_deposit", owner_of(WEAK), (WEAK, token, amount))


def isolate(made: Scene) -> Iterator[Made]:
    child = owner_of(STRONG) << 96 | 77
    amount = 1_000 * made.world.tokens[SETTLEMENT].unit
    yield Op("isolate", owner_of(STRONG), (STRONG, SETTLEMENT, amount, _order(made, child, 2)))


def fold(made: Scene) -> Iterator[Made]:
    yield Op("fold", owner_of(STRONG), (STRONG, owner_of(STRONG) << 96 | 77))


def move(made: Scene) -> Iterator[Made]:
    """Half of everything to an account that has nothing yet."""
    account = made.world.account(STRONG)
    legs = tuple(
        (leg.instrument, leg.size // 2 if leg.size > 0 else -(-leg.size // 2))
        for leg in account.legs
    )
    amounts = tuple((held.id, held.amount // 2) for held in account.collateral)
    child = owner_of(STRONG) << 96 | 77
    cash = 10_000 * made.world.tokens[SETTLEMENT].unit
    yield Op("deposit", owner_of(STRONG), (child, SETTLEMENT, cash))
    yield Op("move", owner_of(STRONG), (STRONG, child, legs, amounts))


def op_commit(made: Scene) -> Iterator[Made]:
    grant = Grant(STRONG, HELPER, 1, FAR, 1_000)
    yield Op("grant", owner_of(STRONG), (grant,))
    orders = tuple(_order(made, STRONG, salt) for salt in range(16))
    yield Op("op_commit", HELPER, (orders,))


def op_cancel(made: Scene) -> Iterator[Made]:
    grant = Grant(STRONG, HELPER, 1, FAR, 1_000)
    order = _order(made, STRONG, 1)
    yield Op("grant", owner_of(STRONG), (grant,))
    yield Op("commit", owner_of(STRONG), (order,))
    yield Op("op_cancel", HELPER, (order,))


def op_withdraw(made: Scene) -> Iterator[Made]:
    token, amount = _some(made.world, STRONG)
    yield Op("grant", owner_of(STRONG), (Grant(STRONG, HELPER, 2, FAR, 1_000),))
    yield Op("op_withdraw", HELPER, (STRONG, token, amount))


def set_margin(made: Scene) -> Iterator[Made]:
    yield Op("set_margin", OWNER, (1, made.world.markets[1].margin))


def set_feed(made: Scene) -> Iterator[Made]:
    yield Op("set_feed", OWNER, (1, made.world.markets[1].feed))


def set_pool(made: Scene) -> Iterator[Made]:
    params = made.world.pool_params[1]
    yield Op("set_pool", OWNER, (1, replace(params, spread_min=params.spread_min * 2)))


def set_caps(made: Scene) -> Iterator[Made]:
    yield Op("set_caps", OWNER, (1, made.world.tokens[1].hard_cap, 1))


def set_limits(made: Scene) -> Iterator[Made]:
    yield Op("set_limits", OWNER, (1, 1))


def set_signer(made: Scene) -> Iterator[Made]:
    yield Op("set_signer", OWNER, (powers.LAST_SIGNER, False))


def pause(made: Scene) -> Iterator[Made]:
    """Stop deposits, and with them every liquidation."""
    yield Op("pause", OWNER, (STOP_DEPOSITS, 0, DAY))


def pause_markets(made: Scene) -> Iterator[Made]:
    """Stop the openings of all markets, one by one."""
    yield Op("pause", OWNER, (STOP_OPENING, 2**256 - 1, DAY))


def lower_cap(made: Scene) -> Iterator[Made]:
    yield Op("lower_cap", OWNER, (1, 0))


def lower_token_caps(made: Scene) -> Iterator[Made]:
    yield Op("lower_token_caps", OWNER, (1, 1, 0))


def withdraw_surplus(made: Scene) -> Iterator[Made]:
    yield Op("withdraw_surplus", OWNER, (10**6, OWNER))


def write_off(made: Scene) -> Iterator[Made]:
    """With the fund's cash, which is settled first."""
    assert made.broke is not None
    yield made.broke


# ---- and others that may be worse ----------------------------------------------------------------


def first_deposit(made: Scene) -> Iterator[Made]:
    """Of a collateral, by an owner who has no account yet."""
    owner = TRADERS[9]
    amount = made.world.tokens[1].unit
    yield Op("deposit", owner, (owner << 96 | 88, 1, amount))


def first_permit_deposit(made: Scene) -> Iterator[Made]:
    """As above."""
    op = next(first_deposit(made))
    assert isinstance(op, Op)
    yield replace(op, name="permit_deposit")


def close(made: Scene) -> Iterator[Made]:
    """Close a leg: the last one takes its place."""
    order = _order(made, STRONG, 1, close=True)
    yield Op("commit", owner_of(STRONG), (order,))
    yield _reports(made, 4)
    yield Op("execute", KEEPERS[0], (order,))


def first_leg(made: Scene) -> Iterator[Made]:
    """Open the first leg of an account, whose words are new."""
    key = owner_of(STRONG) << 96 | 77
    order = _order(made, key, 1)
    cash = 10_000 * made.world.tokens[SETTLEMENT].unit
    yield Op("deposit", owner_of(key), (key, SETTLEMENT, cash))
    yield Op("commit", owner_of(key), (order,))
    yield _reports(made, 4)
    yield Op("execute", KEEPERS[0], (order,))


def take_all(made: Scene) -> Iterator[Made]:
    """Take everything of an account under water, into one that has nothing but cash."""
    truth = dict(made.actors.truth)
    for leg in made.world.account(WEAK).legs:
        key = market_of(leg.instrument)
        against = -1 if leg.size > 0 else 1
        made.actors.move(key, truth[key] * (100 + 70 * against) // 100)
    updates = [replace(_reports(made, seconds), wait=wait) for seconds, wait in JUMP]
    made.actors.truth = truth
    yield from updates

    def everything(world: World) -> Op:
        assert world.health(WEAK).equity < 0
        return Op("take", BUYERS[0], (WEAK, BUYERS[0] << 96, WAD, 10**30, 0, FAR))

    yield everything


def raised(made: Scene) -> Iterator[Made]:
    """Raise limits from nothing."""
    yield Op("set_limits", OWNER, (0, 0))
    yield Op("set_limits", OWNER, (1, 1))


def seated(made: Scene) -> Iterator[Made]:
    """Seat a signer whose place is empty."""
    yield Op("set_signer", OWNER, (powers.LAST_SIGNER, False))
    yield Op("set_signer", OWNER, (powers.LAST_SIGNER, True))


WORST: dict[str, tuple[Callable[[Scene], Iterator[Made]], ...]] = {
    "update": (update,),
    "deposit": (deposit, first_deposit),
    "withdraw": (withdraw,),
    "transfer": (transfer,),
    "settle": (settle,),
    "settle_pair": (settle_pair,),
    "commit": (commit,),
    "cancel": (cancel,),
    "refund": (refund,),
    "execute": (execute, close, first_leg),
    "request_deposit": (request_deposit,),
    "execute_deposit": (execute_deposit,),
    "request_redeem": (request_redeem,),
    "execute_redeem": (execute_redeem,),
    "retime": (retime,),
    "flag": (flag,),
    "reduce": (reduce,),
    "take": (take, take_all),
    "write_off": (write_off,),
    "fund": (fund,),
    "share": (share,),
    "batch": (batch,),
    "operate": (operate,),
    "grant": (grant,),
    "permit": (permit,),
    "cancel_nonce": (cancel_nonce,),
    "permit_deposit": (permit_deposit, first_permit_deposit),
    "isolate": (isolate,),
    "fold": (fold,),
    "move": (move,),
    "op_commit": (op_commit,),
    "op_cancel": (op_cancel,),
    "op_withdraw": (op_withdraw,),
    "set_margin": (set_margin,),
    "set_feed": (set_feed,),
    "set_pool": (set_pool,),
    "set_caps": (set_caps,),
    "set_limits": (set_limits, raised),
    "set_signer": (set_signer, seated),
    "withdraw_surplus": (withdraw_surplus,),
    "pause": (pause, pause_markets),
    "lower_cap": (lower_cap,),
    "lower_token_caps": (lower_token_caps,),
}


# dearest where nothing was there before
FIRST = ("fund", "request_deposit")


def test_gas_bounds__of_the_page__are_those_of_every_action() -> None:
    # what the engine does is measured by the bench and by tests/unit/test_options_edges.py
    plain = set(ACTIONS) - set(ENGINE_ACTIONS)
    assert set(BOUNDS) == set(WORST) == plain - set(NO_ENTRY)


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, tuple[Scene, Anvil]]]:
    """Three scenes and a node in the state of each."""
    with loaded(bare()) as none, loaded(sunk()) as broke, loaded(scene()) as full:
        yield {"bare": (bare(), none), "sunk": (sunk(), broke), "full": (scene(), full)}


@pytest.mark.anvil
@pytest.mark.parametrize("name", WORST)
def test_f8_gas__of_the_fullest_accounts__is_within_its_bound(
    nodes: dict[str, tuple[Scene, Anvil]], name: str
) -> None:
    made, node = nodes["sunk" if name == "write_off" else "full"]
    used = max(made.gas(node, *worst(made)) for worst in WORST[name])
    if name in FIRST:
        made, node = nodes["bare"]
        used = max(used, made.gas(node, *WORST[name][0](made)))
    # a bound that nothing comes near would hold nothing
    assert used <= BOUNDS[name] <= SLACK * used, f"{name} uses {used:,}"
