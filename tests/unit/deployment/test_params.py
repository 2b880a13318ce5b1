"""The parameter files, their exact conversion, and the ranges that refuse them."""

import json
from dataclasses import replace

import pytest

from scripts.deployment import params, quantities, ranges
from scripts.deployment.constants import CONSTANTS, Constant
from scripts.deployment.errors import DeploymentError, ParameterError
from scripts.deployment.models import ExchangeFees, Parameters, RiskArray

WAD = 10**18


@pytest.fixture(scope="module")
def local() -> Parameters:
    return params.load("local")


@pytest.mark.parametrize("network", ["local", "bench", "test"])
def test_load__shipped_files__pass_their_own_checks(network):
    assert params.load(network).network == network


def test_load__unknown_network__names_those_that_exist():
    known = r"no parameters for network .moon.; there are .*local"
    with pytest.raises(ParameterError, match=known):
        params.load("moon")


def test_load__majors__are_the_rules_defaults(local):
    eth = local.markets["ETH"]
    assert (eth.margin.base, eth.margin.mm_ratio) == (WAD // 20, WAD // 2)
    assert (eth.feed.sigma_ref, eth.feed.v_max) == (8 * WAD // 10, 3 * WAD)
    assert (eth.pool.scale, eth.pool.max_skew) == (2 * 10**9 * WAD, 10**7 * WAD)
    assert (local.quorum, len(local.signers)) == (3, 4)


def test_load__funding__rounds_down_to_the_spec(local):
    # 0.1 % per hour per hour and 1 % per hour in 1e-18, rounded down: docs/spec/oracle.md
    assert local.charges.funding_velocity == WAD // 1_000 // 3_600**2 == 77_160_493
    assert local.charges.funding_rate_max == WAD // 100 // 3_600 == 2_777_777_777_777


def test_load__scan__is_the_sixteen_rows_of_the_spec(local):
    third = WAD // 3
    assert local.scan.nodes == (-WAD, -2 * third, -third, 0, third, 2 * third, WAD)
    weighted = zip(local.scan.extremes, local.scan.weights, strict=True)
    assert list(weighted) == [(-3 * WAD, 33 * WAD // 100), (3 * WAD, 33 * WAD // 100)]
    assert (local.scan.up, local.scan.down) == (4 * WAD // 10, WAD // 4)


def test_load__options__of_the_majors_alone(local):
    assert {name for name, each in local.markets.items() if each.options} == {"ETH", "BTC"}
    eth = local.markets["ETH"].options
    assert (eth.cap, eth.range_min, eth.band) == (100_000 * 10**8, 1_200, WAD // 50)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"group": 4}, "markets.ETH.options.group: 4 is not between 0 and 3"),
        ({"range_min": 499}, "options.range_min: 499 is not between"),
        ({"som": 2_001}, "options.som: .* not between"),
        ({"furthest": 731 * 86_400}, "options.furthest: .* not between"),
        ({"widest": 1}, "options.widest: .* not between"),
        ({"band": 26 * WAD // 1_000}, "options.band: .* not between"),
    ],
)
def test_check__options_out_of_range__says_where(local, change, sentence):
    eth = local.markets["ETH"]
    changed = replace(eth, options=replace(eth.options, **change))
    with pytest.raises(ParameterError, match=sentence):
        ranges.check(replace(local, markets={**local.markets, "ETH": changed}))


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (quantities.ratio, "4 bp", 4 * 10**14),
        (quantities.ratio, "0.05 %", 5 * 10**14),
        (quantities.ratio, "3 x", 3 * WAD),
        (quantities.seconds, "30 min", 1_800),
        (quantities.usd, "0.25 USD", WAD // 4),
        (quantities.ticks, "0.1 USD", 10**9),
        (quantities.whole, "1_000", 1_000),
        (quantities.coin, 0.0005, 5 * 10**14),
    ],
)
def test_quantity__with_its_unit__is_exact(read, text, value):
    assert read(text, "here") == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (quantities.ratio, "5"),
        (quantities.ratio, None),
        (quantities.ratio, "five %"),
        (quantities.ratio, "0." + "0" * 18 + "1 x"),
        (quantities.seconds, "1.5 s"),
        (quantities.seconds, "3 weeks"),
        (quantities.usd, "3 EUR"),
        (quantities.ticks, "-3 USD"),
        (quantities.ticks, "0.00000000001 USD"),
        (quantities.whole, "5 %"),
        (quantities.coin, "5 %"),
    ],
)
def test_quantity__wrong_or_inexact__is_refused_with_its_place(read, text):
    with pytest.raises(ParameterError, match=r"^here: "):
        read(text, "here")


def test_rate__of_another_period__is_refused():
    assert quantities.rate("0.05 %/s", "s", "here") == 5 * 10**14
    with pytest.raises(ParameterError, match="needs the unit %/s"):
        quantities.rate("0.05 %/h", "s", "here")


def test_constants__of_the_contracts__are_the_rules_defaults_and_named_in_the_file():
    # rules R13: open age, minimum legs, dust, settle pay above 1,000 USD and 1 bp, T_max
    defaults = {
        "AGE_OPEN": 15,
        "MAX_PRICE_AGE": 15,
        "MIN_LEG": 1_000,
        "MIN_LEG_SMALL": 500,
        "DUST": 10,
        "SETTLE_PAY": 1,
        "SETTLE_SHARE": 10_000,
        "SETTLE_FROM": 1_000,
        "ACCRUAL_MAX": 3_600,
    }
    assert {each.name: each.value() for each in CONSTANTS} == defaults
    said = (params.FOLDER / "base.yaml").read_text()
    assert all(f"{name}" in said for name in defaults)


def test_constants__gone_from_the_source__one_sentence(tmp_path):
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "a.vy").write_text("AGE: public(uint256)\n")
    with pytest.raises(DeploymentError, match=r"contracts/a\.vy has no constant AGE"):
        Constant("age", "a.vy", "AGE", "s").value(tmp_path)


def _with_market(parameters, symbol, **changes):
    market = parameters.markets[symbol]
    parts = {
        part: replace(
            getattr(market, part),
            **{k: v for k, v in changes.items() if hasattr(getattr(market, part), k)},
        )
        for part in ("margin", "feed", "pool")
    }
    return replace(parameters, markets={**parameters.markets, symbol: replace(market, **parts)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"base": WAD // 20 + 1}, "markets.ETH.margin.base: .* not on the grid"),
        ({"mm_ratio": 81 * WAD // 100}, "mm_ratio: .* not between"),
        ({"oi_cap": 123_456 * WAD}, "oi_cap: is not m"),
        ({"oi_max": WAD // 2}, "oi_max: .* not between"),
        ({"min_price": 16 * 10**17}, "min_price: is not m"),
        ({"min_price": 2 * 10**24}, "min_price is not below max_price"),
        ({"conf_cap": 4 * WAD // 100}, "conf_cap: .* not between"),
        ({"stable_tau": 301}, "stable_tau: .* not on the grid"),
        ({"max_skew": 10**8 * WAD}, "exceed half of the margin rate"),
        ({"mu": 81 * WAD // 100}, "mu: is above 80 %"),
        ({"fee": 1}, "pool.fee: .* not on the grid"),
        ({"scale": 0}, "scale or max_skew is zero"),
    ],
)
def test_check__market_out_of_range__says_where(local, change, sentence):
    with pytest.raises(ParameterError, match=sentence):
        ranges.check(_with_market(local, "ETH", **change))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"quorum": 0}, "quorum: 0 is less than 1"),
        ({"quorum": 2}, "is not odd"),
        ({"quorum": 5}, "a quorum of 5 needs 7, not 4"),
        ({"chain_id": 1, "quorum": 1}, "1 is less than 3"),
        ({"signers": ("0x" + "11" * 20,) * 4}, "one is repeated"),
        ({"pool_delay": 61}, "pool.delay: 61 is not between"),
        ({"order_delay": 0}, "orders.delay: is zero"),
        ({"liquidation_curve": ((5, 2), (4, 3))}, "curve: does not grow"),
        ({"insurance_day_limit": 0}, "insurance: limits"),
        ({"prices": {}}, "prices.ETH: is missing"),
        ({"scan": RiskArray((0,) * 11, (), (), 0, 0, (0,) * 4)}, "scan: has more than 4 steps"),
        ({"scan": RiskArray((0,), (), (), 0, 0, (WAD,) * 4)}, "scan.rho: is not 4 numbers"),
        ({"exchange_fees": ExchangeFees(0, 1_001, 0, 0, 0)}, "exchange: a fee is above 0.1 %"),
        ({"exchange_fees": ExchangeFees(0, 0, 0, 0, 125_001)}, "premium_share: is above 12.5 %"),
        ({"owner": ""}, "owner: is missing; give an address"),
        ({"owner": "0x12"}, "owner: 0x12 is not an address"),
        ({"guardian": ""}, "guardian: is missing; give an address"),
        ({"treasury": "0x14dC79964da2C08b23698B3D3cc7Ca32193d9956"}, "treasury: .* typing error"),
        ({"signers": ("0x12",)}, r"signers.addresses\[0\]: 0x12 is not an address"),
        ({"tokens": {"USDC": "usdc.eth"}}, "tokens.USDC: usdc.eth is not an address"),
    ],
)
def test_check__parameters_out_of_range__says_what(local, change, sentence):
    with pytest.raises(ParameterError, match=sentence):
        ranges.check(replace(local, **change))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"haircut_im": 0}, "haircut_im: .* not between"),
        ({"soft_cap": 10**9}, "soft_cap: is above the hard cap"),
        ({"decimals": 19}, "decimals: 19 is not between"),
        ({"id": 2}, "two entries have the same id"),
        ({"id": 9}, "ids are not 1, 2, 3"),
    ],
)
def test_check__token_out_of_range__says_what(local, change, sentence):
    token = replace(local.collaterals["WETH"], **change)
    with pytest.raises(ParameterError, match=sentence):
        ranges.check(replace(local, collaterals={**local.collaterals, "WETH": token}))


def test_build__collateral_of_no_market__is_refused():
    node = dict(params.read("local"))
    node["collaterals"] = {"WETH": {**node["collaterals"]["WETH"], "feed": "DOGE"}}
    with pytest.raises(ParameterError, match="there is no market DOGE"):
        params.build("local", node)


def test_build__market_of_no_class__is_refused():
    node = dict(params.read("local"))
    node["markets"] = {"ETH": {**node["markets"]["ETH"], "class": "minor"}}
    with pytest.raises(ParameterError, match="there is no class 'minor'"):
        params.build("local", node)


def _load(folder, text):
    """Load a network that changes the local one."""
    for name in ("base", "local"):
        (folder / f"{name}.yaml").write_text((params.FOLDER / f"{name}.yaml").read_text())
    (folder / "changed.yaml").write_text(f"extends: local\n{text}")
    return params.load("changed", folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("timing: {age_im: 30 s}", "^timing: there is no parameter of this name"),
        ("timings: {age_in: 30 s}", "^timings.age_in: there is no parameter"),
        ("markets: {ETH: {clas: major}}", "^markets.ETH.clas: there is no parameter"),
        ("classes: {major: {pool: {mju: 1 %}}}", r"^markets.ETH.pool.mju: there is no parameter"),
        ("collaterals: {WETH: {haircut: 1 %}}", "^collaterals.WETH.haircut: there is no"),
        ("markets: [ETH]", "^markets: is missing"),
        ("markets: {ETH: 3}", r"^changed.yaml: an entry has another form than in base.yaml"),
        ("signers: {addresses: 5}", r"^changed.yaml: an entry has another form"),
        ("liquidation: {curve: [[5 min], [1 h]]}", r"^changed.yaml: an entry has another form"),
        ("owner: 0x976EA74026E726554dB657fA54763abd0C3a0aa9", "^owner: .* in quotes"),
        ("chain_id: 1\nowner: null", "^owner: None is not an address"),
    ],
)
def test_load__entry_of_another_name_or_form__one_sentence(tmp_path, text, sentence):
    with pytest.raises(ParameterError, match=sentence) as refused:
        _load(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_load__files_that_extend_each_other__one_sentence(tmp_path):
    (tmp_path / "loop.yaml").write_text("extends: loop")
    with pytest.raises(ParameterError, match=r"^loop.yaml: an entry has another form"):
        params.load("loop", tmp_path)


def test_load__owner_not_named__deployer_on_test_chains_only(tmp_path):
    local = (params.FOLDER / "local.yaml").read_text().replace("owner: deployer\n", "")
    (tmp_path / "base.yaml").write_text((params.FOLDER / "base.yaml").read_text())
    (tmp_path / "here.yaml").write_text(local)
    (tmp_path / "there.yaml").write_text(local.replace("chain_id: 31337", "chain_id: 1"))
    assert params.load("here", tmp_path).owner == "deployer"
    with pytest.raises(ParameterError, match="owner: is missing"):
        params.load("there", tmp_path)


def test_load__keystores__give_their_addresses_without_a_password(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=r"^signers\.addresses\[0\]: there is no keystore key"):
        params.load("testchain")
    (tmp_path / "keystore").mkdir()
    for number in range(1, 5):
        said = json.dumps({"address": f"{number:040x}"})
        (tmp_path / "keystore" / f"signer{number}.json").write_text(said)

    testchain = params.load("testchain")

    assert testchain.signers == tuple(f"0x{number:040x}" for number in range(1, 5))
    assert testchain.chain_id not in ranges.TEST_CHAINS
    assert (testchain.quorum, testchain.tokens) == (3, {})
    (tmp_path / "keystore" / "signer2.json").write_text("{}")
    with pytest.raises(ParameterError, match=r"^signers\.addresses\[1\]: the keystore .+ names no"):
        params.load("testchain")


def test_read__not_yaml__is_refused(tmp_path):
    (tmp_path / "broken.yaml").write_text("a: [1, 2")
    with pytest.raises(ParameterError, match=r"broken\.yaml is not YAML"):
        params.read("broken", tmp_path)


def test_read__extended_file__wins_over_its_parent(tmp_path):
    (tmp_path / "parent.yaml").write_text("a: {b: 1, c: 2}")
    (tmp_path / "child.yaml").write_text("extends: parent\na: {b: 3}")
    assert params.read("child", tmp_path) == {"a": {"b": 3, "c": 2}}
