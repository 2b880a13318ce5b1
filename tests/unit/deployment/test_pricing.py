"""What a plan costs is said before its first transaction, and refused where it cannot be paid."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from scripts.deployment import command, preflight
from scripts.deployment.configuration import configure_plan
from scripts.deployment.errors import DeploymentError, SendError
from scripts.deployment.plan import full_plan
from scripts.deployment.pricing import NODE, REHEARSED, coins, price
from scripts.deployment.runner import Step, run

GWEI = 10**9


def test_price__empty_chain__is_what_the_deployment_then_burns(executor, local):
    site = command.open_site(executor, local, None)

    said = price(site, full_plan(local))
    burnt = {outcome.step: outcome.gas_used for outcome in run(site, full_plan(local))}

    assert {cost.step: cost.gas for cost in said.costs} == pytest.approx(burnt, rel=0.001)
    assert said.gas == pytest.approx(sum(burnt.values()), rel=0.001)
    assert said.wei == said.gas * GWEI
    by = {cost.step: cost.source for cost in said.costs}
    assert (by["token USDC"], by["deploy Lens"]) == (NODE, REHEARSED)


def test_price__deployed__changed_parameters_are_estimated_by_the_node(executor, local):
    site = command.open_site(executor, local, None)
    run(site, full_plan(local))
    changed = replace(local, insurance_market_limit=10**17)
    site.parameters = changed

    said = price(site, configure_plan(changed))
    sent = executor.sent
    outcomes = run(site, configure_plan(changed))

    assert [(cost.step, cost.source) for cost in said.left] == [
        ("limits of the InsuranceFund", NODE)
    ]
    assert said.gas == pytest.approx(sum(outcome.gas_used for outcome in outcomes), rel=0.01)
    assert executor.sent == sent + 1


def test_price__asked__changes_neither_chain_nor_record(executor, local, path):
    site = command.open_site(executor, local, path)
    nonce = executor.nonce()

    price(site, full_plan(local))

    assert executor.nonce() == nonce
    assert executor.sent == 0
    assert (site.record.contracts, site.record.predicted, site.record.begun) == ({}, {}, {})
    assert not path.exists()


def test_carry_out__table__comes_before_the_first_transaction(executor, local):
    said = []

    def tell(line):
        said.append((executor.sent, line))

    command.carry_out(command.open_site(executor, local, None), full_plan(local), tell)

    table = [line for sent, line in said if sent == 0]
    assert table[0].split() == ["step", "gas", "by"]
    assert len(table) == 1 + len(full_plan(local)) + 2
    assert f"{executor.sent} of {len(full_plan(local))} steps are left, about 7" in table[-2]
    assert "1.000 gwei now" in table[-1]
    assert executor.sender in table[-1]


def test_carry_out__unfunded_deployer__one_sentence_and_nothing_sent(executor, local, monkeypatch):
    monkeypatch.setattr(type(executor), "balance", lambda self: 10**16)
    sentence = (
        rf"the deployer {executor.sender} holds 0\.010000 of the native coin and the \d+ steps "
        r"left cost (0\.\d+); send it (0\.\d+) or more"
    )
    with pytest.raises(DeploymentError) as refused:
        command.carry_out(command.open_site(executor, local, None), full_plan(local), print)
    said = re.fullmatch(sentence, str(refused.value))
    assert said is not None
    # what it has is less than what it costs, and what it lacks is the difference
    assert Decimal(said[1]) > Decimal("0.01")
    assert Decimal(said[2]) == pytest.approx(
        Decimal(said[1]) - Decimal("0.01"), abs=Decimal("1e-6")
    )
    assert executor.sent == 0


def test_carry_out__nobody_agrees__nothing_sent(executor, local):
    asked = []

    def refuse(question):
        asked.append(question)
        return False

    site = command.open_site(executor, local, None)
    with pytest.raises(DeploymentError, match="nothing was sent; run this again and agree, or say"):
        command.carry_out(site, full_plan(local), lambda _: None, refuse)

    assert executor.sent == 0
    command.carry_out(site, full_plan(local), lambda _: None)
    assert asked == [f"send {executor.sent} transactions to chain 31337?"]


def test_carry_out__nothing_left__nobody_is_asked(executor, local):
    site = command.open_site(executor, local, None)
    preflight.check(site)
    run(site, full_plan(local))
    said = []

    command.carry_out(site, full_plan(local), said.append, lambda _: pytest.fail("asked"))

    assert said[-1].startswith("0 of ")


@pytest.mark.parametrize(
    ("wei", "said"), [(0, "0.000000"), (1, "0.000001"), (1_234_567 * 10**18, "1,234,567.000000")]
)
def test_coins__any_amount__is_rounded_up_to_the_millionth(wei, said):
    assert coins(wei) == said


def test_price__step_that_node_and_rehearsal_lack__is_refused_not_free(executor, local):
    def refuses(site):
        raise SendError("feed: out of range")

    site = command.open_site(executor, local, None)
    odd = Step("deploy ChainlinkFeed LINK", lambda site: False, refuses)

    with pytest.raises(DeploymentError, match=r"^deploy ChainlinkFeed LINK: the node refuses it "):
        price(site, (odd,))
