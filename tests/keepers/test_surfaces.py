"""Surfaces as keepers make, compare and sign them: what the contract and the reference say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from itertools import pairwise

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.chain.signer import Signer, recover_compact
from keepers.domain.reports import NOBODY, domain_separator
from keepers.domain.surfaces import (
    Surface,
    alone,
    annual,
    digest,
    disagreement,
    encode_report,
    faults,
    surface_of,
)
from keepers.domain.svi import ONE, Smile
from keepers.domain.units import HOUR, WAD, YEAR
from keepers.errors import BadInput
from tests.reference import portfolio as pm
from tests.reference import surfaces as reference
from tests.support.signing import key_of
from tests.unit.surfaces_support import House, built

NOW = 1_700_000_000
MONTH = 30 * 24
words = st.integers(0, 2**256 - 1)
likely = st.builds(
    Surface,
    market=st.integers(0, 3),
    hours=st.integers(NOW // HOUR - 2, NOW // HOUR + 18_000),
    publish=st.integers(NOW - 10, NOW + 3),
    ratio=st.integers(2**29, 3 * 2**29),
    a=st.integers(-(2**22), 2**26),
    b=st.integers(0, 2**26),
    rho=st.integers(-(2**30), 2**30),
    m=st.integers(-(2**28), 2**28),
    sigma=st.integers(0, 2**28),
)


def of(surface: Surface) -> pm.Surface:
    """Return the reference's form of a surface."""
    return pm.Surface(*astuple(surface))


def surface(hours: int = MONTH, percent: int = 100, **changes: int) -> Surface:
    """Return a smile of 80 % at the money, as long as it is not scaled."""
    square = percent**2
    made = Surface(
        market=1,
        hours=NOW // HOUR + hours,
        publish=NOW,
        ratio=2**30,
        a=2**26 * 60 * square // 10**6,
        b=2**26 * 3 * square // 10**5,
        rho=-(2**28),
        m=0,
        sigma=2**28 // 10,
    )
    return replace(made, **changes)


@given(words)
def test_surface_of__any_word__says_it_again(word: int) -> None:
    assert surface_of(word).word == word
    assert of(surface_of(word)).word == word


@pytest.mark.parametrize("change", [{"a": 2**31}, {"a": -(2**31) - 1}, {"ratio": -1}, {"b": 2**32}])
def test_word__field_that_does_not_fit__is_refused(change: dict[str, int]) -> None:
    with pytest.raises(BadInput):
        _ = surface(**change).word


@given(likely)
def test_alone__any_surface__is_the_reference(said: Surface) -> None:
    assert (alone(said, NOW) == "") == (reference.fault(of(said), NOW) is None)
    assert said.volatility(0) == reference.volatility(of(said))


@given(st.lists(likely, max_size=4, unique_by=lambda each: each.hours))
def test_faults__in_order__are_those_of_neighbours(said: list[Surface]) -> None:
    ladder = sorted((replace(each, market=1) for each in said), key=lambda each: each.hours)
    good = [each for each, why in zip(ladder, faults(ladder, NOW), strict=True) if not why]
    assert all(reference.fault(of(each), NOW) is None for each in good)
    assert all(reference.fits(of(high), of(low), NOW) for low, high in pairwise(good))


def test_annual__a_fitted_smile__keeps_its_variance() -> None:
    seconds = 45 * 24 * HOUR
    smile = Smile(WAD // 100, WAD // 20, -ONE * 3 // 10, ONE // 50, ONE // 5)
    made = annual(smile, seconds, 1, NOW // HOUR, NOW, 2**30)
    again = made.smile(seconds)
    for k in range(-3 * ONE, 3 * ONE, ONE // 4):
        # half a unit of 2^-26 a year in a, as much in b for one of k, and less by the rest
        assert abs(again.total_variance(k) - smile.total_variance(k)) < WAD * seconds // YEAR >> 23


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"percent": 104}, ""),
        ({"percent": 106}, "volatility is another at -2 deviations"),
        ({"percent": 94}, "volatility is another at -2 deviations"),
        ({"ratio": 2**30 * 1_002 // 1_000}, ""),
        ({"ratio": 2**30 * 1_003 // 1_000 + 1}, "forward"),
        # as much at the money, another skew
        ({"rho": 2**30 * 9 // 10}, "deviations"),
    ],
)
def test_disagreement__tolerances__are_held(change: dict[str, int], said: str) -> None:
    found = disagreement(surface(**change), surface(), 500, 30, NOW)
    assert said in found and bool(found) == bool(said)


# ---- on the chain --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with built() as ready:
        yield ready


def test_encode_report__signed_by_a_quorum__is_stored(house: House) -> None:
    now = house.now // HOUR
    said = [
        replace(surface(), hours=now + hours, publish=house.now) for hours in (24, MONTH, 2 * MONTH)
    ]
    separator = domain_separator(boa.env.evm.patch.chain_id, house.surfaces.address)
    sent = [each.word for each in said]
    message = digest(sent, separator)
    signers = [Signer(key_of(seat).secret) for seat in range(4)]
    signatures = {seat: signers[seat].sign_compact(message) for seat in (3, 0, 2)}
    assert recover_compact(signatures[3], message) == signers[3].address
    seats = [signer.address for signer in signers] + [NOBODY] * 4
    report = encode_report(sent, signatures, seats)
    assert house.send_raw(report) == 3
    assert [each.word for each in house.live()] == sent


@pytest.mark.parametrize(
    ("sent", "signatures"),
    [
        ([], {0: bytes(64)}),
        ([2 << 224, 1 << 224], {0: bytes(64)}),
        ([1 << 224, 1 << 224], {0: bytes(64)}),
        ([i << 224 for i in range(1, 18)], {0: bytes(64)}),
        ([1 << 224], {8: bytes(64)}),
        ([1 << 224], {0: bytes(65)}),
    ],
)
def test_encode_report__what_the_chain_would_refuse__is_refused(
    sent: list[int], signatures: dict[int, bytes]
) -> None:
    with pytest.raises(BadInput):
        encode_report(sent, signatures, [NOBODY] * 8)
