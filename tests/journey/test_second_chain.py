"""A second chain id by the README's words alone: deploy, use it all, crash, liquidate, prove."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from keepers.chain import signer
from keepers.chain.deployment import load
from scripts.deployment import params
from scripts.deployment.ranges import TEST_CHAINS
from tests.journey import second_chain as words
from tests.journey.second_chain import Town, blocks, fund, pass_time, section, until
from tests.keepers.anvil_world import Node
from tests.keepers.user_runs import Said, Terminal

DAY = 86_400
RETRIES = 5
PASSWORD = "some words of your own"


@pytest.fixture(scope="module")
def place() -> Iterator[Town]:
    with words.town() as made:
        yield made


class Person:
    """Uses `plimsoll` with a keystore of the README."""

    def __init__(self, terminal: Terminal, patch: pytest.MonkeyPatch, town: Town) -> None:
        self._terminal = terminal
        self._patch = patch
        self.town = town
        self.used: set[str] = set()

    def does(self, text: str | list[str], name: str = "trader") -> Said:
        """Run a command that must succeed, an order again where its price was missed."""
        said = self.tries(text, name)
        for _ in range(RETRIES):
            if "(price passed)" in said.err:
                said = self.tries(text, name)
        assert (text, said.code, said.err) == (text, 0, ""), self.town.log()
        return said

    def tries(self, text: str | list[str], name: str = "trader") -> Said:
        """Run a command, whatever becomes of it."""
        arguments = text.split() if isinstance(text, str) else text
        self._patch.setenv("PLIMSOLL_KEY", f"keystore/{name}.json")
        group = arguments[0] in ("lp", "isolate", "operator")
        self.used.add(" ".join(arguments[: 1 + group]))
        return self._terminal.ran(arguments)

    def account(self, owner: str, index: int = 0) -> dict[str, Any]:
        """Return how an account stands, which needs no key."""
        said = self.does(f"settle --account {owner}:{index} --dry-run --json")
        found: dict[str, Any] = said.json["accounts"][0]["before"]
        return found


@pytest.fixture
def person(
    place: Town, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Person:
    monkeypatch.chdir(place.folder)
    # a keystore takes most of a second to open, by design
    monkeypatch.setattr(signer, "_decrypt", cache(signer._decrypt))
    monkeypatch.setenv("PLIMSOLL_PASSWORD", PASSWORD)
    node = Node(place.http, place.http.replace("http", "ws"), place.deployment, None)  # type: ignore[arg-type]
    return Person(Terminal(node, capsys, monkeypatch), monkeypatch, place)


def test_second_chain__the_readmes_words__deploy_use_crash_liquidate_prove(
    place: Town, person: Person
) -> None:
    keys, deployment, keepers, use = blocks()
    addresses = re.findall(r"0x\w{40}", place.shell(keys))
    assert len(addresses) == 8
    fund(place, addresses)
    keystores = {path.stem: signer.address_in(path) for path in Path("keystore").glob("*.json")}

    _deploys(place, deployment)
    place.ticking.set()
    publishers, executor, liquidator = _parts(keepers)
    first = place.start(publishers)
    lending, *commands = _commands(use)
    person.does(*lending)
    _takes_an_order_back(person)
    place.start(executor)
    for command in commands:
        person.does(*command)
    _uses_everything(person, keystores)
    _reaches_the_edge(person, keystores["trader"])
    place.end(first)
    _crashes(person, publishers, keystores["trader"])
    place.start(liquidator)
    trader = keystores["trader"]
    until("the liquidation", lambda: _sound(person.account(trader)), place)
    person.does("prove")
    _leaves(person)
    person.does("prove")

    assert person.tries("diff --params testchain").code == 0
    assert person.used >= _user_commands()


def _deploys(place: Town, block: str) -> None:
    said = place.shell(block)
    assert "dry run: nothing was sent" in said
    assert "rehearsed in this process" in said
    assert re.search(r"verified: \d+ comparisons hold", said)
    assert said.endswith("the chain has what the file says\n")
    deployed = load(place.deployment)
    assert deployed.chain_id == words.CHAIN_ID not in TEST_CHAINS
    before = place.web3.eth.block_number
    again = place.shell(block.splitlines()[1])
    assert re.search(r"^0 of \d+ steps run, 0 gas$", again, re.MULTILINE)
    assert place.web3.eth.block_number == before


def _parts(block: str) -> tuple[str, str, str]:
    """Return the README's keepers one by one: they are started when their time comes."""
    loop, rest = block.split("done\n")
    executor, liquidator = rest.splitlines()
    return f"{loop}done", executor, liquidator


def _commands(block: str) -> Iterator[tuple[list[str], str]]:
    """Return the README's lines with the keystore that each is for."""
    name = "trader"
    for line in words.words(block):
        if line[0] == "export":
            assert line[1] == f"PLIMSOLL_KEY=keystore/{name}.json"
        elif "--key" in line:
            yield line[1:], Path(line[line.index("--key") + 1]).stem
        else:
            yield line[1:], name


def _takes_an_order_back(person: Person) -> None:
    """Nobody executes yet: an order that a price has passed by gives its reserve back."""
    person.does("faucet USDC 1000", "keeper2")
    person.does("deposit 1000 USDC", "keeper2")
    said = person.tries("trade buy 1 ETH-PERP --limit 10 --wait-s 0 --json", "keeper2")
    order = said.json["orders"][0]["id"]
    back = lambda: not person.tries(f"cancel {order}", "keeper2").code  # noqa: E731
    until("a price after the order", back, person.town)
    person.does("withdraw all USDC", "keeper2")


def _uses_everything(person: Person, keystores: dict[str, str]) -> None:
    trader, keeper = keystores["trader"], keystores["deployer"]
    refused = person.tries("faucet USDC 1")
    assert refused.code == 1
    assert "faucet: limit" in refused.err
    tried = person.does("faucet WETH --dry-run --json").json
    assert (tried["sent"], tried["facts"]) == (False, {"in_the_wallet": "5", "left": "15"})

    for command in (
        "deposit 2 WETH",
        "deposit 100 USDC --permit",
        "trade buy 1 ETH-PERP --dry-run",
        "trade sell 5 ETH-PERP --reduce-only",
        "transfer 5000 USDC --to 1",
        "isolate open buy 1 ETH-PERP --fund 600 --child 2",
        "move 0.4 ETH-PERP --to 1 --account 2",
        "isolate close 2",
        "close ETH-PERP --account 1",
        "settle --account 1",
        "withdraw all USDC --account 1",
        "withdraw 1 WETH",
        f"operator grant {keeper} --scope trade --uses 20 --days 7",
        f"operator show {keeper}",
    ):
        person.does(command)
    person.does(f"trade buy 1 ETH-PERP --account {trader}:0", "deployer")
    person.does(f"operator revoke {keeper}")
    signed = person.does(f"operator sign {keeper} --scope receive --days 1").out
    Path("grant.json").write_text(signed)
    person.does("operator permit grant.json", "deployer")
    person.does("operator cancel 7")
    person.does("lp redeem 1000", "deployer")
    person.does("lp status", "deployer")
    person.does("deposit 50000 USDC --mint", "deployer")


def _reaches_the_edge(person: Person, trader: str) -> None:
    """Give the trader positions that a fall of a twentieth brings under MM."""
    person.does("trade buy 110 ETH-PERP")
    person.does("isolate open buy 20 ETH-PERP --fund 4000 --child 3")
    assert _sound(person.account(trader))
    assert _sound(person.account(trader, 3))


def _crashes(person: Person, publishers: str, trader: str) -> None:
    """Publish a price under the trader's edge, and let another take his isolated account over."""
    place = person.town
    # without prices no time shall pass: an outage would put off liquidations
    place.ticking.clear()
    low = _price_below_mm(person.account(trader))
    place.start(publishers.replace("ETH=3000", f"ETH={low}"))
    place.ticking.set()
    until("the crash", lambda: not _sound(person.account(trader)), place)
    take = lambda: not person.tries(f"take {trader}:3", "deployer").code  # noqa: E731
    assert not _sound(person.account(trader, 3))
    until("the takeover", take, place)
    assert not _sound(person.account(trader))


def _price_below_mm(stands: dict[str, Any]) -> Decimal:
    """Return the price at which E is 0.7 of what MM is now; collateral falls with it."""
    size = Decimal(stands["positions"]["ETH-PERP"]) + Decimal(stands["collateral"]["WETH"])
    wanted = Decimal(stands["mm_usd"]) * 7 / 10
    return round(3_000 - (Decimal(stands["equity_usd"]) - wanted) / size, 2)


def _sound(stands: dict[str, Any]) -> bool:
    return Decimal(stands["equity_usd"]) >= Decimal(stands["mm_usd"])


def _leaves(person: Person) -> None:
    """Close what is left, take everything out, and the lender his shares a day later."""
    for name in ("trader", "deployer"):
        if person.account(signer.address_in(Path(f"keystore/{name}.json")))["positions"]:
            person.does("close all", name)
        person.does("settle", name)
    for token in ("WETH", "USDC"):
        person.tries(f"withdraw all {token}")
    person.does("lp status", "deployer")
    pass_time(person.town, DAY)

    def served() -> bool:
        # an executor may be faster
        person.tries("lp execute 2 --wait-s 0", "deployer")
        return not person.does("lp status --json", "deployer").json["requests"]

    until("the redemption", served, person.town)


def _user_commands() -> set[str]:
    """Return every command that somebody uses an account by."""
    from keepers.commands import accounts, lp, user

    groups = {"": user.app, "isolate ": accounts.isolate_app, "operator ": accounts.operator_app}
    groups |= {"lp ": lp.app}
    found = {
        f"{prefix}{(each.name or each.callback.__name__).rstrip('_')}"  # type: ignore[union-attr]
        for prefix, app in groups.items()
        for each in app.registered_commands
    }
    return found | {"move"}


# ---- the words themselves


def test_readme__its_section__names_files_options_and_a_chain_that_exist() -> None:
    keys, deployment, keepers, use = blocks()
    assert f"export PLIMSOLL_PASSWORD='{PASSWORD}'" in keys
    assert str(words.CHAIN_ID) in section()
    assert (params.FOLDER / "testchain.yaml").is_file()
    text = (params.FOLDER / "testchain.yaml").read_text(encoding="utf-8")
    assert f"chain_id: {words.CHAIN_ID}" in text
    made = re.search(r"for name in (.+); do", keys)
    assert made is not None
    named = {f"keystore/{name}.json" for name in made[1].split()}
    used = set(re.findall(r"keystore/\w+\.json", deployment + keepers + use + text))
    assert used <= named
    assert keepers.count("--port") == 1
