"""The board of reports and the HTTP server in front of it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from keepers.chain.abi import interface
from keepers.chain.rpc import Log
from keepers.chain.signer import Signer
from keepers.chain.signer import test_secret as known_secret
from keepers.domain.publishing import Claim
from keepers.domain.reports import (
    NOBODY,
    SEATS,
    Quote,
    SignedReport,
    domain_separator,
    make_report,
    to_json,
)
from keepers.errors import BadInput
from keepers.web import peers
from keepers.web.board import Board
from keepers.web.metrics import Metrics
from keepers.web.seats import follow_seats
from keepers.web.server import application, serve

SEPARATOR = domain_separator(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
SIGNERS = [Signer(known_secret(index)) for index in range(4)]
TIME = 1_700_000_000


def board(keep: int = 8) -> Board:
    return Board(SEPARATOR, tuple(signer.address for signer in SIGNERS), keep)


def signed(index: int, time: int = TIME, by: int | None = None) -> SignedReport:
    report = make_report(time, [Quote(1, 100, 0)])
    return SIGNERS[index if by is None else by].sign_report(index, report, SEPARATOR)


def test_board__own_and_newer__is_kept() -> None:
    kept = board()
    assert kept.add(signed(0))
    assert kept.add(signed(0, TIME + 1))
    assert not kept.add(signed(0, TIME + 1))
    assert not kept.add(signed(0, TIME))
    assert len(list(kept.reports())) == 2


def test_board__keep__forgets_the_oldest() -> None:
    kept = board(keep=2)
    for second in range(5):
        kept.add(signed(1, TIME + second))
    assert [each.report.publish_time - TIME for each in kept.reports()] == [3, 4]


@pytest.mark.parametrize(
    "forged",
    [
        signed(0, by=1),
        replace(signed(0), signer=1),
        replace(signed(0), signer=200),
        replace(signed(0), signature=bytes(64)),
    ],
)
def test_board__forged__is_left_out(forged: SignedReport) -> None:
    kept = board()
    assert not kept.add(forged)
    assert list(kept.reports()) == []


def test_board__seat_taken_by_another__forgets_the_reports_of_the_one_before() -> None:
    kept = board()
    kept.add(signed(0))
    kept.add(signed(1))
    kept.seat(0, SIGNERS[2].address)
    kept.seat(1, SIGNERS[1].address)
    kept.seat(5, NOBODY)
    assert [each.signer for each in kept.reports()] == [1]
    assert not kept.add(signed(0, TIME + 1))
    assert kept.seats[:2] == (SIGNERS[2].address.lower(), SIGNERS[1].address.lower())
    assert (len(kept.seats), kept.signers) == (6, len(SIGNERS))


def test_board__merge__takes_reports_and_claims() -> None:
    sender, receiver = board(), board()
    sender.add(signed(2))
    sender.claim(Claim(2, TIME))
    assert receiver.merge(sender.as_json()) == 2
    assert [each.signer for each in receiver.reports()] == [2]
    assert receiver.claimed(TIME, but=0)
    assert not receiver.claimed(TIME, but=2)
    assert not receiver.claimed(TIME + 1, but=0)


INF = float("inf")
NONSENSE = [
    {},
    [],
    None,
    {"reports": [1]},
    {"reports": [{**to_json(signed(0)), "signer": INF}]},
    {"claims": [{}]},
    {"claims": ["x"]},
    {"claims": [{"signer": 0, "publish_time": INF}]},
    {"claims": [{"signer": SEATS, "publish_time": TIME}]},
    {"claims": [{"signer": -1, "publish_time": TIME}]},
    {"version": INF},
]


@pytest.mark.parametrize("answer", NONSENSE)
def test_board__nonsense_from_a_peer__is_refused_whole(answer: Any) -> None:
    kept = board()
    sound = {"reports": [to_json(signed(0))], "claims": [], "version": 1}
    with pytest.raises(BadInput, match="a peer"):
        kept.merge({**sound, **answer} if answer else answer)
    assert (list(kept.reports()), kept.claims) == ([], {})


def test_board__claim_of_a_time_to_come__is_left_out() -> None:
    kept = Board(SEPARATOR, tuple(signer.address for signer in SIGNERS), now=lambda: TIME)
    claims = [{"signer": seat, "publish_time": TIME + seat} for seat in (1, 2)]
    kept.merge({"reports": [], "claims": claims, "version": 1})
    assert kept.claims == {1: TIME + 1}


def test_board__seat_taken_by_another__forgets_the_claim_of_the_one_before() -> None:
    kept = board()
    kept.claim(Claim(0, TIME))
    kept.seat(0, SIGNERS[2].address)
    assert not kept.claimed(TIME, but=1)
    assert kept.as_json()["claims"] == []


@pytest.mark.parametrize("line", [b"nothing", b"\xff"])
def test_parsed__line_that_is_no_json__is_refused(line: bytes) -> None:
    with pytest.raises(BadInput, match="no JSON"):
        peers.parsed(line)


def with_server(
    kept: Board | None, scenario: Callable[[str], Awaitable[None]], ready: str = ""
) -> None:
    async def whole() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        served = serve(application(Metrics(), lambda: ready, kept), "127.0.0.1", port)
        task = asyncio.create_task(served)
        url = f"http://127.0.0.1:{port}"
        try:
            await answering(url)
            await scenario(url)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(whole())


async def answering(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(5):
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(url + "/healthz") as response:
                    assert await response.json() == {"status": "alive"}
                    return
            await asyncio.sleep(0.02)


def test_server__reports__are_served_and_followed() -> None:
    ours, theirs = board(), board()
    theirs.add(signed(3))

    async def scenario(url: str) -> None:
        task = asyncio.create_task(peers.follow(url, ours, Metrics()))
        async with asyncio.timeout(5):
            await ours.changed(0, 5)
            theirs.add(signed(3, TIME + 1))
            theirs.claim(Claim(3, TIME + 1))
            while not ours.claimed(TIME + 1, but=0):
                await ours.changed(ours.version, 5)
        task.cancel()
        assert [each.report.publish_time for each in ours.reports()] == [TIME, TIME + 1]

    with_server(theirs, scenario)


def test_server__one_signer_asked__answers_that_one() -> None:
    kept = board()
    kept.add(signed(0))
    kept.add(signed(1))

    async def scenario(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(url + "/reports", params={"signer": "1"}) as response:
                answer = await response.json()
            assert [each["signer"] for each in answer["reports"]] == [1]
            async with session.get(url + "/reports", params={"wait": "1e9"}) as response:
                assert response.status == 422

    with_server(kept, scenario)


def test_server__metrics_and_readiness__say_what_is() -> None:
    async def scenario(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(url + "/metrics") as response:
                assert "plimsoll_heads_total 0.0" in await response.text()
            async with session.get(url + "/readyz") as response:
                assert response.status == 503
                assert await response.json() == {"status": "the WebSocket is cut"}
            async with session.get(url + "/reports") as response:
                assert response.status == 404

    with_server(None, scenario, ready="the WebSocket is cut")


def test_serve__port_taken__says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app = application(Metrics(), lambda: "")
        with pytest.raises(BadInput, match=f"127.0.0.1:{port} cannot be served"):
            asyncio.run(serve(app, "127.0.0.1", port))


def test_reports_url__no_address__is_refused() -> None:
    assert peers.reports_url("http://host:1/") == "http://host:1/reports"
    with pytest.raises(BadInput, match="no HTTP address of a peer"):
        peers.reports_url("host:1")


def test_follow_seats__signer_set__seats_the_new_one() -> None:
    kept = board()
    event = next(e for e in interface("RiskConfigurator").topics.values() if e.name == "SignerSet")
    old, new = SIGNERS[1].address, SIGNERS[3].address
    data = b"".join(bytes(12) + bytes.fromhex(each[2:]) for each in (old, new))
    topics = (event.topic, f"0x{1:064x}")
    follow_seats(kept, Log("0x" + "11" * 20, topics, data, 1, "0x01", "0x02", 0, False))
    assert kept.seats[1] == new.lower()
    other = ("0x" + "22" * 32,)
    follow_seats(kept, Log("0x" + "11" * 20, other, b"", 1, "0x01", "0x02", 0, False))
    assert kept.seats[1] == new.lower()


def test_metrics__every_one__stands_in_the_keepers_page() -> None:
    page = (Path(__file__).parents[2] / "docs/keepers.md").read_text(encoding="utf-8")
    families = list(Metrics().registry.collect())
    written = [
        each.name.removeprefix("plimsoll_") + "_total" * (each.type == "counter")
        for each in families
    ]
    assert len(written) > 20
    assert [name for name in written if not re.search(rf"`{name}[`{{]", page)] == []
