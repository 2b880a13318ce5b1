"""Deploy, configure, verify, deposit, trade, crash, liquidate, prove: through Ape, on its own test
node and on anvil, and the scripts from the command line."""

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.node import fresh_chain, rpc
from scripts.deployment import record as records
from scripts.deployment.configuration import configure_plan
from scripts.deployment.errors import DeploymentError
from scripts.deployment.plan import CONTRACTS, full_plan
from scripts.deployment.runner import run
from scripts.deployment.verification import verify
from tests.journey.ape_chain import ApeChain
from tests.support.scene import LOTS, Scene, deploy

pytestmark = pytest.mark.ape
USD = 10**6
FIRST_TEST_ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@contextmanager
def ape_test_node():
    import ape

    with ape.networks.ethereum.local.use_provider("test") as provider:
        yield ApeChain(ape, provider), "test"


@contextmanager
def ape_on_anvil():
    import ape

    with fresh_chain() as chain:
        settings = {"host": chain.web3.provider.endpoint_uri}
        network = ape.networks.ethereum.local
        with network.use_provider("foundry", provider_settings=settings) as provider:
            yield ApeChain(ape, provider), "local"


@pytest.fixture(params=[ape_test_node, pytest.param(ape_on_anvil, marks=pytest.mark.anvil)])
def connected(request):
    with request.param() as found:
        yield found


def _weaken(scene, account):
    ledger = scene.contract("Clearinghouse")
    while (health := ledger.read("health", account)).equity >= health.mm:
        scene.publish(20, ETH=scene.prices["ETH"] * 985 // 1_000)


def test_journey__crash__account_is_liquidated_and_the_books_balance(connected, tmp_path):
    chain, network = connected
    site = deploy(chain, network, tmp_path / "chain.json")
    assert all(finding.ok for finding in verify(site)), verify(site)
    assert all(outcome.already for outcome in run(site, configure_plan(site.parameters)))
    assert set(CONTRACTS) <= set(records.load(tmp_path / "chain.json").contracts)

    scene = Scene(chain, site, dict(site.parameters.prices))
    scene.publish(1)
    scene.seed_pool(10_000_000 * USD)
    account = scene.fund("trader", USDC=32_000 * USD, WETH=10**18)
    keeper = scene.fund("keeper", USDC=USD)
    scene.trade("trader", "ETH", 200 * LOTS)
    _weaken(scene, account)
    liquidator, eth = scene.contract("Liquidator"), scene.market("ETH") << 56
    plan = liquidator.read("plan_reduce", account, eth)
    scene.by("keeper", liquidator).send(
        "reduce", account, eth, plan.size, 0, keeper, scene.now + 600
    )

    health = scene.contract("Clearinghouse").read("health", account)
    assert health.equity >= health.le
    assert not any(scene.books().values()), scene.books()


@pytest.mark.anvil
def test_scripts__from_the_command_line__deploy_repeat_and_verify(tmp_path):
    with fresh_chain() as chain:
        url = chain.web3.provider.endpoint_uri
        path = tmp_path / "31337.json"

        rehearsed = _ape_run("deploy", url, path, "--dry-run")
        assert "dry run: nothing was sent" in rehearsed.stdout
        assert chain.web3.eth.block_number == 0
        assert f"0 of {_steps()} steps run" not in _ape_run("deploy", url, path).stdout
        assert f"0 of {_steps()} steps run" in _ape_run("deploy", url, path).stdout
        assert "comparisons hold" in _ape_run("verify", url, path).stdout


@pytest.mark.anvil
def test_scripts__something_wrong__one_sentence_and_nothing_sent(tmp_path):
    (tmp_path / "broken.yaml").write_text("extends: local\na: [1, 2")
    (tmp_path / "wild.yaml").write_text("extends: local\norders: {delay: 0 s}")
    with fresh_chain() as chain:
        url, node = (
            chain.web3.provider.endpoint_uri,
            ("--network", chain.web3.provider.endpoint_uri),
        )
        refused = partial(_refused, url, tmp_path / "31337.json")
        assert refused("deploy", "--params", "test") == (
            "the node is on chain 31337, and test.yaml is for 1337"
        )
        assert "no parameters for network 'moon'" in refused("deploy", "--params", "moon")
        assert "broken.yaml is not YAML" in refused("deploy", "--params", tmp_path / "broken")
        assert refused("deploy", "--params", tmp_path / "wild") == "orders.delay: is zero"
        assert "Ape has no account nobody" in refused("deploy", "--account", "nobody")
        assert "run `ape run deploy` first" in refused("verify")
        assert "run `ape run deploy`" in refused("configure")
        said = refused("deploy", "--network", "http://127.0.0.1:1")
        assert "node found on" in said
        assert said.endswith("; start it, or give another with --network")
        assert "there is no keystore none.json; check" in refused(
            "deploy", "--account", "none.json"
        )
        rpc(chain.web3, "anvil_setChainId", 4_242)
        assert "give one with --account" in refused("deploy", *node)
        assert "give one with --account" not in refused("verify", *node)
        rpc(chain.web3, "anvil_setChainId", 31_337)
        rpc(chain.web3, "anvil_setBalance", FIRST_TEST_ACCOUNT, hex(10**16))
        assert "holds 0.010000 of the native coin and the " in refused("deploy")
        assert chain.web3.eth.block_number == 0


def test_mode__nobody_at_the_terminal__agrees_only_where_told_so():
    from scripts._command import Mode

    assert Mode(dry_run=False, yes=True).agree("send?")
    assert not Mode(dry_run=False).agree("send?")


def test_script__node_goes_away_in_the_middle__one_sentence(tmp_path):
    from scripts._command import script

    @script(sends=True)
    def cli(_site, _mode):
        raise ConnectionError

    where = ["--network", "ethereum:local:test", "--params", "test"]
    done = CliRunner().invoke(cli, [*where, "--file", str(tmp_path / "1337.json")])
    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == (
        "Error: the node does not answer any more; run this again when it does (ConnectionError)"
    )


def test_script__a_file_fails__is_not_told_as_the_node(tmp_path):
    from scripts._command import script

    @script(sends=True)
    def cli(_site, _mode):
        raise PermissionError(13, "Permission denied", "31337.json")

    where = ["--network", "ethereum:local:test", "--params", "test"]
    done = CliRunner().invoke(cli, [*where, "--file", str(tmp_path / "1337.json")])
    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == (
        "Error: 31337.json: Permission denied; give this user access to it, then run this again"
    )


def _refused(url, path, script, *options):
    done = _ape_run(script, url, path, *options, check=False)
    assert done.returncode != 0
    assert not path.exists()
    assert "Traceback" not in done.stderr + done.stdout
    said = [line for line in done.stderr.splitlines() if not line.startswith(("INFO", "WARNING"))]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("Error: ")
    return said[0].removeprefix("Error: ")


def _steps():
    from scripts.deployment import params

    return len(full_plan(params.load("local")))


def _ape_run(script, url, path, *options, check=True):
    ape = Path(sys.executable).with_name("ape")
    command = [ape, "run", script, "--network", "ethereum:local:foundry", "--file", path, *options]
    environment = {**os.environ, "APE_FOUNDRY_HOST": url, "PLIMSOLL_PASSWORD": "secret"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if check and done.returncode != 0:
        raise DeploymentError(done.stdout + done.stderr)
    return done
