"""`--mocks`: tokens with a faucet where the parameters name none, on test chains alone."""

from dataclasses import replace

import pytest

from scripts.deployment import command, params, preflight
from scripts.deployment import record as records
from scripts.deployment.chains import MAIN_NETS
from scripts.deployment.errors import DeploymentError
from scripts.deployment.models import Adapter, FixedTerms
from scripts.deployment.plan import full_plan
from scripts.deployment.runner import run
from scripts.deployment.verification import verify
from tests.unit.deployment.fragile import FragileExecutor, Interrupted

CHAIN = 763_373
WAD = 10**18


@pytest.fixture
def far(local):
    """Return parameters of a chain that is not this machine's, without tokens."""
    return replace(local, chain_id=CHAIN, network="far")


@pytest.fixture
def executor(executor):
    return FragileExecutor(executor.sender, chain_id=CHAIN)


def _deploy(executor, parameters, path=None, mocks=False):
    site = command.open_site(executor, parameters, path, mocks=mocks)
    preflight.check(site)
    run(site, full_plan(parameters))
    return site


def test_mocks__tokens_unnamed__faucets_are_deployed_and_noted(executor, far, path):
    site = _deploy(executor, far, path, mocks=True)

    kept = records.load(path)
    assert all(finding.ok for finding in verify(site)), verify(site)
    for token in far.all_tokens:
        noted = kept.tokens[token.symbol]
        faucet = site.contract(f"FaucetToken {token.symbol}", "FaucetToken")
        assert noted == {
            "address": faucet.address,
            "decimals": token.decimals,
            "id": token.id,
        }
        assert faucet.read("symbol") == token.symbol
        assert faucet.read("decimals") == token.decimals
        # a thousandth of the hard cap, in atoms
        assert faucet.read("LIMIT") == token.hard_cap // 1_000 * 10**token.decimals


def test_mocks__some_tokens_named__only_the_others_are_deployed(executor, far):
    stands = _deploy(executor, far, mocks=True).record.tokens["USDC"]["address"]
    named = replace(far, tokens={"USDC": stands})

    site = _deploy(executor, named, mocks=True)

    assert site.record.tokens["USDC"]["address"] == stands
    assert "FaucetToken USDC" not in site.record.contracts
    assert "FaucetToken WETH" in site.record.contracts


def test_mocks__not_said_again__run_goes_on_and_later_ones_need_no_flag(executor, far, path):
    executor.left = 2
    with pytest.raises(Interrupted):
        _deploy(executor, far, path, mocks=True)
    executor.left = 10**9

    site = _deploy(executor, far, path)

    assert all(f"FaucetToken {token.symbol}" in site.record.contracts for token in far.all_tokens)
    assert all(outcome.already for outcome in run(site, full_plan(far)))


def test_mocks__local_chain__replace_the_tokens_without_limit(executor, local, path):
    here = FragileExecutor(executor.sender)
    site = _deploy(here, local, path, mocks=True)
    assert not any(name.startswith("TestToken") for name in site.record.contracts)


def test_deploy__far_chain_without_tokens__says_what_to_do(executor, far):
    with pytest.raises(DeploymentError, match=r"^tokens\.USDC: the address is missing; on a test"):
        _deploy(executor, far)
    assert executor.sent == 0


@pytest.fixture
def pegged(far):
    """Return parameters in which a collateral has a fixed price, as testchain.yaml has one."""
    source = Adapter(FixedTerms(3_500 * WAD, 10 * WAD, 10**6 * WAD), mock=True)
    market = replace(far.markets["WSTETH"], source=source)
    return replace(far, markets={**far.markets, "WSTETH": market})


def test_mocks__source_is_a_mock__a_fixed_feed_is_deployed_and_named(executor, pegged, path):
    site = _deploy(executor, pegged, path, mocks=True)

    assert all(finding.ok for finding in verify(site)), verify(site)
    feed = site.contract("FixedFeed WSTETH", "FixedFeed")
    assert feed.read("price_wad") == 3_500 * WAD
    named = site.contract("RiskConfigurator").read("sources", 4)
    assert str(named[0]).lower() == feed.address.lower()
    sent = executor.sent
    _deploy(executor, pegged, path)
    assert executor.sent == sent


def test_deploy__far_chain_with_a_mock_and_no_word_of_it__says_what_to_do(executor, pegged):
    tokens = {token.symbol: executor.sender for token in pegged.all_tokens}
    site = command.open_site(executor, replace(pegged, tokens=tokens), None)
    with pytest.raises(DeploymentError, match=r"^markets\.WSTETH\.source: is a mock; name an ada"):
        preflight._check_feeds(site)


def test_testchain__its_file__shows_a_fixed_feed_of_a_stable_collateral(executor, monkeypatch):
    monkeypatch.setattr(params, "address_in", lambda _: executor.sender)
    shown = params.build("testchain", params.read("testchain"))
    dai = shown.collaterals["DAI"]
    market = next(each for each in shown.markets.values() if each.id == dai.feed)
    assert market.source == Adapter(FixedTerms(WAD, WAD // 2, 2 * WAD), mock=True)
    assert shown.prices[market.symbol] * 10**8 == WAD


@pytest.mark.parametrize("chain", sorted(MAIN_NETS))
def test_mocks__main_net__is_refused_in_a_sentence(executor, far, chain):
    main = FragileExecutor(executor.sender, chain_id=chain)
    parameters = replace(far, chain_id=chain)
    with pytest.raises(DeploymentError) as refused:
        _deploy(main, parameters, mocks=True)
    assert str(refused.value) == (
        f"chain {chain} is {MAIN_NETS[chain]}, where --mocks has no place; name the tokens' "
        "addresses and the feeds in the parameters"
    )
    assert main.sent == 0
