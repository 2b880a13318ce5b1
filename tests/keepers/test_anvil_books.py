"""`accounts`, `account` and `prove` against a real node, whole and robbed."""

from __future__ import annotations

import asyncio

import pytest

from keepers.chain.proving import prove
from keepers.domain.words import account_id
from keepers.errors import Reverted
from tests.keepers.anvil_world import TRADER, Node, key
from tests.keepers.bot_runs import world
from tests.keepers.user_runs import outcome

pytestmark = pytest.mark.anvil


def reading(node: Node, *arguments: str) -> list[str]:
    return [*arguments, "--rpc", node.http, "--deployment", str(node.path)]


def shown(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "200")
    printed: list[str] = []
    original = capsys.readouterr

    def kept() -> object:
        read = original()
        printed.append(read.out)
        return read

    monkeypatch.setattr(capsys, "readouterr", kept)
    code, said = outcome(arguments, capsys, monkeypatch)
    return code, "".join(printed) + said


def prepare(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            await on.deposit(TRADER, 6_000, ether=1)
            await on.open(TRADER, "ETH", 10)

    asyncio.run(act())


def test_health__mirror__equals_the_contracts(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 6_000, ether=1)
            await on.open(TRADER, "ETH", 10)
            await on.move("ETH", 2_800)
            await on.rpc.request("evm_mine")
            _, found = await on.health(account)
            assert await on.stored_health(account) == (
                found.equity,
                found.unsettled,
                found.im,
                found.le,
                found.mm,
                found.kappa,
                found.status,
                found.resume,
            )

    asyncio.run(act())


def test_accounts__table__shows_health_and_bar(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(node)
    code, text = shown(reading(node, "accounts"), capsys, monkeypatch)
    assert code == 0
    assert "healthy" in text
    assert "house" in text
    assert "0 under MM" in text
    assert "█" in text


def test_account__one__shows_position_collateral_and_prices(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(node)
    code, text = shown(reading(node, "account", key(TRADER).address), capsys, monkeypatch)
    assert code == 0
    for part in ("equity E", "ETH", "MM below", "WETH", "15.0 %"):
        assert part in text


def test_account__price_is_old__position_is_marked_and_a_withdrawal_refused(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(node)
    account = account_id(key(TRADER).address)

    async def later() -> None:
        async with world(node) as on:
            await on.pass_time(200)
            receiver, token = key(TRADER).address, on.deployment.settlement.address
            with pytest.raises(Reverted, match=r"old|stale|fresh"):
                await on.act(TRADER, "Clearinghouse", "withdraw", account, token, 1, receiver)

    _, before = shown(reading(node, "account", str(account)), capsys, monkeypatch)
    asyncio.run(later())
    code, after = shown(reading(node, "account", str(account)), capsys, monkeypatch)
    assert code == 0
    assert ("fresh" in before, "stale" in before) == (True, False)
    assert ("fresh" in after, "stale" in after) == (False, True)


def test_account__unknown__says_so(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text = shown(reading(node, "account", f"{key(5).address}:9"), capsys, monkeypatch)
    assert code == 2
    assert "there is no account" in text


def test_prove__whole__exits_0_and_robbed_exits_1(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(node)
    code, text = shown(reading(node, "prove"), capsys, monkeypatch)
    assert code == 0
    assert "sum of U == pot" in text

    async def rob() -> None:
        async with world(node) as on:
            house = on.deployment.address("Clearinghouse")
            await on.rpc.request("anvil_impersonateAccount", house)
            await on.rpc.request("anvil_setBalance", house, hex(10**18))
            token = on.deployment.settlement.address
            data = "0xa9059cbb" + "00" * 31 + "01" + f"{1:064x}"  # transfer(1, one atom)
            tx = {"from": house, "to": token, "data": data}
            await on.landed(str(await on.rpc.request("eth_sendTransaction", tx)))

    asyncio.run(rob())
    code, text = shown(reading(node, "prove"), capsys, monkeypatch)
    assert code == 1
    assert "USDC held >= tracked" in text
    assert "off by -1" in text


def test_prove__block_before_the_trade__is_another_state(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            before = (await on.rpc.head()).number
            await on.deposit(TRADER, 6_000)
            number, lines = await prove(on.rpc, on.deployment, before)
            assert number == before
            assert all(line.holds for line in lines)
            again = await prove(on.rpc, on.deployment)
            assert again[1][0].left > lines[0].left

    asyncio.run(act())


def test_account_id__owner_and_index__is_the_ledgers(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 10, index=3)
            assert account == account_id(key(TRADER).address, 3)
            assert account in await on.reader.account_ids()

    asyncio.run(act())
