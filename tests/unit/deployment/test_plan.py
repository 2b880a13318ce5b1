"""The plan on the chain inside the process: order, repetition, resumption, refusals."""

from dataclasses import replace

import pytest

from scripts.deployment import artifacts, command, constants, preflight
from scripts.deployment import record as records
from scripts.deployment.configuration import OWNED, configure_plan, ownership
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import created_address
from scripts.deployment.plan import (
    CIRCLE,
    CONTRACTS,
    contract_names,
    deploy_plan,
    full_plan,
    same_code,
)
from scripts.deployment.runner import run
from scripts.deployment.verification import verify
from tests.unit.deployment.fragile import FragileExecutor, Interrupted


def _deploy(executor, parameters, path=None):
    site = command.open_site(executor, parameters, path)
    preflight.check(site)
    run(site, full_plan(parameters))
    return site


def _as(executor, name):
    """Return another account's executor on the same chain."""
    return FragileExecutor(str(executor.env.generate_address(name)))


def test_deploy__empty_chain__all_contracts_verified(executor, local, path):
    site = _deploy(executor, local, path)

    assert set(CONTRACTS) <= set(site.record.contracts)
    assert all(finding.ok for finding in verify(site)), verify(site)


def test_deploy__empty_chain__file_holds_what_keepers_read(executor, local, path):
    _deploy(executor, local, path)

    kept = records.load(path)
    assert kept.chain_id == 31337
    assert kept.compiler == "vyper 0.4.3"
    assert kept.signers == list(local.signers)
    assert {name: entry["id"] for name, entry in kept.markets.items()} == {
        "ETH": 1,
        "BTC": 2,
        "LINK": 3,
        "WSTETH": 4,
    }
    assert (kept.tokens["USDC"]["id"], kept.tokens["USDC"]["decimals"]) == (0, 6)
    assert kept.parameters["markets"]["ETH"]["margin"]["base"] == 5 * 10**16


def test_deploy__repeated__sends_nothing(executor, local, path):
    _deploy(executor, local, path)
    sent = executor.sent

    site = command.open_site(executor, local, path)
    outcomes = run(site, full_plan(local))

    assert all(outcome.already for outcome in outcomes)
    assert executor.sent == sent


@pytest.mark.parametrize("interrupted_after", [0, 3, 5, 6, 7, 9, 13, 20, 30])
def test_deploy__interrupted__goes_on_to_the_same_end(executor, local, path, interrupted_after):
    executor.left = interrupted_after
    with pytest.raises(Interrupted):
        _deploy(executor, local, path)

    executor.left = 10**9
    site = _deploy(executor, local, path)

    assert all(finding.ok for finding in verify(site)), verify(site)


@pytest.mark.parametrize("interrupted_after", range(5, 12))
def test_deploy__interrupted_before_the_note__goes_on_to_the_same_end(
    executor, local, path, interrupted_after
):
    executor.left, executor.loses_receipt = interrupted_after, True
    with pytest.raises(Interrupted):
        _deploy(executor, local, path)

    executor.left = 10**9
    site = _deploy(executor, local, path)

    assert all(finding.ok for finding in verify(site)), verify(site)
    assert site.record.block <= min(entry["block"] for entry in site.record.contracts.values())


def test_deploy__interrupted_in_the_circle_and_nonce_moved_on__says_what_to_do(
    executor, local, path
):
    executor.left = len(local.all_tokens) + 2
    with pytest.raises(Interrupted):
        _deploy(executor, local, path)
    executor.left = 10**9
    executor.create(bytes.fromhex("5f5ff3"))

    with pytest.raises(DeploymentError, match="would not get the address that RiskConfigurator"):
        preflight.check(command.open_site(executor, local, path))


def test_configure__changed_parameters__sends_only_the_difference(executor, local, path):
    _deploy(executor, local, path)
    sent = executor.sent
    eth = local.markets["ETH"]
    changed = replace(eth, margin=replace(eth.margin, oi_cap=20_000_000 * 10**18))
    parameters = replace(local, markets={**local.markets, "ETH": changed})

    site = command.open_site(executor, parameters, path)
    before = [finding.what for finding in verify(site) if not finding.ok]
    run(site, configure_plan(parameters))

    assert before == ["markets.ETH.margin.oi_cap"]
    assert executor.sent == sent + 1
    assert all(finding.ok for finding in verify(site))


def test_verify__nothing_deployed__one_sentence(executor, local):
    with pytest.raises(DeploymentError, match="nothing is deployed on chain 31337; run `ape run"):
        verify(command.open_site(executor, local, None))


def test_verify__other_account__compares_the_same(executor, local, path):
    _deploy(executor, local, path)
    site = command.open_site(_as(executor, "reader"), local, path)
    assert all(finding.ok for finding in verify(site)), verify(site)


def test_dry_run__tokens_of_a_real_chain__cost_nothing(executor, local):
    stand = _deploy(executor, local)
    tokens = {symbol: entry["address"] for symbol, entry in stand.record.tokens.items()}
    parameters, said = replace(local, tokens=tokens), []
    command.rehearse(
        command.open_site(executor, parameters, None), full_plan(parameters), said.append
    )
    assert all(line.endswith("nothing") for line in said if line.startswith("token "))
    assert said[1].startswith("token USDC")


# ---- owners ------------------------------------------------------------------------------------


@pytest.fixture
def heir(executor):
    return _as(executor, "timelock")


def _accept(site, heir):
    for name in OWNED:
        site.contract(name).by(heir).send("accept_ownership")


def test_owner__deployer__is_owner_and_nothing_is_pending(executor, local):
    site = _deploy(executor, local)
    assert ownership(site) == [f"owner of {name}: {executor.sender}, accepted" for name in OWNED]


def test_owner__another_address__pending_until_it_accepts(executor, local, path, heir):
    parameters = replace(local, owner=heir.sender)
    said = []
    site = command.open_site(executor, parameters, path)
    command.carry_out(site, full_plan(parameters), said.append)

    assert said[-1] == (
        f"{heir.sender} must call accept_ownership on RiskConfigurator, Clearinghouse, "
        "InsuranceFund, LiquidityPool, Surfaces, OptionsMargin, Options, Exchange to become their "
        "owner"
    )
    assert all(finding.ok for finding in verify(site)), verify(site)
    assert ownership(site)[0] == (
        f"owner of RiskConfigurator: {executor.sender} until {heir.sender} calls accept_ownership"
    )
    sent = executor.sent
    assert all(each.already for each in run(site, full_plan(parameters)))

    _accept(site, heir)

    assert ownership(site) == [f"owner of {name}: {heir.sender}, accepted" for name in OWNED]
    assert all(each.already for each in run(site, full_plan(parameters)))
    assert executor.sent == sent


def test_owner__interrupted_between_two_contracts__goes_on(executor, local, path, heir):
    parameters = replace(local, owner=heir.sender)
    _deploy(executor, local, path)
    executor.left = 2
    with pytest.raises(Interrupted):
        _deploy(executor, parameters, path)

    executor.left = 10**9
    before = executor.sent
    site = _deploy(executor, parameters, path)

    assert executor.sent == before + len(OWNED) - 2
    assert all("until" in line for line in ownership(site))


def test_owner__deployer_again_before_acceptance__takes_the_offer_back(executor, local, path, heir):
    _deploy(executor, replace(local, owner=heir.sender), path)
    site = _deploy(executor, local, path)

    assert all(line.endswith(", accepted") for line in ownership(site))
    with pytest.raises(DeploymentError, match="caller is not the new owner"):
        _accept(site, heir)


def test_configure__handed_over__only_the_new_owner_changes_parameters(executor, local, path, heir):
    parameters = replace(local, owner=heir.sender)
    _accept(_deploy(executor, parameters, path), heir)
    changed = replace(parameters, insurance_market_limit=10**17)

    with pytest.raises(
        DeploymentError, match=r"limits of the InsuranceFund: 0x\w+ is not the owner; send it from"
    ):
        _deploy(executor, changed, path)
    site = _deploy(heir, changed, path)

    assert heir.sent == len(OWNED) + 1
    assert all(finding.ok for finding in verify(site)), verify(site)


def test_same_code__other_immutables__is_the_same():
    orders = artifacts.load("Orders")["Orders"]
    runtime = bytes.fromhex(orders.runtime)
    tail = orders.immutable_bytes

    assert same_code(runtime + b"\x01" * tail, orders)
    assert not same_code(runtime + b"\x01" * (tail + 1), orders)
    assert not same_code(b"\xff" + runtime[1:] + b"\x01" * tail, orders)


def test_dry_run__empty_chain__sends_nothing_and_says_gas(executor, local, path):
    said = []

    command.rehearse(command.open_site(executor, local, path), full_plan(local), said.append)

    assert executor.sent == 0
    assert not path.exists()
    assert len(said) == 1 + len(full_plan(local)) + 2 + 1 + len(constants.shown()) + 1
    assert "  " + constants.shown()[0] in said
    assert any(line.startswith("deploy Markets") and "rehearsed" in line for line in said)
    assert "nothing was sent" in said[-1]


def test_dry_run__deployed__shows_what_is_done(executor, local, path):
    _deploy(executor, local, path)
    said = []

    command.rehearse(command.open_site(executor, local, path), full_plan(local), said.append)

    assert all(line.endswith(" as it is") for line in said[1 : 1 + len(full_plan(local))])
    assert any("about 0 gas" in line for line in said)


# ---- refusals ----------------------------------------------------------------------------------


def test_preflight__wrong_chain__one_sentence(executor, local):
    site = command.open_site(executor, replace(local, chain_id=1, network="mainnet"), None)
    with pytest.raises(DeploymentError, match=r"on chain 31337, and mainnet\.yaml is for 1"):
        preflight.check(site)


def test_preflight__owner_is_no_address__one_sentence(executor, local):
    with pytest.raises(DeploymentError, match="owner: 0x12 is not an address"):
        preflight.check(command.open_site(executor, replace(local, owner="0x12"), None))


def test_preflight__tokens__missing_empty_or_of_other_decimals(executor, local):
    addresses = {token.symbol: "0x" + "77" * 20 for token in local.all_tokens}
    cases = {
        "tokens.USDC: there is no contract": addresses,
        "tokens.USDC: the address is missing": {"WETH": "0x" + "77" * 20},
    }
    for sentence, tokens in cases.items():
        with pytest.raises(DeploymentError, match=sentence):
            preflight.check(command.open_site(executor, replace(local, tokens=tokens), None))
    deployed = _deploy(executor, local)
    wrong = {token.symbol: deployed.record.tokens["WETH"]["address"] for token in local.all_tokens}
    with pytest.raises(DeploymentError, match=r"tokens\.USDC: the token has 18 decimals, not 6"):
        preflight.check(command.open_site(executor, replace(local, tokens=wrong), None))


def test_dry_run__fresh__keeps_the_file_of_the_deployment_before(executor, local, path):
    _deploy(executor, local, path)
    kept, said = path.read_text(), []

    site = command.open_site(executor, local, path, fresh=True)
    command.rehearse(site, full_plan(local), said.append)

    assert path.read_text() == kept
    assert not said[1].endswith("as it is")


def test_resume__file_of_another_chain_or_deployer__is_refused(executor, local, path):
    records.save(records.Record(chain_id=1, deployer=executor.sender), path)
    with pytest.raises(DeploymentError, match=r"31337\.json is of chain 1, not 31337"):
        command.open_site(executor, local, path)
    records.save(records.Record(chain_id=31337, deployer="0x" + "11" * 20), path)
    with pytest.raises(DeploymentError, match="go on with that account"):
        preflight.check(command.open_site(executor, local, path))


def test_load__missing_or_broken_file__is_refused(path):
    with pytest.raises(DeploymentError, match="run `ape run deploy` first"):
        records.load(path)
    path.write_text("[1]")
    with pytest.raises(
        DeploymentError, match=r"31337\.json is not a whole deployment file .+; put"
    ):
        records.load(path)


def test_artifacts__unknown_contract__is_named():
    with pytest.raises(DeploymentError, match="no contract Exchequer below contracts/"):
        artifacts.load("Exchequer")


def test_names__circle__is_part_of_the_contracts(local):
    assert set(CIRCLE) < set(CONTRACTS)
    named = {token.symbol: "0x" for token in local.all_tokens}
    assert contract_names(replace(local, tokens=named)) == CONTRACTS
    del named["USDC"]
    assert contract_names(replace(local, tokens=named))[-2:] == ("TestToken", "FaucetToken")
    deploys = [step.name for step in deploy_plan(local) if step.name.startswith("deploy ")]
    assert deploys == [f"deploy {name}" for name in CONTRACTS]


@pytest.mark.parametrize(
    ("nonce", "address"),
    [
        # sender 0x6ac7…d9f0, the example of EIP-1014's discussion and of many address calculators
        (0, "0xcd234A471b72ba2F1Ccf0A70FCABA648a5eeCD8d"),
        (1, "0x343c43A37D37dfF08AE8C4A11544c718AbB4fCF8"),
        (2, "0xf778B86FA74E846c4f0a1fBd1335FE81c00a0C91"),
        (3, "0xffFd933A0bC612844eaF0C6Fe3E5b8E9B6C1d19c"),
    ],
)
def test_created_address__known_examples__match(nonce, address):
    assert created_address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", nonce) == address


@pytest.mark.parametrize("nonce", [127, 128, 255, 256, 65_536])
def test_created_address__long_nonces__match_the_library(nonce):
    from eth_utils import keccak, to_checksum_address
    from rlp import encode

    sender = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"
    expected = keccak(encode([bytes.fromhex(sender[2:]), nonce]))[12:]
    assert created_address(sender, nonce) == to_checksum_address(expected)
