"""A deployment that is cut off anywhere ends as if it had not been."""

import json
from contextlib import suppress

import boa
import pytest
from hexbytes import HexBytes
from requests import Timeout as RequestsTimeout
from web3.exceptions import TimeExhausted

from scripts.deployment import command, preflight, recovery
from scripts.deployment import record as records
from scripts.deployment.errors import DeploymentError, file_failure
from scripts.deployment.executor import created_address
from scripts.deployment.plan import full_plan
from scripts.deployment.runner import run
from scripts.deployment.verification import verify
from scripts.deployment.web3_executor import NODE_FAILURES, _receipt
from tests.unit.deployment.fragile import FragileExecutor, Interrupted


def _go_on(executor, parameters, path):
    site = command.open_site(executor, parameters, path)
    preflight.check(site)
    run(site, full_plan(parameters))
    return site


def _addresses(record):
    return {name: entry["address"] for name, entry in record.contracts.items()}


@pytest.fixture(scope="module")
def whole(local):
    """Return what is created in which order when nothing interrupts, and the transactions."""
    with boa.swap_env(boa.Env()):
        executor = FragileExecutor(str(boa.env.generate_address("deployer")))
        return list(_go_on(executor, local, None).record.contracts), executor.sent


@pytest.mark.parametrize("loses_receipt", [False, True], ids=["not sent", "sent and not noted"])
def test_deploy__cut_off_at_every_transaction__stands_where_it_would_have(
    executor, local, path, whole, loses_receipt
):
    executor.loses_receipt = loses_receipt
    cuts = 0
    while True:
        executor.left = 1
        with suppress(Interrupted):
            site = _go_on(executor, local, path)
            break
        cuts += 1

    assert cuts >= whole[1] - 1
    assert executor.sent == whole[1]
    assert _addresses(site.record) == {
        name: created_address(executor.sender, nonce) for nonce, name in enumerate(whole[0])
    }
    assert all(finding.ok for finding in verify(site)), verify(site)


def test_deploy__cut_off_after_the_first_contract__history_starts_no_later(executor, local, path):
    executor.left, executor.loses_receipt = 1, True
    with pytest.raises(Interrupted):
        _go_on(executor, local, path)
    created = executor.block()
    boa.env.time_travel(blocks=50)

    executor.left = 10**9
    site = _go_on(executor, local, path)

    assert site.record.block <= created


def test_deploy__transaction_waits_in_the_pool__next_run_waits_for_it(executor, local, path):
    site = command.open_site(executor, local, path)
    waited = []
    waiting = [2, 1, 0]
    executor.in_flight = lambda: waiting[len(waited)]

    recovery.recover(site, waited.append)

    assert waited == [recovery.POLL_S] * 2


def test_deploy__transaction_is_never_mined__one_sentence(executor, local, path):
    site = command.open_site(executor, local, path)
    executor.in_flight = lambda: 3

    with pytest.raises(DeploymentError, match=r"^3 transactions of 0x\w+ wait to be mined; run th"):
        recovery.recover(site, lambda _: None)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"address"', '"adress"', 1),
        lambda text: json.dumps({**json.loads(text), "weather": "fine"}),
    ],
    ids=["cut short", "empty", "an entry is lost", "an entry is foreign"],
)
def test_load__half_written_file__is_refused_and_left_alone(executor, local, path, damage):
    _go_on(executor, local, path)
    path.write_text(damage(path.read_text()))
    found = path.read_text()

    with pytest.raises(DeploymentError, match=r"^31337\.json is not a whole deployment file \(.+;"):
        command.open_site(executor, local, path)

    assert path.read_text() == found


def test_save__interrupted__leaves_the_last_whole_file(path, monkeypatch):
    records.save(records.Record(31337, "0x" + "11" * 20), path)
    kept = path.read_text()

    def fails(*_):
        raise Interrupted

    monkeypatch.setattr(type(path), "replace", fails)
    with pytest.raises(Interrupted):
        records.save(records.Record(31337, "0x" + "22" * 20), path)

    assert path.read_text() == kept


def test_save__no_place_for_the_file__one_sentence_about_the_file(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder belongs")

    with pytest.raises(DeploymentError, match=r"taken/31337\.json cannot be written \(.+\); make"):
        records.save(records.Record(31337, "0x" + "11" * 20), tmp_path / "taken" / "31337.json")


def test_token__not_noted__says_what_to_run():
    with pytest.raises(DeploymentError, match="token USDC is not deployed on chain 1; run `ape"):
        records.Record(1, "0x" + "11" * 20).token("USDC")


def test_receipt__failed__says_what_to_do():
    receipt = {"status": 0, "transactionHash": HexBytes("0x" + "ab" * 32)}

    with pytest.raises(DeploymentError, match=r"^transaction 0xab+.* reverted, .*; run this again"):
        _receipt(receipt)


@pytest.mark.parametrize("failure", [PermissionError(13, "Permission denied", "x.yaml"), OSError()])
def test_node_failures__a_file_fails__is_not_among_them(failure):
    assert not isinstance(failure, NODE_FAILURES)
    assert file_failure(failure).endswith("; give this user access to it, then run this again")


@pytest.mark.parametrize(
    "failure", [ConnectionRefusedError(), RequestsTimeout(), TimeExhausted(), TimeoutError()]
)
def test_node_failures__a_node_went_away__are_all_of_these(failure):
    assert isinstance(failure, NODE_FAILURES)
