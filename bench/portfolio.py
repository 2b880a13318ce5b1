"""The portfolio scan in gas: books in storage, every slot of them cold.

`PortfolioBook` reads legs, surfaces and market words and asks `PortfolioMargin`, as the core will.
A mixed book has a perp, a future for each of its expiries and options: calls and puts, bought and
sold, at 70 to 140 % of the price, in the order in which they were opened, that is, in none. A key
ending in `_23` is the same book under 23 rows instead of 16. Volatility is above 1 and the stable
price behind the price; the ranges of MM and IM are equal, as they are up to v = 1.4, but in
`pm_32_two_ranges`, which is scanned twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import boa
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from bench.account import COLD_SLOT, TX_GAS, Account, calldata_gas
from bench.scene import MeasuredScene
from scripts.deployment import artifacts
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import calldata, find
from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, PUT, parts
from tests.reference.units import LOTS_PER_UNIT, V_ONE, WAD
from tests.support import books as b
from tests.support.portfolio_engine import ARRAY_TYPE, arguments, array_arguments

BOOK, ENGINE = "PortfolioBook", "PortfolioMargin"
ARRAYS = {"": b.SIXTEEN, "_23": b.TWENTY_THREE}
WEEK, MONTH, QUARTER, LONG = 7 * 24, 30 * 24, 90 * 24, 360 * 24
EXPIRIES = {8: (MONTH, QUARTER), 32: (WEEK, MONTH, QUARTER), 64: (WEEK, MONTH, QUARTER, LONG)}
# of the price: every step of 5 %, taken in steps that mix them
STRIKES = [percent for percent in range(70, 145, 5)]
STRIDE = 7
EQUITY = 10**6 * WAD
Case = tuple[list[pm.Underlying], list[pm.Surface], list[Leg]]


def measure(scene: MeasuredScene) -> None:
    """Note every book's figures in the scene."""
    made = artifacts.load(BOOK, ENGINE)
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = b.NOW
        for suffix, array in ARRAYS.items():
            engine = _deploy(made[ENGINE], [ARRAY_TYPE], [array_arguments(array, b.RHOS)])
            for key, case in cases().items():
                _note(scene, key + suffix, made[BOOK], engine, case)


def cases() -> Mapping[str, Case]:
    """Return the books by key."""
    hedged = [b.option(b.ETH, kind, hours, strike, 4) for kind, hours, strike in _chain(30, 32)]
    return {
        **{f"pm_{count}": _alone(mixed(count, EXPIRIES[count])) for count in EXPIRIES},
        "pm_short_32": _alone([leg._replace(size=-abs(leg.size)) for leg in _options(32, 32)]),
        "pm_hedged_32": _alone([b.perp(-40), b.future(-20, MONTH), *hedged]),
        "pm_2markets_16": _two([*mixed(8, EXPIRIES[8]), *mixed(8, EXPIRIES[8], b.BTC)]),
        "pm_32_two_ranges": _alone(mixed(32, EXPIRIES[32]), v=2 * V_ONE),
    }


def mixed(count: int, expiries: tuple[int, ...], id_: int = b.ETH) -> list[Leg]:
    """Return a mixed book of so many legs."""
    straight = [b.perp(10, id_), *(b.future(-3, hours, id_) for hours in expiries)]
    return straight + _options(count - len(straight), count, id_)


def _options(count: int, legs: int, id_: int = b.ETH) -> list[Leg]:
    signs = (1, -1, -1, 1, 1)
    return [
        b.option(id_, kind, hours, strike * b.PRICES[id_] // b.PRICES[b.ETH], 5 * signs[i % 5])
        for i, (kind, hours, strike) in enumerate(_chain(count, legs))
    ]


def _chain(count: int, legs: int) -> list[tuple[int, int, int]]:
    """Return kind, expiry and strike of options, none twice."""
    expiries = EXPIRIES[legs]
    places = [STRIDE * i % len(STRIKES) for i in range(count)]
    return [
        (
            (CALL, PUT)[(i // len(STRIKES) + i) % 2],
            expiries[(i % len(STRIKES) + i // len(STRIKES)) % len(expiries)],
            b.PRICES[b.ETH] * STRIKES[place] // 100,
        )
        for i, place in enumerate(places)
    ]


def _market(id_: int, v: int = V_ONE * 6 // 5) -> pm.Underlying:
    price = b.market(id_).price
    return b.market(
        id_,
        stable=price * 99 // 100,
        conf=50,
        v=v,
        v_slow=V_ONE * 6 // 5,
        funding=10**9,
        spot=5 * LOTS_PER_UNIT,
        oi_rate=WAD // 100,
    )


def _alone(legs: list[Leg], v: int = V_ONE * 6 // 5) -> Case:
    return [_market(b.ETH, v)], _surfaces(legs), legs


def _two(legs: list[Leg]) -> Case:
    return [_market(b.ETH), _market(b.BTC)], _surfaces(legs), legs


def _surfaces(legs: list[Leg]) -> list[pm.Surface]:
    said = [parts(leg.instrument) for leg in legs]
    keys = dict.fromkeys((each.market, each.hours) for each in said if each.hours)
    now = b.NOW // 3_600
    return [b.surface(id_, hours - now) for id_, hours in keys]


def _note(
    scene: MeasuredScene, key: str, book: artifacts.Artifact, engine: str, case: Case
) -> None:
    """Measure one book in a contract of its own."""
    address = _deploy(book, ["address"], [engine])
    _call(address, calldata(find(book.abi, "store", 3), list(arguments(*case))), writes=True)
    asked = calldata(find(book.abi, "check", 2), [EQUITY, b.KAPPA])
    spent = _call(address, asked)
    scene.figures[key] = {"execution": spent, "whole": TX_GAS + calldata_gas(asked) + spent}
    markets, surfaces, legs = (len(each) for each in arguments(*case))
    slots = {"legs": legs, "surfaces": surfaces, "words": 3 * markets, "counts": 1}
    read = [(BOOK, name, "reads", COLD_SLOT) for name, times in slots.items() for _ in range(times)]
    work = Counter({f"{ENGINE} work": spent - COLD_SLOT * len(read)})
    scene.accounts[key] = Account(slots=read, other=work)


def _deploy(made: artifacts.Artifact, types: list[str], values: list[Any]) -> str:
    code = bytes.fromhex(made.initcode) + encode(types, values)
    address, _ = boa.env.deploy_code(bytecode=code)
    return str(to_checksum_address(address.canonical_address))


def _call(address: str, data: bytes, writes: bool = False) -> int:
    boa.env.evm.reset_access_counters()
    done = boa.env.execute_code(
        to_address=boa.util.abi.Address(address), data=data, is_modifying=writes
    )
    if done.is_error:
        raise DeploymentError(f"{BOOK} reverted on a book of the bench")
    return int(done.get_gas_used())
