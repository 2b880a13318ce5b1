"""Surfaces as they are proposed, compared, signed and sent: docs/spec/surfaces.md in integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

from eth_utils.crypto import keccak

from keepers.domain.reports import NOBODY, SEATS, SIGNATURE_BYTES
from keepers.domain.svi import Smile, fault, is_after
from keepers.domain.units import DAY, HOUR, WAD, YEAR
from keepers.errors import BadInput

MAX_WORDS: Final = 16
MAX_EXPIRIES: Final = 16
SURFACES_TYPE: Final = keccak(b"Surfaces(uint256[] words)")
RATIO_ONE: Final = 2**30
VARIANCE_ONE: Final = 2**26
AHEAD: Final = 1  # seconds
FURTHEST: Final = 730 * DAY
LEAST_VOLATILITY: Final = WAD // 100
MOST_VOLATILITY: Final = 5 * WAD
# bits and place of every field of the word
FIELDS: Final = {
    "market": (8, 248),
    "hours": (24, 224),
    "publish": (32, 192),
    "ratio": (32, 160),
    "a": (32, 128),
    "b": (32, 96),
    "rho": (32, 64),
    "m": (32, 32),
    "sigma": (32, 0),
}
SIGNED: Final = ("a", "rho", "m")
# where two surfaces are compared, in halves of the own deviation at the money
COMPARED: Final = (-4, -2, -1, 0, 1, 2, 4)


@dataclass(frozen=True, slots=True)
class Surface:
    """One expiry in stored units: variances a year [2^-26], ratio and rho [2^-30], k [2^-28]."""

    market: int
    hours: int  # since 1970
    publish: int
    ratio: int
    a: int
    b: int
    rho: int
    m: int
    sigma: int

    @property
    def word(self) -> int:
        """Return the word; BadInput if a field does not fit."""
        made = 0
        for name, (bits, place) in FIELDS.items():
            value = getattr(self, name)
            low = -(1 << bits - 1) if name in SIGNED else 0
            if not low <= value < low + (1 << bits):
                raise BadInput(f"{name} of a surface does not fit its {bits} bits")
            made |= (value & (1 << bits) - 1) << place
        return made

    @property
    def expiry(self) -> int:
        """Return when it expires [unix s]."""
        return self.hours * HOUR

    def smile(self, seconds: int) -> Smile:
        """Return the smile in total variance over some time."""
        whole = VARIANCE_ONE * YEAR
        a = abs(self.a) * WAD * seconds // whole
        return Smile(
            a if self.a >= 0 else -a,
            self.b * WAD * seconds // whole,
            self.rho << 34,
            self.m << 36,
            self.sigma << 36,
        )

    def volatility(self, k: int) -> int:
        """Return the annual volatility at k = ln(strike / forward) [2^-64], rounded down [WAD]."""
        return isqrt(self.smile(YEAR).total_variance(k) * WAD)


def surface_key(market: int, hours: int) -> int:
    """Return what Surfaces keeps an expiry under: market 8 @24 | hours since 1970 24 @0."""
    return market << 24 | hours


def surface_of(word: int) -> Surface:
    """Return what a word says."""
    said = {}
    for name, (bits, place) in FIELDS.items():
        raw = word >> place & (1 << bits) - 1
        said[name] = raw - (1 << bits) if name in SIGNED and raw >> bits - 1 else raw
    return Surface(**said)


def annual(
    smile: Smile, seconds: int, market: int, hours: int, publish: int, ratio: int
) -> Surface:
    """Return a smile over some time as a surface says it, rounded to what it stores.

    Args:
        smile: in total variance.
        seconds: which it is over.
        market: whose it is.
        hours: the expiry, since 1970.
        publish: unix seconds.
        ratio: forward over price [2^-30].
    """
    a, b = (_near(x * VARIANCE_ONE * YEAR, WAD * seconds) for x in (smile.a, smile.b))
    rho, m, sigma = _near(smile.rho, 1 << 34), _near(smile.m, 1 << 36), _near(smile.sigma, 1 << 36)
    return Surface(market, hours, publish, ratio, a, b, rho, m, sigma)


def _near(a: int, b: int) -> int:
    return (2 * a + b) // (2 * b)


def faults(surfaces: Sequence[Surface], now: int) -> list[str]:
    """Return why the chain would refuse each surface, nothing where it would not.

    Args:
        surfaces: of one market, expiries ascending; all of those that are stored, or the new ones
            in their place.
        now: chain time.
    """
    found: list[str] = []
    before: Surface | None = None
    for surface in surfaces:
        why = alone(surface, now)
        if not why and before is not None:
            later, earlier = (each.smile(each.expiry - now) for each in (surface, before))
            if not is_after(later, earlier):
                why = "the expiry before has more variance"
        if not why:
            before = surface
        found.append(why)
    return found


def alone(surface: Surface, now: int) -> str:
    """Return what is wrong with a surface by itself, nothing if nothing is."""
    seconds = surface.expiry - now
    if not 0 < seconds <= FURTHEST:
        return "the expiry is over or too far off"
    if surface.publish > now + AHEAD:
        return "it is from the future"
    if surface.market == 0 or not 3 * RATIO_ONE <= 4 * surface.ratio <= 5 * RATIO_ONE:
        return "the forward is too far from the price"
    if why := fault(surface.smile(seconds)):
        return why
    if not LEAST_VOLATILITY <= surface.volatility(0) <= MOST_VOLATILITY:
        return "the volatility at the money is out of range"
    return ""


def disagreement(
    proposed: Surface, own: Surface, volatility_bp: int, ratio_bp: int, now: int
) -> str:
    """Return where a proposal is not like what this source sees itself, nothing if it is.

    A source signs other words than its own only if at the money, and one and two deviations either
    way, their volatilities are as near as the first tolerance, and the forwards as the second.

    Args:
        proposed: what another source has fitted.
        own: what this one has, of the same market and expiry.
        volatility_bp: how far volatilities may be apart, in 1e-4 of the own one.
        ratio_bp: how far forwards may be apart, in 1e-4 of the price.
        now: chain time.
    """
    if abs(proposed.ratio - own.ratio) * 10_000 > ratio_bp * RATIO_ONE:
        return "its forward is another"
    half = isqrt((own.smile(max(1, own.expiry - now)).total_variance(0) << 128) // WAD) >> 1
    for step in COMPARED:
        said, seen = (each.volatility(half * step) for each in (proposed, own))
        if abs(said - seen) * 10_000 > volatility_bp * seen:
            return f"its volatility is another at {step / 2:g} deviations"
    return ""


# ---- what is signed and sent ---------------------------------------------------------------------


def packed(words: Sequence[int]) -> bytes:
    """Return words as they stand in a report."""
    return b"".join(word.to_bytes(32, "big") for word in words)


def digest(words: Sequence[int], separator: bytes) -> bytes:
    """Return the 32 bytes that every signer of these words signs."""
    return keccak(b"\x19\x01" + separator + keccak(SURFACES_TYPE + keccak(packed(words))))


def encode_report(
    words: Sequence[int], signatures: Mapping[int, bytes], seats: Sequence[str]
) -> bytes:
    """Pack words and signatures as `Surfaces.update` takes them.

    Args:
        words: one market and expiry each, ascending.
        signatures: by seat.
        seats: the address in every seat; who sits there and did not sign is named.
    """
    keys = [word >> 224 for word in words]
    if not 0 < len(words) <= MAX_WORDS or sorted(set(keys)) != keys:
        raise BadInput(f"a report has 1 to {MAX_WORDS} surfaces, ascending, one an expiry")
    if any(not 0 <= seat < SEATS for seat in signatures):
        raise BadInput(f"seats go from 0 to {SEATS - 1}")
    if any(len(each) != SIGNATURE_BYTES for each in signatures.values()):
        raise BadInput(f"a signature has {SIGNATURE_BYTES} bytes")
    absent = [(i, s) for i, s in enumerate(seats) if i not in signatures and s != NOBODY]
    entries = bytes(seat << 5 for seat in sorted(signatures)).ljust(SEATS, b"\0")
    head = bytes((len(signatures), len(words), len(absent))) + entries
    others = b"".join(bytes((i << 5,)) + bytes.fromhex(seat[2:]) for i, seat in absent)
    return head + others + packed(words) + b"".join(signatures[i] for i in sorted(signatures))
