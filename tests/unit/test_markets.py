"""Markets: who may write what, collateral terms, what it was deployed with."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.reference.units import SOFT_ONE, WAD
from tests.stateful.compiled import compiled
from tests.unit.markets_support import (
    BTC,
    CHARGES,
    ETH,
    LISTED,
    TIMING,
    Desk,
    deploy_markets,
    refused,
    usd,
)

PERMILLE = WAD // 1_000
IM, MM = 150 * PERMILLE, 100 * PERMILLE
ROLES = dict.fromkeys(("configurator", "clearinghouse"), "0x" + "c0" * 20)
NOBODY = "0x" + "00" * 20


def set_collateral(desk: Desk, *args: int) -> None:
    desk.markets.set_collateral(*args, sender=desk.clearinghouse)


# ---- deployment ----------------------------------------------------------------------------------


def test_deploy__shipped_constants__are_read_back(desk: Desk) -> None:
    assert tuple(desk.markets.timing()) == TIMING
    assert tuple(desk.markets.charges()) == CHARGES
    assert desk.markets.quorum() == 3
    assert desk.markets.clearinghouse() == desk.clearinghouse
    assert desk.markets.configurator() == desk.configurator.address
    assert desk.markets.market_count() == len(LISTED)


def changed(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 0),  # age_im
        (0, 121),  # above age_mm
        (1, 256),  # age_mm: a gap has eight bits
        (2, 120),  # dead_after not above age_mm
        (2, 86_401),
        (3, 3_601),  # grace_max
        (4, 16),  # window: a lane has four bits
        (5, 17_999),  # variance_tau
        (5, 30 * 86_400 + 1),
    ],
)
def test_deploy__timing_out_of_range__is_refused(index: int, value: int) -> None:
    with boa.swap_env(boa.Env()), refused("markets: out of range"):
        deploy_markets(ROLES, 3, timing=changed(TIMING, index, value))


@pytest.mark.parametrize(
    ("index", "value"),
    [*((i, 100 * WAD + 1) for i in range(3)), (3, 10**10 + 1), (4, 10**14 + 1)],
)
def test_deploy__charges_out_of_range__are_refused(index: int, value: int) -> None:
    with boa.swap_env(boa.Env()), refused("markets: out of range"):
        deploy_markets(ROLES, 3, charges=changed(CHARGES, index, value))


def test_deploy__constants_at_their_bounds__are_taken() -> None:
    timing = (255, 255, 86_400, 3_600, 15, 18_000)
    charges = (100 * WAD, 100 * WAD, 100 * WAD, 10**10, 10**14)
    with boa.swap_env(boa.Env()):
        markets = deploy_markets(ROLES, 3, timing=timing, charges=charges)
        assert (tuple(markets.timing()), tuple(markets.charges())) == (timing, charges)


@pytest.mark.parametrize("role", ["configurator", "clearinghouse"])
def test_deploy__without_a_partner__is_refused(role: str) -> None:
    with boa.swap_env(boa.Env()), refused("markets: out of range"):
        deploy_markets(ROLES | {role: NOBODY}, 3)


# ---- who may write -------------------------------------------------------------------------------

WRITES: list[tuple[str, tuple[Any, ...], str]] = [
    ("record_trade", (ETH, 1, 0), "clearinghouse"),
    ("set_soft_factor", (1, SOFT_ONE), "clearinghouse"),
    ("set_collateral", (1, ETH, 18, IM, MM), "clearinghouse"),
    ("open_market", (0, 0, 1, 1), "configurator"),
    ("set_margin", (ETH, 0), "configurator"),
    ("set_tuning", (ETH, 0), "configurator"),
    ("set_signers", ([NOBODY] * 8,), "configurator"),
]


@pytest.mark.parametrize(("name", "args", "role"), WRITES)
def test_f1_write__anyone_else__is_refused_and_nothing_changes(
    desk: Desk, name: str, args: tuple[Any, ...], role: str
) -> None:
    allowed = {"clearinghouse": desk.clearinghouse, "configurator": desk.configurator.address}
    others = [desk.anyone, desk.owner, *(a for r, a in allowed.items() if r != role)]
    before = desk.digest()
    for sender in others:
        with boa.reverts(f"markets: not the {role}"):
            getattr(desk.markets, name)(*args, sender=sender)
    assert desk.digest() == before


def test_set_margin__any_word__leaves_funding_and_open_interest(desk: Desk) -> None:
    desk.trade(123, 456)
    before = desk.state()
    configurator = desk.configurator.address
    desk.markets.set_margin(ETH, 2**56 - 1, sender=configurator)
    assert desk.state() == before
    assert desk.markets.market_words(ETH)[1] % 2**56 == 2**56 - 1


def test_set_tuning__one_of_four_in_a_word__leaves_the_others(desk: Desk) -> None:
    before = desk.markets.tuning(BTC)
    desk.markets.set_tuning(ETH, 7, sender=desk.configurator.address)
    assert (desk.markets.tuning(ETH), desk.markets.tuning(BTC)) == (7, before)


@pytest.mark.parametrize("market", [0, 4, 2**255])
def test_tuning__unknown_market__is_refused(desk: Desk, market: int) -> None:
    with boa.reverts("markets: unknown market"):
        desk.markets.tuning(market)


def test_set_signer__ninth_seat__is_refused(desk: Desk) -> None:
    with boa.reverts("oracle: unknown signer"):
        desk.configurator.set_signer(8, desk.anyone, sender=desk.owner)


def test_set_signer__sits_elsewhere__is_refused(desk: Desk) -> None:
    with boa.reverts("oracle: signer listed twice"):
        desk.configurator.set_signer(7, desk.signers[0].address, sender=desk.owner)


def test_open_market__two_hundred_and_fifty_fifth__is_the_last(desk: Desk) -> None:
    # the count is written, so that 252 listings need not be made
    layout = compiled("Markets").layout["storage_layout"]["market_state"]
    boa.env.set_storage(desk.markets.address, layout["market_count"]["slot"], 254)
    sender = desk.configurator.address
    assert desk.markets.open_market(0, 0, usd(1), 1, sender=sender) == 255
    with boa.reverts("markets: wrong id"):
        desk.markets.open_market(0, 0, usd(1), 1, sender=sender)


# ---- collateral ----------------------------------------------------------------------------------


def test_set_collateral__in_range__is_read_back_and_logged(desk: Desk) -> None:
    set_collateral(desk, 5, BTC, 8, IM, MM)
    (event,) = desk.events("CollateralSet")
    logged = (event.collateral, event.feed, event.decimals, event.haircut_im, event.haircut_mm)
    assert logged == (5, BTC, 8, IM, MM)
    assert desk.markets.collateral_params(5) == (BTC, 8, IM, MM, SOFT_ONE)
    # its neighbours in the word stay empty
    assert desk.markets.collateral_params(6) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("id_", [1, 4, 5, 63])
def test_set_collateral__every_place_of_a_word__stands_alone(desk: Desk, id_: int) -> None:
    for other in (1, 2, 3, 4, 5, 62, 63):
        set_collateral(desk, other, ETH, 18, WAD, WAD)
    set_collateral(desk, id_, BTC, 18, 0, 0)
    for other in (1, 2, 3, 4, 5, 62, 63):
        expected = (BTC, 18, 0, 0) if other == id_ else (ETH, 18, WAD, WAD)
        assert desk.markets.collateral_params(other)[:4] == expected


def test_set_collateral__again__keeps_the_soft_factor(desk: Desk) -> None:
    set_collateral(desk, 1, ETH, 18, IM, MM)
    desk.markets.set_soft_factor(1, 4_321, sender=desk.clearinghouse)
    set_collateral(desk, 1, ETH, 18, WAD, 0)
    assert desk.markets.collateral_params(1) == (ETH, 18, WAD, 0, 4_321)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ((0, ETH, 18, IM, MM), "markets: out of range"),
        ((64, ETH, 18, IM, MM), "markets: out of range"),
        ((1, 4, 18, IM, MM), "markets: unknown market"),
        ((1, 0, 18, IM, MM), "markets: unknown market"),
        ((1, ETH, 5, IM, MM), "markets: decimals"),
        ((1, ETH, 19, IM, MM), "markets: decimals"),
        ((1, ETH, 18, MM, IM), "markets: out of range"),
        ((1, ETH, 18, WAD + PERMILLE, MM), "markets: out of range"),
        ((1, ETH, 18, IM + 1, MM), "markets: off the grid"),
        ((1, ETH, 18, IM, MM + 1), "markets: off the grid"),
    ],
)
def test_set_collateral__out_of_range__is_refused(
    desk: Desk, args: tuple[int, ...], reason: str
) -> None:
    with boa.reverts(reason):
        set_collateral(desk, *args)


def test_36_set_collateral__other_decimals__are_refused(desk: Desk) -> None:
    set_collateral(desk, 1, ETH, 18, IM, MM)
    with boa.reverts("markets: decimals"):
        set_collateral(desk, 1, ETH, 8, IM, MM)


@pytest.mark.parametrize("factor", [0, 1, SOFT_ONE])
def test_set_soft_factor__in_range__is_kept_and_logged(desk: Desk, factor: int) -> None:
    set_collateral(desk, 2, ETH, 18, IM, MM)
    desk.markets.set_soft_factor(2, factor, sender=desk.clearinghouse)
    (event,) = desk.events("SoftFactorSet")
    assert (event.collateral, event.factor) == (2, factor)
    assert desk.markets.collateral_params(2)[4] == factor


def test_set_soft_factor__above_one_or_unlisted__is_refused(desk: Desk) -> None:
    set_collateral(desk, 2, ETH, 18, IM, MM)
    with boa.reverts("markets: out of range"):
        desk.markets.set_soft_factor(2, SOFT_ONE + 1, sender=desk.clearinghouse)
    with boa.reverts("markets: unknown collateral"):
        desk.markets.set_soft_factor(3, 1, sender=desk.clearinghouse)
