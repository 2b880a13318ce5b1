"""A connection is cut in the middle of a deployment; the next run ends it as it would have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import HTTPProvider, Web3

from bench.node import fresh_chain, rpc
from keepers.chain.signer import test_secret as known_secret
from scripts.deployment import params, preflight
from scripts.deployment.command import open_site
from scripts.deployment.difference import differences
from scripts.deployment.executor import created_address
from scripts.deployment.plan import full_plan
from scripts.deployment.recovery import recover
from scripts.deployment.runner import Site, run
from scripts.deployment.web3_executor import Web3Executor

pytestmark = pytest.mark.anvil

DEPLOYER = Account.from_key(known_secret(0))
SEND = "eth_sendRawTransaction"


class CutProvider(HTTPProvider):
    """Passes so many transactions on and is dead from the next one on, which may arrive."""

    def __init__(self, url: str, left: int, arrives: bool) -> None:
        super().__init__(url)
        self.left, self.arrives, self.dead = left, arrives, False

    def make_request(self, method: Any, params: Any) -> Any:
        if method == SEND and not self.dead:
            self.dead = self.left == 0
            self.left -= 1
            if self.dead and self.arrives:
                super().make_request(method, params)
        if self.dead:
            raise ConnectionError
        return super().make_request(method, params)


@pytest.fixture(scope="module")
def chain() -> Iterator[Web3]:
    with fresh_chain() as found:
        yield found.web3


@pytest.fixture
def web3(chain: Web3) -> Iterator[Web3]:
    kept = rpc(chain, "evm_snapshot")
    yield chain
    rpc(chain, "evm_revert", kept)


@pytest.fixture(scope="module")
def uncut(chain: Web3, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many transactions a deployment takes that nobody cuts."""
    kept = rpc(chain, "evm_snapshot")
    _deploy(chain, tmp_path_factory.mktemp("uncut") / "31337.json")
    sent = int(chain.eth.get_transaction_count(DEPLOYER.address))
    rpc(chain, "evm_revert", kept)
    return sent


def _deploy(web3: Web3, path: Path) -> Site:
    parameters = params.load("local")
    site = open_site(Web3Executor(web3, DEPLOYER), parameters, path)
    preflight.check(site)
    run(site, full_plan(parameters))
    return site


@pytest.mark.parametrize("arrives", [False, True], ids=["not sent", "sent and not noted"])
@pytest.mark.parametrize("after", [0, 3, 6, 11, 20, 36])
def test_deploy__node_cut_off__next_run_ends_at_the_same_addresses(
    web3: Web3, uncut: int, tmp_path: Path, after: int, arrives: bool
) -> None:
    url, path = str(web3.provider.endpoint_uri), tmp_path / "31337.json"  # type: ignore[attr-defined]
    with pytest.raises(ConnectionError):
        _deploy(Web3(CutProvider(url, after, arrives)), path)
    assert web3.eth.get_transaction_count(DEPLOYER.address, "pending") == after + arrives

    site = _deploy(web3, path)

    assert [entry["address"] for entry in site.record.contracts.values()] == [
        created_address(DEPLOYER.address, nonce) for nonce in range(len(site.record.contracts))
    ]
    assert differences(site) == []
    assert web3.eth.get_transaction_count(DEPLOYER.address) == uncut > after


def test_deploy__transaction_waits_in_the_pool__next_run_waits_for_its_block(
    web3: Web3, tmp_path: Path
) -> None:
    url, path = str(web3.provider.endpoint_uri), tmp_path / "31337.json"  # type: ignore[attr-defined]
    rpc(web3, "evm_setAutomine", False)
    with pytest.raises(ConnectionError):
        _deploy(Web3(CutProvider(url, 0, True)), path)
    site = open_site(Web3Executor(web3, DEPLOYER), params.load("local"), path)
    assert site.executor.in_flight() == 1
    waits = []

    def mine(seconds: float) -> None:
        waits.append(seconds)
        rpc(web3, "evm_mine")

    recover(site, mine)
    rpc(web3, "evm_setAutomine", True)

    assert len(waits) == 1
    assert list(site.record.contracts) == ["TestToken USDC"]
    assert site.record.begun == {}
