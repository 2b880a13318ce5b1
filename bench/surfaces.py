"""Surfaces in gas: one word, a whole chain of twelve, and the marks of a full book; cold storage.

Every word is stored already and moves a little, in order and inside its band; the one alone stands
between two neighbours; `_same` is a chain between two fits, whose smiles are the stored ones. Three
of four signers sign. Nothing of it depends on
the node, so an EVM in this process measures the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import boa

from bench.account import COLD_SLOT, TX_GAS, Account, calldata_gas
from bench.scene import MeasuredScene
from scripts.deployment import artifacts
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import calldata, find
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, Instrument
from tests.reference.portfolio import MAX_LEGS
from tests.reference.units import TICKS_PER_USD
from tests.support.portfolio_engine import leg_words
from tests.unit.markets_support import ETH
from tests.unit.surfaces_support import House, built

NAME = "Surfaces"
# of the recorded chain of BTC on 2026-08-21, in hours
EXPIRIES = tuple(24 * days for days in (1, 2, 3, 4, 7, 14, 21, 35, 70, 126, 217, 308))
MIDDLE = 5
# writing a slot that is not empty, after the access
REWRITE = 2_900
ECRECOVER = 3_000
SIGNATURES = 3
MARKED = 4  # expiries of the marked book
FLOOR_PER_TOKEN = 10
GAS_PER_TOKEN = 4


def measure(scene: MeasuredScene) -> None:
    """Note the figures in the scene."""
    abi = artifacts.load(NAME)[NAME].abi
    with built() as house:
        house.send(*(house.surface(hours, 70) for hours in EXPIRIES))
        one = EXPIRIES[MIDDLE : MIDDLE + 1]
        moves = {
            "surface_update_3": (one, 71),
            "surface_update_3x12": (EXPIRIES, 72),
            "surface_update_3x12_same": (EXPIRIES, 72),
        }
        for key, (moved, volatility) in moves.items():
            house.desk.wait(30)
            words = [house.surface(hours, volatility) for hours in moved]
            data = calldata(find(abi, "update", 1), [house.raw(words)])
            _note(scene, key, house, data, _slots(len(words)), SIGNATURES)
        data = calldata(find(abi, "marks", 3), [ETH, 2_000 * TICKS_PER_USD, _book(house)])
        slots = [(NAME, "surface_store._words[]", "reads", COLD_SLOT)] * MARKED
        _note(scene, "marks_64", house, data, slots, 0)


def _slots(words: int) -> list[tuple[str, str, str, int]]:
    """Return what an update reads and writes."""
    around = 2 if words == 1 else 0
    known = ("Markets", "price_reports.signers", "reads", COLD_SLOT)
    listed = (NAME, "surface_store._lists[]", "reads", COLD_SLOT)
    beside = [(NAME, "surface_store._words[]", "reads", COLD_SLOT)] * around
    own = [(NAME, "surface_store._words[]", "writes", COLD_SLOT + REWRITE)] * words
    return [known, listed, *beside, *own]


def _book(house: House) -> list[int]:
    """Return 64 options, calls and puts of four expiries in turn, at 70 to 133 % of the price."""
    now = house.now // 3_600
    hours: Sequence[int] = [now + EXPIRIES[i] for i in (4, 6, 8, 10)]
    ids = [
        Instrument(ETH, CALL + i % 2, hours[i // 2 % MARKED], 1_401 + 20 * i, 10).id
        for i in range(MAX_LEGS)
    ]
    return leg_words([Leg(id_, 1) for id_ in ids])


def _note(
    scene: MeasuredScene,
    key: str,
    house: House,
    data: bytes,
    slots: list[tuple[str, str, str, int]],
    signatures: int,
) -> None:
    boa.env.evm.reset_access_counters()
    done = boa.env.execute_code(to_address=house.surfaces.address, data=data)
    if done.is_error:
        raise DeploymentError(f"{NAME} reverted on {key}")
    spent = int(done.get_gas_used())
    floor = FLOOR_PER_TOKEN * (calldata_gas(data) // GAS_PER_TOKEN)
    whole = TX_GAS + max(spent + calldata_gas(data), floor)
    scene.figures[key] = {"execution": spent, "whole": whole}
    calls = [(f"{NAME} -> ecrecover", ECRECOVER)] * signatures
    known = sum(slot[3] for slot in slots) + sum(cost for _, cost in calls)
    scene.accounts[key] = Account(
        slots=slots, calls=calls, other=Counter({f"{NAME} work": spent - known})
    )
