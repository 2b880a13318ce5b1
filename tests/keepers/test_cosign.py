"""Sources that propose surfaces in turn, sign what is like their own, and bring a quorum."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boa
import numpy as np
import pytest

from keepers.bots.cosign import CoSigner, Smiles
from keepers.bots.runtime import Runtime
from keepers.bots.sources import recorded_smiles
from keepers.chain.signer import Signer
from keepers.chain.transactions import Draft
from keepers.domain.publishing import turn
from keepers.domain.reports import NOBODY, domain_separator
from keepers.domain.surfaces import RATIO_ONE, Surface, surface_of
from keepers.domain.units import DAY, HOUR, YEAR
from keepers.errors import BadInput
from keepers.settings import PublishSettings
from keepers.smiles.fit import Quotes, fit_chain
from keepers.smiles.source import Recorded
from keepers.web.cosigned import KEPT, Proposals
from keepers.web.metrics import Metrics
from keepers.web.server import application
from tests.keepers.lab.chains import recorded as recorded_chain
from tests.reference.portfolio import Surface as Stored
from tests.support.signing import key_of
from tests.unit.surfaces_support import House, built, put_back

BEAT = 30
SETTINGS = PublishSettings(surface_heartbeat_s=BEAT)


@pytest.fixture(scope="module")
def deployment() -> Iterator[House]:
    with built() as house:
        yield house


@pytest.fixture
def house(deployment: House) -> Iterator[House]:
    with put_back(deployment) as ready:
        ready.desk.wait(HOUR - ready.now % HOUR)
        yield ready


@dataclass
class Desk:
    """Four sources, what each of them sees, and what they have sent."""

    house: House
    scale: dict[int, float] = field(default_factory=dict)  # of the volatility, by seat
    silent: set[int] = field(default_factory=set)
    drafts: list[Draft] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the sources."""
        self.signers = [Signer(key_of(seat).secret) for seat in range(4)]
        self.seats = tuple([signer.address for signer in self.signers] + [NOBODY] * 4)
        separator = domain_separator(boa.env.evm.patch.chain_id, self.house.surfaces.address)
        self.boards = [Proposals(separator, lambda: self.seats) for _ in range(4)]
        self.sources = [
            CoSigner(self._runtime(seat), SETTINGS, self._smiles(seat), self.boards[seat], seat)
            for seat in range(4)
        ]

    def _runtime(self, seat: int) -> Runtime:
        async def send(draft: Draft) -> None:
            self.drafts.append(draft)

        address = self.house.surfaces.address
        made = SimpleNamespace(
            signer=self.signers[seat],
            sender=SimpleNamespace(send=send),
            deployment=SimpleNamespace(address=lambda _name: address),
        )
        return cast(Runtime, made)

    def _smiles(self, seat: int) -> Smiles:
        async def smiles(now: int) -> Mapping[int, Sequence[Surface]]:
            square = self.scale.get(seat, 1.0) ** 2
            return {1: [self.surface(days, square, now) for days in (7, 30)]}

        return smiles

    def surface(self, days: int, square: float, now: int) -> Surface:
        """Return what somebody sees who sees the variance multiplied."""
        made = Surface(1, 0, now, RATIO_ONE, 2**26 * 6 // 10, 2**26 * 3 // 10, -(2**28), 0, 2**25)
        hours = self.house.now // HOUR // 24 * 24 + 24 * days
        return replace(made, hours=hours, a=int(made.a * square), b=int(made.b * square))

    def proposer(self) -> int:
        """Return whose turn it is."""
        now = self.house.now
        return next(seat for seat in range(4) if turn(seat, now - now % BEAT, BEAT, 4) == 0)

    def run(self, rounds: int = 3) -> list[Surface]:
        """Let all look at each other's proposals a few times; return what was then brought."""
        self.drafts.clear()
        for _ in range(rounds):
            for seat, source in enumerate(self.sources):
                if seat in self.silent:
                    continue
                asyncio.run(source.step(self.house.now, self.seats, 4))
                answer = json.loads(json.dumps(self.boards[seat].as_json()))
                for board in self.boards:
                    board.merge(answer)
        for draft in self.drafts:
            boa.env.execute_code(
                to_address=self.house.surfaces.address,
                data=draft.data,
                sender=self.house.desk.anyone,
            )
        return [surface_of(word) for word in self.house.surfaces.surfaces(1)]


def test_step__all_see_the_same__one_proposes_and_the_quorum_is_stored(house: House) -> None:
    desk = Desk(house)
    stored = desk.run()
    assert stored == [desk.surface(days, 1.0, house.now) for days in (7, 30)]
    assert len(desk.drafts) == 1
    # nothing more until the next beat, and then another one's turn
    before = desk.proposer()
    assert desk.run() == stored and desk.drafts == []
    house.desk.wait(BEAT)
    assert desk.proposer() != before
    assert [each.publish for each in desk.run()] == [house.now] * 2


def test_step__one_sees_something_else__the_others_are_a_quorum(house: House) -> None:
    desk = Desk(house)
    other = (desk.proposer() + 1) % 4
    desk.scale[other] = 1.2
    assert desk.run() == [desk.surface(days, 1.0, house.now) for days in (7, 30)]
    (proposal,) = desk.boards[0]
    assert set(proposal.signatures) == set(range(4)) - {other}


def test_step__the_proposer_lies__nobody_signs(house: House) -> None:
    desk = Desk(house)
    desk.scale[desk.proposer()] = 1.5
    assert desk.run() == [] and desk.drafts == []
    (proposal,) = desk.boards[0]
    assert set(proposal.signatures) == {desk.proposer()}


def test_step__two_are_silent__there_is_no_quorum(house: House) -> None:
    desk = Desk(house)
    desk.silent = {seat for seat in range(4) if seat != desk.proposer()}
    desk.silent.pop()
    assert desk.run() == [] and desk.drafts == []


def test_step__proposer_is_silent__the_next_beat_has_another(house: House) -> None:
    desk = Desk(house)
    desk.silent = {desk.proposer()}
    assert desk.run() == []
    house.desk.wait(BEAT)
    assert len(desk.run()) == 2


def test_step__proposal_of_the_next_head__waits_until_it_is_seen(house: House) -> None:
    desk = Desk(house)
    proposer = desk.proposer()
    other = desk.sources[(proposer + 1) % 4]
    words = tuple(desk.surface(days, 1.0, house.now + 2).word for days in (7, 30))
    signature = desk.signers[proposer].sign_compact(other.proposals.message(words))
    assert other.proposals.offer(proposer, words, proposer, signature)
    for wait, signers in ((0, {proposer}), (2, {proposer, other.index})):
        house.desk.wait(wait)
        asyncio.run(other.step(house.now, desk.seats, 4))
        (proposal,) = [each for each in other.proposals if each.words == words]
        assert set(proposal.signatures) == signers


def test_step__own_proposal_of_long_ago__is_not_brought_again(house: House) -> None:
    desk = Desk(house)
    assert len(desk.run()) == 2
    source = desk.sources[desk.proposer()]
    for _ in range(50):
        house.desk.wait(BEAT)
        source.last = house.now  # nothing new to propose
        desk.drafts.clear()
        asyncio.run(source.step(house.now, desk.seats, 4))
        assert desk.drafts == []


@pytest.mark.parametrize("age", [BEAT + 1, -2])
def test_step__proposal_of_another_time__is_not_signed(house: House, age: int) -> None:
    desk = Desk(house)
    proposer = desk.proposer()
    words = tuple(desk.surface(days, 1.0, house.now - age).word for days in (7, 30))
    board = desk.boards[proposer]
    signature = desk.signers[proposer].sign_compact(board.message(words))
    assert board.offer(proposer, words, proposer, signature)
    other = desk.sources[(proposer + 1) % 4]
    other.proposals.merge(board.as_json())
    asyncio.run(other.step(house.now, desk.seats, 4))
    found = [each for each in other.proposals if each.words == words]
    assert [set(each.signatures) for each in found] == [{proposer}]


def test_step__unknown_expiry__is_not_signed(house: House) -> None:
    desk = Desk(house)
    proposer = desk.proposer()
    words = (desk.surface(14, 1.0, house.now).word,)
    board = desk.boards[proposer]
    signature = desk.signers[proposer].sign_compact(board.message(words))
    assert board.offer(proposer, words, proposer, signature)
    assert desk.run() == [desk.surface(days, 1.0, house.now) for days in (7, 30)]


# ---- the board -----------------------------------------------------------------------------------


def test_proposals__signed_by_another__are_left_out(house: House) -> None:
    desk = Desk(house)
    board, words = desk.boards[0], (desk.surface(7, 1.0, house.now).word,)
    signature = desk.signers[1].sign_compact(board.message(words))
    assert not board.offer(0, words, 0, signature)
    # a proposal begins with its proposer's own
    assert not board.offer(0, words, 1, signature)
    assert board.offer(1, words, 1, signature)
    assert not board.offer(1, words, 1, signature)
    assert not board.offer(1, words, 9, signature)


def test_proposals__who_has_left_his_seat__counts_no_more(house: House) -> None:
    desk = Desk(house)
    board, words = desk.boards[0], (desk.surface(7, 1.0, house.now).word,)
    for seat in range(3):
        board.offer(0, words, seat, desk.signers[seat].sign_compact(board.message(words)))
    (proposal,) = board
    assert set(board.signed(proposal)) == {0, 1, 2}
    desk.seats = (desk.seats[0], desk.seats[3], *desk.seats[2:])
    assert set(board.signed(proposal)) == {0, 2}


def test_proposals__many_of_one__keep_the_newest(house: House) -> None:
    desk = Desk(house)
    board = desk.boards[0]
    for second in range(KEPT + 3):
        words = (desk.surface(7, 1.0, house.now + second).word,)
        board.offer(0, words, 0, desk.signers[0].sign_compact(board.message(words)))
    assert sorted(each.publish - house.now for each in board) == list(range(3, KEPT + 3))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"proposals": [{}]},
        {"proposals": [{"proposer": 0, "words": [], "signatures": {}}]},
        {"proposals": [{"proposer": 0, "words": ["0x0"] * 17, "signatures": {}}]},
        {"proposals": [{"proposer": 0, "words": [hex(2**256)], "signatures": {}}]},
        {"proposals": [{"proposer": 0, "words": ["0x1"], "signatures": {"0": "0x00"}}]},
        {"proposals": [{"proposer": 0, "words": ["0x1"], "signatures": []}]},
    ],
)
def test_merge__anything_else__is_refused(house: House, answer: Any) -> None:
    with pytest.raises(BadInput):
        Desk(house).boards[0].merge(answer)


def test_application__a_publisher_of_surfaces__serves_them(house: House) -> None:
    desk = Desk(house)
    routes = application(Metrics(), lambda: "", None, desk.boards[0]).routes
    assert "/surfaces" in [getattr(route, "path", "") for route in routes]
    routes = application(Metrics(), lambda: "").routes
    assert "/surfaces" not in [getattr(route, "path", "") for route in routes]


# ---- what a source sees --------------------------------------------------------------------------

FILE_TIME = 1_770_393_600  # a full hour


def chain(days: int, volatility: float, now: int) -> Quotes:
    years = days * DAY / YEAR
    k = np.linspace(-2, 2, 21) * volatility * math.sqrt(years)
    quoted = volatility - 0.03 * k / volatility / math.sqrt(years)
    return Quotes(now + days * DAY, years, 60_600.0, k, quoted, 60_000.0)


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    snapshots = {
        FILE_TIME + after: [chain(days, volatility, FILE_TIME) for days in (1, 30)]
        for after, volatility in ((0, 0.6), (2 * HOUR, 0.7))
    }
    return Recorded({1: snapshots}, 100 * HOUR)


@pytest.mark.parametrize(("later", "volatility"), [(0, 0.6), (2 * HOUR - 1, 0.6), (5 * HOUR, 0.7)])
def test_surfaces__recorded_chains__are_played_against_chain_time(
    recorded: Recorded, later: int, volatility: float
) -> None:
    now = FILE_TIME + 100 * HOUR + later
    near, far = asyncio.run(recorded.surfaces(now))[1]
    assert [each.publish for each in (near, far)] == [now, now]
    assert near.expiry == FILE_TIME + 100 * HOUR + DAY
    assert far.ratio == round(1.01 * RATIO_ONE)
    assert far.volatility(0) / 1e18 == pytest.approx(volatility, abs=0.002)


def test_surfaces__before_the_first_chain_and_after_an_expiry__are_left_out(
    recorded: Recorded,
) -> None:
    first = FILE_TIME + 100 * HOUR
    assert asyncio.run(recorded.surfaces(first - 1)) == {}
    assert len(asyncio.run(recorded.surfaces(first + DAY))[1]) == 1


def test_surfaces__of_a_fit__are_what_the_chain_takes(house: House) -> None:
    fits = fit_chain([chain(days, 0.6, house.now) for days in (1, 7, 30)])
    assert [fit.fault for fit in fits] == [""] * 3
    played = Recorded({1: {house.now: [fit.quotes for fit in fits]}}, 0)
    surfaces = asyncio.run(played.surfaces(house.now))[1]
    outcome = house.send(*(Stored(*astuple(surface)) for surface in surfaces))
    assert len(outcome.stored) == 3


# ---- what the command is told --------------------------------------------------------------------


def runtime_of(markets: Mapping[str, int], surfaces: bool = True) -> Runtime:
    """Return what the command has opened, as far as it is asked."""

    def address(name: str) -> str:
        if not surfaces:
            raise BadInput(f"the deployment file names no {name}")
        return "0x" + "5f" * 20

    async def head() -> Any:
        return SimpleNamespace(time=FILE_TIME + 500 * HOUR)

    deployed = SimpleNamespace(address=address, markets=markets)
    return cast(Runtime, SimpleNamespace(deployment=deployed, rpc=SimpleNamespace(head=head)))


@pytest.mark.parametrize(("chain_from", "hours"), [(None, 500), (FILE_TIME + 20 * HOUR, 20)])
def test_recorded_smiles__a_file__is_shifted_by_whole_hours(
    tmp_path: Path, chain_from: int | None, hours: int
) -> None:
    # its one snapshot is 519 seconds before the hour
    path = recorded_chain(tmp_path / "chain.csv.gz")
    smiles = asyncio.run(
        recorded_smiles(runtime_of({"ETH": 1, "BTC": 2}), (path, None, chain_from))
    )
    assert smiles is not None
    found = asyncio.run(smiles(FILE_TIME + hours * HOUR))
    assert list(found) == [2]
    first = found[2][0]
    assert first.ratio == RATIO_ONE
    # thirty days after the snapshot, on the nearest hour of the chain
    assert first.expiry == FILE_TIME + hours * HOUR + 30 * DAY


def test_recorded_smiles__nothing_to_play__is_said(tmp_path: Path) -> None:
    path = recorded_chain(tmp_path / "chain.csv.gz")
    assert asyncio.run(recorded_smiles(runtime_of({}), None)) is None
    for runtime in (runtime_of({"BTC": 2}, surfaces=False), runtime_of({"ETH": 1})):
        with pytest.raises(BadInput):
            asyncio.run(recorded_smiles(runtime, (path, None, None)))
