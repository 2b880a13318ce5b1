"""F1 in the machine: every guarded function of every contract, called by somebody who may not.

Who may, and what everybody else hears, stands in the table of tests/faults/abi_table.py. The
machine holds each of these calls to its reason, and everything to what it was before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from tests.faults.abi_table import ANYONE, TABLES, Entry
from tests.reference.orders import Order
from tests.reference.refused import Refused
from tests.reference.state import World, owner_of
from tests.reference.units import WAD
from tests.stateful.evm import blank
from tests.stateful.house import ACTORS, GUARDIAN, OWNER, TREASURY, House
from tools.findings import ROOT

if TYPE_CHECKING:
    from tests.stateful.ops import Op

FAR = 2**255
ROLES = (*ACTORS, TREASURY, GUARDIAN)
# roles of the table that one address holds; the rest go by what a call names
HELD_BY = {"owner": OWNER, "guardian": GUARDIAN}
# what a House calls its contracts
FIELDS = {
    "Clearinghouse": "clearinghouse",
    "InsuranceFund": "fund",
    "Liquidator": "liquidator",
    "LiquidityPool": "pool",
    "Markets": "markets",
    "Operators": "operators",
    "Orders": "orders",
    "RiskConfigurator": "configurator",
}
Call = tuple[str, str, int]
Maker = Callable[[World, Random, int, int], tuple[Any, ...]]


@cache
def guarded() -> dict[Call, Entry]:
    """Return every function that is not everybody's, by contract, name and number of arguments."""
    found: dict[Call, Entry] = {}
    for contract in FIELDS:
        abi = json.loads((ROOT / "abi" / f"{contract}.json").read_text(encoding="utf-8"))
        for item in abi:
            if item["type"] != "function" or item["stateMutability"] in ("view", "pure"):
                continue
            entry = TABLES[contract][item["name"]]
            if entry.who != ANYONE:
                found[contract, item["name"], len(item["inputs"])] = entry
    return found


# ---- arguments -----------------------------------------------------------------------------------

# how a call names a victim's account, its token and the caller; the rest is the least there is
MAKERS: dict[tuple[str, str], Maker] = {
    ("Clearinghouse", "withdraw"): lambda w, r, key, by: (key, 0, 1, by),
    ("Clearinghouse", "transfer"): lambda w, r, key, by: (key, by << 96, 0, 1),
    ("Clearinghouse", "batch"): lambda w, r, key, by: (b"", owner_of(key), []),
    ("Orders", "commit"): lambda w, r, key, by: (_order(w, r, key),),
    ("Orders", "cancel"): lambda w, r, key, by: (_order(w, r, key),),
    ("Operators", "grant"): lambda w, r, key, by: ((key, by, 7, 2**63, 1),),
    ("Operators", "batch"): lambda w, r, key, by: (b"", [(2, key, by, 0, 1)], []),
    ("Operators", "isolate"): lambda w, r, key, by: (key, 0, 1, _order(w, r, by << 96)),
    ("Operators", "fold"): lambda w, r, key, by: r.choice(((key, by << 96), (by << 96, key))),
    ("Operators", "move"): lambda w, r, key, by: (key, by << 96, [], []),
    ("Operators", "commit"): lambda w, r, key, by: ([_order(w, r, key)],),
    ("Operators", "cancel"): lambda w, r, key, by: (_order(w, r, key),),
    ("Operators", "withdraw"): lambda w, r, key, by: (key, 0, 1),
    ("Liquidator", "take"): lambda w, r, key, by: (key, _other(w, r, by), WAD, FAR, 0, FAR),
    ("LiquidityPool", "request_redeem"): lambda w, r, key, by: (w.shares.get(by, 0) + 1,),
    ("LiquidityPool", "transfer"): lambda w, r, key, by: (OWNER, w.shares.get(by, 0) + 1),
    ("LiquidityPool", "transferFrom"): lambda w, r, key, by: (max(w.shares, default=OWNER), by, 1),
}
# where a token stands among the arguments
TOKENS = {
    ("Clearinghouse", "withdraw"): 1,
    ("Clearinghouse", "transfer"): 2,
    ("Operators", "isolate"): 1,
    ("Operators", "withdraw"): 1,
}


def _order(world: World, rng: Random, key: int) -> tuple[Any, ...]:
    """Return an order of a victim's: one that is committed, or one of nobody."""
    open_orders = [order for order in world.commits if order.account == key]
    if open_orders:
        return astuple(rng.choice(open_orders))
    return astuple(Order(key, 1, 1 << 56, 10**18, 10**18, world.now + 60, False, 0, 1))


def _other(world: World, rng: Random, caller: int) -> int:
    return rng.choice([key for key in world.listed if owner_of(key) != caller])


def choose(rng: Random, world: World) -> tuple[int, Call, tuple[Any, ...], str] | None:
    """Return somebody, a call that is not his, its arguments, and what he is to hear."""
    call = rng.choice(sorted(guarded()))
    entry = guarded()[call]
    caller = rng.choice(ROLES)
    key = _other(world, rng, caller)
    may = {HELD_BY[role] for role in (entry.who, *entry.also) if role in HELD_BY}
    if caller in may or (key, caller) in world.grants:
        return None
    maker = MAKERS.get(call[:2])
    args = maker(world, rng, key, caller) if maker else ()
    return caller, call, args, entry.refusal


# ---- both sides ----------------------------------------------------------------------------------


def refused(_: World, op: Op) -> None:
    """Say what the table says."""
    raise Refused(op.args[2])


def send(house: House, op: Op) -> None:
    """Make the call; what nobody chose is the least value of its type."""
    call, args, _ = op.args
    contract = getattr(house, FIELDS[call[0]])
    method = contract.method(call[1], call[2])
    filled = list(args)
    if call[:2] in TOKENS:
        filled[TOKENS[call[:2]]] = house.tokens[0].address
    if call[:2] == ("Operators", "batch"):
        filled[1] = [(*each[:3], house.tokens[0].address, each[4]) for each in filled[1]]
    filled += [blank(kind) for kind in method.inputs[len(filled) :]]
    contract.send(op.caller, call[1], *filled)
