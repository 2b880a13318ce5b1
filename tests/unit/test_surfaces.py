"""Surfaces: who signs them, what is stored, what waits, what is refused, what may be opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import boa
import pytest

from tests.reference import portfolio as pm
from tests.reference import surfaces as reference
from tests.reference.portfolio import RATIO_ONE, VARIANCE_ONE, Surface
from tests.reference.surfaces import FURTHEST, MAX_EXPIRIES, Outcome, Why, key_of
from tests.reference.units import DAY, HOUR, WAD
from tests.support import surface_reports as wire
from tests.support.reports import Signer, domain_separator
from tests.support.signing import key_of as secret
from tests.support.signing import source_address
from tests.unit.markets_support import BTC, ETH
from tests.unit.surfaces_support import House, built, put_back

DAYS = 24
NOTHING = Outcome((), (), ())
BAND = WAD // 50


@pytest.fixture(scope="module")
def deployment() -> Iterator[House]:
    with built() as house:
        yield house


@pytest.fixture
def house(deployment: House) -> Iterator[House]:
    with put_back(deployment) as ready:
        ready.desk.wait(HOUR)
        yield ready


def stored(*surfaces: Surface) -> Outcome:
    """Return the outcome that stores everything."""
    return Outcome(surfaces, (), ())


def refusal(surface: Surface, why: Why) -> Outcome:
    """Return the outcome that refuses everything."""
    return Outcome((), (), ((surface, why),))


# ---- who signs -----------------------------------------------------------------------------------


def test_update__quorum_signed__is_stored(house: House) -> None:
    near, far = house.surface(7 * DAYS), house.surface(30 * DAYS)
    assert house.send(near, far) == stored(near, far)
    assert house.live() == [near, far]
    assert house.stored(near.hours) == near


def test_update__all_four_sign__is_stored(house: House) -> None:
    near = house.surface(7 * DAYS)
    assert house.send_raw(house.raw([near], (0, 1, 2, 3))) == 1


def test_update__several_markets__are_apart(house: House) -> None:
    low, high = house.surface(30 * DAYS, 40), house.surface(7 * DAYS, 90, market=BTC)
    assert house.send(low, high) == stored(low, high)
    assert (house.live(ETH), house.live(BTC)) == ([low], [high])


def test_update__two_signatures__are_no_quorum(house: House) -> None:
    with boa.reverts("surfaces: no quorum"):
        house.send_raw(house.raw([house.surface(30 * DAYS)], (0, 1)))


@pytest.mark.parametrize("sources", [(0, 2, 1), (0, 0, 1), (2, 2, 2)])
def test_update__seats_out_of_order__are_refused(house: House, sources: tuple[int, ...]) -> None:
    with boa.reverts("surfaces: signer order"):
        house.send_raw(house.raw([house.surface(30 * DAYS)], sources))


def test_update__a_stranger_signs__is_refused(house: House) -> None:
    house.desk.signers[2] = Signer(2, "", secret(5))
    raw = house.raw([house.surface(30 * DAYS)])
    house.desk.signers[2] = Signer(2, f"0x{source_address(2):040x}", secret(2))
    with boa.reverts("surfaces: bad signature"):
        house.send_raw(raw)


def test_update__no_signature_at_all__is_refused(house: House) -> None:
    raw = house.raw([house.surface(30 * DAYS)])
    with boa.reverts("surfaces: bad signature"):
        house.send_raw(raw[:-64] + bytes(64))


def test_update__other_words_than_signed__are_refused(house: House) -> None:
    signed, other = house.surface(30 * DAYS), house.surface(30 * DAYS, 81)
    raw = house.raw([signed]).replace(
        signed.word.to_bytes(32, "big"), other.word.to_bytes(32, "big")
    )
    with boa.reverts("surfaces: bad signature"):
        house.send_raw(raw)


def test_update__signed_for_markets__is_refused(house: House) -> None:
    words = [house.surface(30 * DAYS).word]
    domain = domain_separator(boa.env.evm.patch.chain_id, house.desk.markets.address)
    signed = [(i, wire.signature(house.desk.signers[i], domain, words)) for i in range(3)]
    with boa.reverts("surfaces: bad signature"):
        house.send_raw(wire.report(words, signed, house.desk.seats()))


def test_update__after_a_fork__is_bound_to_the_new_chain(house: House) -> None:
    surface = house.surface(30 * DAYS)
    before = house.raw([surface])
    patch, old = boa.env.evm.patch, boa.env.evm.patch.chain_id
    patch.chain_id = 777
    try:
        with boa.reverts("surfaces: bad signature"):
            house.send_raw(before)
        assert house.send(surface) == stored(surface)
    finally:
        patch.chain_id = old


def test_update__former_signer__is_refused_and_the_new_one_heard(house: House) -> None:
    surface = house.surface(30 * DAYS)
    before = house.raw([surface])
    desk = house.desk
    desk.configurator.set_signer(1, desk.signers[4].address, sender=desk.owner)
    with boa.reverts("surfaces: bad signature"):
        house.send_raw(before)
    old = desk.signers[1]
    desk.signers[1] = Signer(1, desk.signers[4].address, secret(4))
    assert house.send(surface) == stored(surface)
    desk.signers[1] = old


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: raw[:20],
        lambda raw: b"",
        lambda raw: raw[:1] + b"\0" + raw[2:11] + raw[11:32] + raw[64:],  # no words
        lambda raw: raw[:1] + b"\x11" + raw[2:],  # seventeen words
        lambda raw: b"\x09" + raw[1:] + bytes(64 * 6),
        lambda raw: raw[:2] + b"\x06" + raw[3:] + bytes(21 * 5),
    ],
)
def test_update__lengths_that_do_not_fit__are_refused(house: House, change: object) -> None:
    assert callable(change)
    raw = change(house.raw([house.surface(30 * DAYS)]))
    with boa.reverts("surfaces: bad report"):
        house.send_raw(raw)


@pytest.mark.parametrize("hours", [(30, 7), (7, 7)])
def test_update__words_out_of_order__are_refused(house: House, hours: tuple[int, int]) -> None:
    with boa.reverts("surfaces: order"):
        house.send(*(house.surface(each * DAYS) for each in hours))


def test_update__sixteen_words_of_eight_signers__fit_a_report(house: House) -> None:
    desk = house.desk
    for index in range(4, 8):
        signer = Signer(index, f"0x{source_address(index):040x}", secret(index))
        desk.signers[index:] = [signer]
        desk.configurator.set_signer(index, signer.address, sender=desk.owner)
    words = [house.surface(each * 7 * DAYS) for each in range(1, 17)]
    assert house.send_raw(house.raw(words, range(8))) == 16
    del desk.signers[5:]


# ---- times ---------------------------------------------------------------------------------------


def test_update__replayed__changes_nothing(house: House) -> None:
    surface = house.surface(30 * DAYS)
    raw = house.raw([surface])
    assert house.send_raw(raw) == 1
    house.desk.wait(30)
    assert house.send_raw(raw) == 0
    assert house.surfaces.get_logs() == []


def test_update__same_time_another_word__changes_nothing(house: House) -> None:
    surface = house.surface(30 * DAYS)
    house.send(surface)
    assert house.send(replace(surface, a=surface.a + 1)) == NOTHING
    assert house.live() == [surface]


def test_update__a_second_ahead__is_stored_and_two_are_not(house: House) -> None:
    early = house.surface(30 * DAYS, publish=house.now + 2)
    assert house.send(early) == refusal(early, Why.FUTURE)
    early = replace(early, publish=house.now + 1)
    assert house.send(early) == stored(early)


@pytest.mark.parametrize("late", [0, 1])
def test_update__expiry_is_over__is_refused(house: House, late: int) -> None:
    surface = house.surface(1, publish=house.now)
    house.desk.wait(surface.hours * HOUR - house.now + late)
    late_word = replace(surface, publish=house.now)
    assert house.send(late_word) == refusal(late_word, Why.EXPIRY)


@pytest.mark.parametrize("seconds", [1, 60])
def test_update__seconds_before_the_expiry__is_stored(house: House, seconds: int) -> None:
    surface = house.surface(1)
    house.desk.wait(surface.hours * HOUR - house.now - seconds)
    last = replace(surface, publish=house.now)
    assert house.send(last) == stored(last)


def test_update__two_years__is_the_furthest(house: House) -> None:
    house.desk.wait(HOUR - house.now % HOUR)
    furthest = house.surface(FURTHEST // HOUR)
    beyond = replace(furthest, hours=furthest.hours + 1)
    assert house.send(furthest, beyond) == Outcome((furthest,), (), ((beyond, Why.EXPIRY),))


# ---- ranges and arbitrage ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"market": 0}, Why.UNFIT),
        ({"ratio": RATIO_ONE * 3 // 4}, None),
        ({"ratio": RATIO_ONE * 3 // 4 - 1}, Why.UNFIT),
        ({"ratio": RATIO_ONE * 5 // 4}, None),
        ({"ratio": RATIO_ONE * 5 // 4 + 1}, Why.UNFIT),
        ({"sigma": 0}, Why.ARBITRAGE),
        ({"rho": pm.RHO_ONE}, Why.ARBITRAGE),
        ({"rho": -pm.RHO_ONE}, Why.ARBITRAGE),
        ({"m": 2**31 - 1}, None),
        # 1 % and 500 % at the money, of a smile that is flat
        ({"b": 0, "a": VARIANCE_ONE // 10_000 + 1}, None),
        ({"b": 0, "a": VARIANCE_ONE // 10_000}, Why.UNFIT),
        ({"b": 0, "a": 25 * VARIANCE_ONE}, None),
        ({"b": 0, "a": 25 * VARIANCE_ONE + 1}, Why.UNFIT),
        # nothing is left of the variance
        ({"b": 0, "a": 0}, Why.ARBITRAGE),
        ({"a": -(2**31)}, Why.ARBITRAGE),
    ],
)
def test_update__each_range__is_held_where_it_is_said_to(
    house: House, change: dict[str, int], why: Why | None
) -> None:
    surface = replace(house.surface(30 * DAYS), **change)
    assert house.send(surface) == (stored(surface) if why is None else refusal(surface, why))


def test_update__wing_steeper_than_lee__is_refused(house: House) -> None:
    # a year: what is annual is total; so wide a bend that no density is negative nearby
    house.desk.wait(HOUR - house.now % HOUR)
    bend = 5 * pm.MONEY_ONE
    year = house.surface(365 * DAYS, b=2 * VARIANCE_ONE, rho=0, a=0, m=0, sigma=bend)
    steeper = replace(year, b=year.b + 1)
    assert house.send(steeper) == refusal(steeper, Why.ARBITRAGE)
    assert house.send(year) == stored(year)


def test_update__later_with_less_variance__is_refused(house: House) -> None:
    near, far = house.surface(30 * DAYS, 80), house.surface(60 * DAYS, 56)
    house.send(near)
    assert house.send(far) == refusal(far, Why.CALENDAR)
    higher = replace(far, a=house.surface(60 * DAYS, 60).a, b=house.surface(60 * DAYS, 60).b)
    assert house.send(higher) == stored(higher)


def test_update__earlier_with_more_variance__is_refused(house: House) -> None:
    near, far = house.surface(30 * DAYS, 80), house.surface(60 * DAYS, 56)
    house.send(far)
    assert house.send(near) == refusal(near, Why.CALENDAR)


def test_update__between_two__is_held_against_both(house: House) -> None:
    low, high = house.surface(20 * DAYS, 60), house.surface(40 * DAYS, 60)
    house.send(low, high)
    for volatility, expected in ((48, False), (60, True), (70, True), (71, False)):
        # 20 days at 60 % are 30 days at 49 %; 40 days at 60 % are 30 days at 69.3 %
        middle = house.surface(30 * DAYS, volatility)
        if volatility == 70:
            middle = house.surface(30 * DAYS, 69)
        with boa.env.anchor():
            fine = house.send(middle) == stored(middle)
        assert fine is expected


@pytest.mark.parametrize("change", [20, -20])
def test_update__all_move_together__are_held_against_each_other(house: House, change: int) -> None:
    # days apart: with the old neighbours each alone would be out of order
    expiries = (27, 28, 29)
    house.send(*(house.surface(days * DAYS, 80) for days in expiries))
    house.desk.wait(10)
    moved = [house.surface(days * DAYS, 80 + change) for days in expiries]
    for alone in moved[:1] if change > 0 else moved[-1:]:
        with boa.env.anchor():
            assert house.send(alone) == refusal(alone, Why.CALENDAR)
    assert house.send(*moved) == stored(*moved)


@pytest.mark.parametrize(("bad", "volatility"), [(0, 96), (1, 64), (1, 96), (2, 64)])
def test_update__one_bad_word__does_not_stop_the_others(
    house: House, bad: int, volatility: int
) -> None:
    expiries = (27, 28, 29)
    house.send(*(house.surface(days * DAYS, 80) for days in expiries))
    house.desk.wait(10)
    words = [house.surface(days * DAYS, 80) for days in expiries]
    words[bad] = house.surface(expiries[bad] * DAYS, volatility)
    good = [each for each in words if each != words[bad]]
    assert house.send(*words) == Outcome(tuple(good), (), ((words[bad], Why.CALENDAR),))


def test_update__new_expiries_contradict__the_later_goes(house: House) -> None:
    near, far = house.surface(30 * DAYS, 80), house.surface(31 * DAYS, 60)
    beyond = house.surface(60 * DAYS, 80)
    assert house.send(near, far, beyond) == Outcome((near, beyond), (), ((far, Why.CALENDAR),))


def test_update__unsound_word__does_not_stop_the_others(house: House) -> None:
    good, bad = house.surface(7 * DAYS), house.surface(30 * DAYS, sigma=0)
    assert house.send(good, bad) == Outcome((good,), (), ((bad, Why.ARBITRAGE),))


@pytest.mark.parametrize("bad", [0, 2])
def test_update__bad_word_beside_repeated_smiles__is_the_one_that_goes(
    house: House, bad: int
) -> None:
    expiries = (27, 28, 29)
    first = [house.surface(days * DAYS, 80) for days in expiries]
    house.send(*first)
    house.desk.wait(10)
    words = [replace(each, publish=house.now) for each in first]
    words[bad] = house.surface(expiries[bad] * DAYS, 96 if bad == 0 else 64)
    good = [each for each in words if each != words[bad]]
    assert house.send(*words) == Outcome(tuple(good), (), ((words[bad], Why.CALENDAR),))


def test_update__repeated_smile_with_another_ratio__is_held_to_its_ranges(house: House) -> None:
    first = house.surface(30 * DAYS)
    house.send(first)
    house.desk.wait(10)
    far = replace(first, publish=house.now, ratio=RATIO_ONE * 5 // 4 + 1)
    assert house.send(far) == refusal(far, Why.UNFIT)
    jumped = replace(first, publish=house.now, ratio=RATIO_ONE * 11 // 10)
    assert house.send(jumped) == Outcome((), (jumped,), ())
    again = replace(first, publish=house.now)
    assert house.send(again) == stored(again)


def test_update__repeated_until_the_expiry__stays_sound_and_in_order(house: House) -> None:
    near, far = house.surface(7 * DAYS, 80), house.surface(8 * DAYS, 76)
    house.send(near, far)
    while house.now < near.hours * HOUR - 13 * HOUR:
        house.desk.wait(12 * HOUR)
        # what is not looked at again would pass
        assert reference.fault(replace(near, publish=house.now), house.now) is None
        assert reference.fits(far, near, house.now)


# ---- room ----------------------------------------------------------------------------------------


def test_update__seventeenth_expiry__waits_until_one_is_over(house: House) -> None:
    house.desk.wait(HOUR - house.now % HOUR)
    full = [house.surface(hours) for hours in range(1, MAX_EXPIRIES + 1)]
    assert house.send(*full) == stored(*full)
    more = house.surface(MAX_EXPIRIES + 1)
    assert house.send(more) == refusal(more, Why.ROOM)

    house.desk.wait(HOUR)
    more = replace(more, publish=house.now)
    assert house.send(more) == stored(more)
    assert house.live() == [*full[1:], more]
    # what is over can still be asked for
    assert house.stored(full[0].hours) == full[0]


def test_update__any_order_of_arrival__is_sorted(house: House) -> None:
    found = {}
    for days in (30, 7, 90, 14, 365, 1, 60):
        found[days] = house.surface(days * DAYS)
        assert house.send(found[days]) == stored(found[days])
    assert house.live() == [found[days] for days in sorted(found)]


def test_surfaces__over_thousands_of_hours__stay_readable(house: House) -> None:
    # the list has a base of 1,024 hours
    far = house.surface(700 * DAYS)
    house.send(far)
    for _ in range(5):
        house.desk.wait(100 * DAY)
        assert house.live() == [far]
        house.send(house.surface(30 * DAYS))
    assert [each.hours for each in house.live()][1:] == [far.hours]


# ---- jumps ---------------------------------------------------------------------------------------


def scaled(surface: Surface, percent: int, **changes: int) -> Surface:
    """Return a surface whose volatility is so much of what it was."""
    square = percent**2
    return replace(
        surface, a=surface.a * square // 10_000, b=surface.b * square // 10_000, **changes
    )


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        # 25 % + 0.1 % for each of ten seconds
        ({"percent": 125}, False),
        ({"percent": 127}, True),
        ({"percent": 75}, False),
        ({"percent": 73}, True),
        # 1 % + 0.05 %
        ({"ratio": RATIO_ONE * 10_204 // 10_000}, False),
        ({"ratio": RATIO_ONE * 10_206 // 10_000}, True),
        ({"ratio": RATIO_ONE * 9_996 // 10_000}, False),
        ({"ratio": RATIO_ONE * 9_994 // 10_000}, True),
    ],
)
def test_update__outside_the_band__waits(house: House, change: dict[str, int], waits: bool) -> None:
    first = house.surface(30 * DAYS)
    house.send(first)
    house.desk.wait(10)
    moved = scaled(first, **{"percent": 100, "publish": house.now, **change})
    assert house.send(moved) == (Outcome((), (moved,), ()) if waits else stored(moved))
    assert house.stored(first.hours) == (first if waits else moved)


def test_update__after_five_minutes__the_band_grows_no_more(house: House) -> None:
    first = house.surface(30 * DAYS)
    house.send(first)
    house.desk.wait(HOUR)
    for percent, waits in ((154, False), (156, True)):
        moved = scaled(first, percent, publish=house.now)
        with boa.env.anchor():
            assert bool(house.send(moved).pending) is waits


def jump(house: House, percent: int = 160) -> tuple[Surface, Surface]:
    """Store a surface, let a jump of it wait ten seconds later."""
    first = house.surface(30 * DAYS)
    house.send(first)
    house.desk.wait(10)
    waiting = scaled(first, percent, publish=house.now)
    assert house.send(waiting).pending == (waiting,)
    return first, waiting


@pytest.mark.parametrize("percent", [131, 160, 250])
def test_update__later_on_the_same_side__confirms(house: House, percent: int) -> None:
    # half of the jump is 130 %, the band after 15 s 126.5 %
    first, _ = jump(house)
    house.desk.wait(5)
    again = scaled(first, percent, publish=house.now)
    assert house.send(again) == stored(again)


@pytest.mark.parametrize("percent", [128, 70])
def test_update__less_than_half_or_the_other_side__waits_itself(house: House, percent: int) -> None:
    first, _ = jump(house)
    house.desk.wait(5)
    other = scaled(first, percent, publish=house.now)
    assert house.send(other) == Outcome((), (other,), ())


def test_update__four_seconds_later__is_ignored(house: House) -> None:
    first, waiting = jump(house)
    house.desk.wait(4)
    assert house.send(scaled(first, 160, publish=house.now)) == NOTHING
    assert house.surfaces.pending(ETH, first.hours) == waiting.word


def test_update__inside_the_band_again__cancels(house: House) -> None:
    first, waiting = jump(house)
    assert house.surfaces.pending(ETH, first.hours) == waiting.word
    house.desk.wait(5)
    calm = replace(first, publish=house.now)
    assert house.send(calm) == stored(calm)
    assert house.surfaces.pending(ETH, first.hours) == 0
    house.desk.wait(5)
    # what was cancelled confirms nothing
    again = scaled(first, 160, publish=house.now)
    assert house.send(again).pending == (again,)


def test_update__ratio_after_a_jump_of_volatility__is_not_confirmed_by_it(house: House) -> None:
    first, _ = jump(house)
    house.desk.wait(5)
    moved = replace(first, publish=house.now, ratio=first.ratio + RATIO_ONE // 20)
    assert house.send(moved) == Outcome((), (moved,), ())


def test_update__both_jumped__are_confirmed_together(house: House) -> None:
    first = house.surface(30 * DAYS)
    house.send(first)
    for expected in ("pending", "stored"):
        house.desk.wait(10)
        moved = scaled(first, 150, publish=house.now, ratio=first.ratio - RATIO_ONE // 20)
        assert getattr(house.send(moved), expected) == (moved,)


def test_update__confirmed_jump_against_its_neighbour__is_refused(house: House) -> None:
    house.send(house.surface(60 * DAYS))
    first, _ = jump(house)
    house.desk.wait(5)
    again = scaled(first, 160, publish=house.now)
    assert house.send(again) == refusal(again, Why.CALENDAR)


# ---- what opens ----------------------------------------------------------------------------------


def test_surface_trusted__as_time_runs__is_fresh_for_two_minutes(house: House) -> None:
    surface = house.surface(30 * DAYS)
    assert not house.surfaces.surface_trusted(ETH, surface.hours)
    house.send(surface)
    assert house.surfaces.surface_trusted(ETH, surface.hours)
    house.desk.wait(pm.SURFACE_FRESH)
    assert house.surfaces.surface_trusted(ETH, surface.hours)
    house.desk.wait(1)
    assert not house.surfaces.surface_trusted(ETH, surface.hours)


def test_surface_trusted__jump_waits__is_not(house: House) -> None:
    first, _ = jump(house)
    assert not house.surfaces.surface_trusted(ETH, first.hours)
    house.desk.wait(5)
    house.send(scaled(first, 160, publish=house.now))
    assert house.surfaces.surface_trusted(ETH, first.hours)


def test_surface_trusted__at_the_expiry__is_not(house: House) -> None:
    surface = house.surface(1)
    house.desk.wait(surface.hours * HOUR - house.now - 1)
    house.send(replace(surface, publish=house.now))
    assert house.surfaces.surface_trusted(ETH, surface.hours)
    house.desk.wait(1)
    assert not house.surfaces.surface_trusted(ETH, surface.hours)


def test_surfaces_at__keys__are_answered_in_order(house: House) -> None:
    near, far = house.surface(7 * DAYS), house.surface(30 * DAYS)
    house.send(near, far)
    keys = [market << 24 | hours for market, hours in (key_of(far), (BTC, 5), key_of(near))]
    assert house.surfaces.surfaces_at(keys) == [far.word, 0, near.word]


# ---- bounds --------------------------------------------------------------------------------------

LARGEST = (True, FURTHEST, 10, WAD // 40)
LEAST = (True, DAY, 2, WAD // 1_000)


@pytest.mark.parametrize("bounds", [LARGEST, LEAST])
def test_set_bounds__at_the_ranges__are_what_the_view_says(
    house: House, bounds: tuple[bool, int, int, int]
) -> None:
    # base 5 %, half of it for maintenance: a band of 2.5 % at most
    house.surfaces.set_bounds(ETH, bounds, sender=house.desk.owner)
    assert tuple(house.surfaces.bounds(ETH)) == bounds[1:]
    assert tuple(house.surfaces.bounds(BTC)) == (0, 0, 0)


def test_set_bounds__again__logs_old_and_new(house: House) -> None:
    house.surfaces.set_bounds(ETH, LARGEST, sender=house.desk.owner)
    house.surfaces.set_bounds(ETH, LEAST, sender=house.desk.owner)
    (event,) = house.surfaces.get_logs()
    assert (event.market, tuple(event.old), tuple(event.new)) == (ETH, LARGEST, LEAST)


def test_set_bounds__disabled__are_nothing(house: House) -> None:
    house.surfaces.set_bounds(ETH, LARGEST, sender=house.desk.owner)
    house.surfaces.set_bounds(ETH, (False, 0, 0, 0), sender=house.desk.owner)
    assert tuple(house.surfaces.bounds(ETH)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ((True, FURTHEST + 1, 5, BAND), "surfaces: out of range"),
        ((True, DAY - 1, 5, BAND), "surfaces: out of range"),
        ((True, 30 * DAY, 11, BAND), "surfaces: out of range"),
        ((True, 30 * DAY, 1, BAND), "surfaces: out of range"),
        ((True, 30 * DAY, 5, WAD // 1_000 - 1), "surfaces: out of range"),
        ((True, 30 * DAY, 5, WAD // 40 + 1), "surfaces: band too wide"),
        ((True, 30 * DAY, 5, 2**128 - 1), "surfaces: band too wide"),
    ],
)
def test_set_bounds__one_past_a_bound__is_refused(
    house: House, bounds: tuple[bool, int, int, int], reason: str
) -> None:
    with boa.reverts(reason):
        house.surfaces.set_bounds(ETH, bounds, sender=house.desk.owner)


@pytest.mark.parametrize("market", [0, 4, 256])
def test_set_bounds__market_that_is_not__is_refused(house: House, market: int) -> None:
    with boa.reverts("surfaces: unknown market"):
        house.surfaces.set_bounds(market, LARGEST, sender=house.desk.owner)


def test_set_bounds__somebody_else__is_refused(house: House) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        house.surfaces.set_bounds(ETH, LARGEST, sender=house.desk.anyone)


def test_deploy__names_its_markets_and_owner(house: House) -> None:
    assert house.surfaces.markets() == house.desk.markets.address
    assert house.surfaces.owner() == house.desk.owner
