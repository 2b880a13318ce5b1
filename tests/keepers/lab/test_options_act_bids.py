"""The makers' bids of the options act: what they leave for whom, and what they take back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from keepers.chain.signer import signer_of
from keepers.domain.exchange_orders import order_digest, read
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD
from keepers.domain.words import OPTIONS, Account
from keepers.domain.words import Leg as Held
from keepers.lab.options_act_bids import FILE, Desk
from keepers.lab.options_act_market import STEP
from keepers.lab.options_act_open import Opening
from tests.keepers.facts import NOW
from tests.keepers.named_options import CALL, PUT, id_of

EXCHANGE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
UNDER = Account(
    7 << 96,
    0,
    0,
    (),
    (),
    OPTIONS,
    (Held(id_of(CALL), -3 * LOTS_PER_UNIT), Held(id_of(PUT), LOTS_PER_UNIT)),
)


class Reader:
    """Knows one account."""

    async def accounts(self, ids: list[int]) -> list[Account]:
        return [UNDER for _ in ids]


def stage() -> Any:
    """Return as much of a stage as bids ask for: options stand at 100, ETH at 3,000 USD."""

    async def marks(market: int, ids: list[int]) -> dict[int, int]:
        found = dict.fromkeys(ids, 100 * TICKS_PER_USD)
        return {**found, market << 56: 3_000 * TICKS_PER_USD}

    deployed = SimpleNamespace(chain_id=31337, address=lambda _: EXCHANGE)
    return SimpleNamespace(
        reader=Reader(),
        clock=SimpleNamespace(now=NOW),
        marks=marks,
        world=SimpleNamespace(deployment=deployed),
    )


def test_leave__somebody_below__both_makers_bid_for_every_leg_near_the_mark(
    tmp_path: Path,
) -> None:
    played = stage()
    opening = Opening(played, 7)
    desk = Desk(played, opening, tmp_path / "bids")
    asyncio.run(desk.leave([UNDER.id]))
    (file,) = [each for each in desk.folder.iterdir() if not each.name.startswith(".")]
    given = [read(each) for each in file.read_text(encoding="utf-8").splitlines()]
    assert file.name == FILE
    makers = {int(each.address, 16) for each in opening.makers}
    assert {each.order.account >> 96 for each in given} == makers
    assert len({(each.order.account, each.order.nonce) for each in given}) == len(given) == 4
    for each in given:
        (leg,) = each.order.legs
        size = {id_of(CALL): -3 * LOTS_PER_UNIT, id_of(PUT): LOTS_PER_UNIT}[leg.instrument]
        assert leg.size == size  # the maker takes the leg over
        # worse for the account than the mark, by a half spread of about 1 % of it
        away = (leg.price - 100 * TICKS_PER_USD) * (-1 if leg.size > 0 else 1)
        assert 0.8 * TICKS_PER_USD < away < 1.2 * TICKS_PER_USD
        assert each.order.deadline == NOW + 2 * STEP
        assert int(each.order.counterparty, 16) == UNDER.id >> 96
        digest = order_digest(each.order, 31337, EXCHANGE)
        assert signer_of(each.signature, digest) == each.order.account >> 96
    asyncio.run(desk.leave([]))
    assert file.read_text(encoding="utf-8") == ""


def test_leave__nothing_held_here__bids_for_nothing(tmp_path: Path) -> None:
    played = stage()
    empty = Account(UNDER.id, 0, 0, (Held(1 << 56, LOTS_PER_UNIT),), (), 0)

    async def accounts(ids: list[int]) -> list[Account]:
        return [empty for _ in ids]

    played.reader = SimpleNamespace(accounts=accounts)
    desk = Desk(played, Opening(played, 7), tmp_path / "bids")
    asyncio.run(desk.leave([empty.id]))
    assert (desk.folder / FILE).read_text(encoding="utf-8") == ""
