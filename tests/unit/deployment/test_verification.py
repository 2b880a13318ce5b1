"""`verify` and `diff`: the code to the byte, and every parameter by name."""

from dataclasses import replace

import boa
import pytest

from scripts.deployment import command, preflight
from scripts.deployment.configuration import OWNED, configure_plan
from scripts.deployment.difference import Compared, compare, differences
from scripts.deployment.errors import DeploymentError
from scripts.deployment.plan import CONTRACTS, full_plan
from scripts.deployment.runner import run
from scripts.deployment.verification import verify

USD = 10**18
SOMEBODY = "0x" + "11" * 20


@pytest.fixture(scope="module")
def chain():
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = 1_700_000_000
        yield


@pytest.fixture(scope="module")
def deployed(chain, local):
    from tests.unit.deployment.fragile import FragileExecutor

    executor = FragileExecutor(str(boa.env.generate_address("deployer")))
    site = command.open_site(executor, local, None, mocks=True)
    preflight.check(site)
    run(site, full_plan(local))
    return site


@pytest.fixture
def site(deployed, local):
    """Return the deployed site; whatever the test does to the chain is undone after it."""
    with boa.env.anchor():
        yield replace(deployed, parameters=local)


def _wrong(site):
    return {finding.what: finding.detail for finding in verify(site) if not finding.ok}


# ---- code


def test_verify__as_deployed__every_contract_and_every_faucet_is_compared(site, local):
    findings = verify(site)
    assert not _wrong(site)
    of_code = {finding.what for finding in findings if finding.what.startswith("code of ")}
    tokens = {f"FaucetToken {token.symbol}" for token in local.all_tokens}
    assert of_code == {f"code of {name}" for name in (*CONTRACTS, *tokens)}


@pytest.mark.parametrize("name", [*CONTRACTS, "FaucetToken USDC"])
def test_verify__one_byte_of_a_contract_changed__it_is_named(site, name):
    address = site.record.address(name)
    code = bytearray(site.executor.code(address))
    code[100] ^= 1
    boa.env.set_code(address, bytes(code))

    wrong = _wrong(site)

    said = f"code of {name}: differs from the source, first at byte 100"
    assert wrong[f"code of {name}"] == said
    assert [what for what in wrong if what.startswith("code of")] == [f"code of {name}"]


@pytest.mark.parametrize("name", CONTRACTS)
def test_verify__last_immutable_of_a_contract_changed__it_is_named_with_both_values(site, name):
    address = site.record.address(name)
    code = bytearray(site.executor.code(address))
    made = site.artifacts[name]
    assert made.immutable_bytes > 0
    place = len(made.runtime) // 2 + made.immutable_bytes - 1
    code[place] ^= 1
    boa.env.set_code(address, bytes(code))

    told = _wrong(site)[f"code of {name}"]

    assert told.startswith(f"code of {name}: the source's, but for ")
    assert told.count(", fixed at ") == 1
    assert told.endswith(" in the parameters")


def test_verify__longer_code_or_none__is_said(site):
    boa.env.set_code(site.record.address("Orders"), b"\x00" * 100)
    boa.env.set_code(site.record.address("Lens"), b"")

    wrong = _wrong(site)

    assert wrong["code of Orders"].startswith("code of Orders: 100 bytes differ from the source's ")
    assert wrong["code of Lens"] == "code of Lens: there is no code"
    assert "unreadable (what is at 0x" in wrong["orders"]


def test_verify__contract_missing_in_the_record__is_said(site):
    site.record = replace(site.record, contracts=dict(site.record.contracts))
    del site.record.contracts["Operators"]
    wrong = _wrong(site)
    assert wrong["code of Operators"] == "code of Operators: it is not deployed"
    assert wrong["hand Operators"].startswith("hand Operators: Operators is not deployed on chain")


def test_verify__hand_taken_away__is_said(site):
    house = site.contract("Clearinghouse")
    site.send(house, "set_hand", site.record.address("Orders"), 0)
    assert _wrong(site) == {"hand Orders": "hand Orders: is not set as the deployment sets it"}


def test_verify__nothing_deployed__one_sentence(chain, executor, local):
    with pytest.raises(DeploymentError, match="nothing is deployed on chain 31337; run `ape run"):
        verify(command.open_site(executor, local, None))


# ---- parameters


def _market(local, part, **changed):
    eth = local.markets["ETH"]
    inner = replace(eth, **{part: replace(getattr(eth, part), **changed)})
    return {"markets": {**local.markets, "ETH": inner}}


def _weth(local, **changed):
    return {
        "collaterals": {**local.collaterals, "WETH": replace(local.collaterals["WETH"], **changed)}
    }


# what an owner can set: the entry, the file's value and the chain's
SETTABLE = {
    "margin": (
        lambda p: _market(p, "margin", oi_cap=20_000_000 * USD),
        Compared("markets.ETH.margin.oi_cap", "20_000_000 USD", "30_000_000 USD"),
    ),
    "feed": (
        lambda p: _market(p, "feed", sigma_ref=9 * USD // 10),
        Compared("markets.ETH.feed.sigma_ref", "90 %", "80 %"),
    ),
    "bound of the price": (
        lambda p: _market(p, "feed", min_price=20 * USD),
        Compared("markets.ETH.min_price", "20 USD", "10 USD"),
    ),
    "pool": (
        lambda p: _market(p, "pool", lambda_=USD // 2),
        Compared("markets.ETH.pool.lambda", "0.5 x", "1 x"),
    ),
    "contracts of options": (
        lambda p: _market(p, "options", cap=5 * 10**8),
        Compared("markets.ETH.options.cap", "500_000_000", "10_000_000_000_000"),
    ),
    "range of the scan": (
        lambda p: _market(p, "options", range_min=1_500),
        Compared("markets.ETH.options.range_min", "15 %", "12 %"),
    ),
    "strikes": (
        lambda p: _market(p, "options", widest=5),
        Compared("markets.ETH.options.widest", "5", "10"),
    ),
    "fee of the Exchange": (
        lambda p: {"exchange_fees": replace(p.exchange_fees, taker=600)},
        Compared("exchange.taker", "0.06 %", "0.05 %"),
    ),
    "cap": (
        lambda p: _weth(p, soft_cap=9_000),
        Compared("collaterals.WETH.soft_cap", "9_000", "10_000"),
    ),
    "insurance": (
        lambda p: {"insurance_market_limit": USD // 10},
        Compared("insurance.market_limit", "10 %", "20 %"),
    ),
    "signer": (
        lambda p: {"signers": (*p.signers[:3], SOMEBODY)},
        Compared("signers.addresses[3]", SOMEBODY, "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
    ),
}
# what was fixed for good: the entry, and the contract whose immutable says so, if one does
FIXED = {
    "timings.age_mm": (lambda p: {"timing": replace(p.timing, age_mm=90)}, "Markets"),
    "charges.kappa_leg": (lambda p: {"charges": replace(p.charges, kappa_leg=1)}, "Markets"),
    "funding.velocity": (
        lambda p: {"charges": replace(p.charges, funding_velocity=1)},
        "Markets",
    ),
    "signers.quorum": (lambda p: {"quorum": 1}, "Markets"),
    "orders.delay": (lambda p: {"order_delay": 3}, "Orders"),
    "orders.min_reserve": (lambda p: {"min_reserve": 1}, "Orders"),
    "pool.cooldown": (lambda p: {"pool_cooldown": 3}, "LiquidityPool"),
    "liquidation.curve[1][1]": (
        lambda p: {"liquidation_curve": (p.liquidation_curve[0], (1_800, 2 * USD))},
        "Liquidator",
    ),
    "liquidation.dust": (lambda p: {"liquidation_dust": USD}, "Liquidator"),
    "scan.up": (lambda p: {"scan": replace(p.scan, up=USD // 2)}, "PortfolioMargin"),
    "treasury": (lambda p: {"treasury": SOMEBODY}, "Clearinghouse"),
    "collaterals.WETH.haircut_im": (lambda p: _weth(p, haircut_im=USD // 5), None),
    "collaterals.WETH.feed": (lambda p: _weth(p, feed=2), None),
}


def test_diff__as_deployed__every_entry_agrees(site):
    assert differences(site) == []
    entries = [each.entry for each in compare(site)]
    assert len(entries) == len(set(entries)) > 150


@pytest.mark.parametrize("case", SETTABLE)
def test_diff__settable_entry_changed__one_line_until_it_is_configured(site, local, case):
    change, expected = SETTABLE[case]
    site.parameters = replace(local, **change(local))

    assert differences(site) == [expected]
    run(site, configure_plan(site.parameters))
    assert differences(site) == []


@pytest.mark.parametrize("entry", FIXED)
def test_diff__fixed_entry_changed__one_line_and_the_code_says_it_too(site, local, entry):
    change, contract = FIXED[entry]
    site.parameters = replace(local, **change(local))

    assert [each.entry for each in differences(site)] == [entry]
    named = [what for what in _wrong(site) if what.startswith("code of ")]
    assert (f"code of {contract}" in named) is (contract is not None)


def test_diff__other_owner__one_line_for_each_contract(site, local):
    site.parameters = replace(local, owner=SOMEBODY)
    found = differences(site)
    assert [each.entry for each in found] == [f"owner of {name}" for name in OWNED]
    assert found[0].line() == (
        f"owner of RiskConfigurator: {SOMEBODY} in the file, {site.executor.sender} on the chain"
    )


def test_diff__smallest_leg_changed__told_where_it_is_enforced_and_where_it_is_told(site, local):
    eth = replace(local.markets["ETH"], min_leg=500 * USD)
    site.parameters = replace(local, markets={**local.markets, "ETH": eth})
    assert [each.line() for each in differences(site)] == [
        f"markets.ETH.min_leg{place}: 500 USD in the file, 1_000 USD on the chain"
        for place in ("", " in the Lens")
    ]


def test_diff__market_and_signer_fewer_in_the_file__the_chains_surplus_is_told(site, local):
    markets = {name: each for name, each in local.markets.items() if name != "WSTETH"}
    collaterals = {name: each for name, each in local.collaterals.items() if name != "wstETH"}
    changed = {"markets": markets, "collaterals": collaterals, "signers": local.signers[:3]}
    site.parameters = replace(local, **changed)
    assert [(each.entry, each.file, each.chain) for each in differences(site)] == [
        ("signers.addresses[3]", "nobody", local.signers[3]),
        ("markets", "3 of them", "4 of them"),
        ("collaterals", "all", "one more"),
    ]


def test_diff__token_at_another_address__is_told(site, local):
    noted = site.record.tokens["USDC"]["address"]
    site.parameters = replace(local, tokens={"USDC": SOMEBODY})
    assert differences(site)[0] == Compared("tokens.USDC", SOMEBODY, noted)
