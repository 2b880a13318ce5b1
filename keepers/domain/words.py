"""Packed storage words, decoded; the bit tables are docs/spec/words.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keepers.domain.units import WAD

IN_AUCTION = 1
HOUSE = 4
OPTIONS = 16
LEG_WORDS = 8
AMOUNT_WORDS = 4

PENDING = 1
GRACE = 2
UNTRUSTED = 4
ACTIVE = 8
OPENING_PAUSED = 16
CHECKED = 64  # a cross-check is asked
POLLED = 128  # an adapter is the source


def _field(word: int, offset: int, bits: int) -> int:
    return (word >> offset) & ((1 << bits) - 1)


def _signed(word: int, offset: int, bits: int) -> int:
    raw = _field(word, offset, bits)
    return raw - (1 << bits) if raw >> (bits - 1) else raw


@dataclass(frozen=True, slots=True)
class Leg:
    """A signed position of an account."""

    instrument: int
    size: int  # lots

    @property
    def market(self) -> int:
        """Return the market of the instrument."""
        return self.instrument >> 56


@dataclass(frozen=True, slots=True)
class Holding:
    """An amount of one collateral."""

    collateral: int  # id
    amount: int  # token atoms


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that the ledger keeps about one account."""

    id: int
    cash: int  # WAD
    quote: int  # WAD
    legs: tuple[Leg, ...]
    holdings: tuple[Holding, ...]
    flags: int
    options: tuple[Leg, ...] = ()  # and dated futures: what the engine keeps
    portfolio: bool = False  # the engine's mode

    @property
    def engaged(self) -> bool:
        """Return whether the engine answers for its margin: docs/spec/engine.md."""
        return bool(self.flags & OPTIONS)

    @property
    def house(self) -> bool:
        """Return whether this is a pool's account."""
        return bool(self.flags & HOUSE)

    @property
    def in_auction(self) -> bool:
        """Return whether the auction bit is set."""
        return bool(self.flags & IN_AUCTION)

    @property
    def owner(self) -> str:
        """Return the owner's address."""
        return f"0x{self.id >> 96:040x}"

    @property
    def index(self) -> int:
        """Return the owner's number for this account."""
        return self.id & ((1 << 96) - 1)


def account_id(owner: str, index: int = 0) -> int:
    """Return `owner << 96 | index`."""
    return int(owner, 16) << 96 | index


def perp(market: int) -> int:
    """Return the instrument of a market's perpetual."""
    return market << 56


def decode_legs(words: Sequence[int]) -> tuple[Leg, ...]:
    """Decode entries of `instrument 64 @64 | size int64 @0`, two a word; empty ones end them."""
    entries = [_field(word, 128 * half, 128) for word in words for half in range(2)]
    return tuple(Leg(entry >> 64, _signed(entry, 0, 64)) for entry in entries if entry)


def decode_account(
    account: int, word: int, leg_words: Sequence[int], amount_words: Sequence[int]
) -> Account:
    """Decode the three kinds of words that `Clearinghouse.account_words` returns."""
    legs = decode_legs(leg_words)[: _field(word, 57, 7)]
    holdings = []
    for position in range(_field(word, 53, 4)):
        amount = _field(amount_words[position // 2], 128 * (position & 1), 128)
        holdings.append(Holding(_field(word, 6 * position, 6), amount))
    return Account(
        id=account,
        cash=_signed(word, 160, 96),
        quote=_signed(word, 64, 96),
        legs=legs,
        holdings=tuple(holdings),
        flags=_field(word, 48, 5),
    )


def encode_account(account: Account) -> tuple[int, list[int], list[int]]:
    """Return the words of an account, as it is or would be: the inverse of `decode_account`."""
    word = (
        (account.cash & (1 << 96) - 1) << 160
        | (account.quote & (1 << 96) - 1) << 64
        | len(account.legs) << 57
        | len(account.holdings) << 53
        | account.flags << 48
    )
    for position, held in enumerate(account.holdings):
        word |= held.collateral << 6 * position
    amounts = _pairs([each.amount for each in account.holdings], AMOUNT_WORDS)
    return word, _pairs([_entry(each) for each in account.legs], LEG_WORDS), amounts


def encode_legs(legs: Sequence[Leg]) -> list[int]:
    """Return legs two a word, in as few as they need: the inverse of `decode_legs`."""
    return _pairs([_entry(each) for each in legs], (len(legs) + 1) // 2)


def _entry(leg: Leg) -> int:
    return leg.instrument << 64 | leg.size & (1 << 64) - 1


def _pairs(entries: Sequence[int], words: int) -> list[int]:
    """Return entries of 128 bits two a word, the first one low."""
    filled = [*entries, *[0] * (2 * words - len(entries))]
    return [low | high << 128 for low, high in zip(filled[::2], filled[1::2], strict=True)]


@dataclass(frozen=True, slots=True)
class PriceWord:
    """What the accepted reports left of one feed."""

    price: int  # ticks
    stable: int  # ticks
    conf: int  # 1e-5 of the price
    gap: int  # seconds between the last two publish times, 255 for more
    publish_time: int
    v: int  # 1e-4
    v_slow: int  # 1e-4
    flags: int
    sample_time: int


def decode_price(word: int) -> PriceWord:
    """Decode a market's price word."""
    return PriceWord(
        price=_field(word, 192, 64),
        stable=_field(word, 128, 64),
        conf=_field(word, 112, 16),
        gap=_field(word, 104, 8),
        publish_time=_field(word, 72, 32),
        v=_field(word, 56, 16),
        v_slow=_field(word, 40, 16),
        flags=_field(word, 32, 8),
        sample_time=_field(word, 0, 32),
    )


def accepted(event: Mapping[str, Any]) -> list[tuple[int, PriceWord]]:
    """Return the markets of a PricesAccepted event that stored a price, with their new words."""
    ids = int(event["feeds"]).to_bytes(4, "big")
    pairs = zip(ids, event["words"], strict=True)
    return [(market, decode_price(word)) for market, word in pairs if word]


@dataclass(frozen=True, slots=True)
class MarginWord:
    """A market's margin parameters, WAD unless said."""

    base: int
    mm_ratio: int
    tier_start: int
    spread_rate: int
    oi_max: int
    oi_lo: int  # 1/16 of the cap
    oi_cap: int


@dataclass(frozen=True, slots=True)
class StateWord:
    """What trades and the configurator left of one market."""

    funding: int  # ticks, at `time`
    rate: int  # 1e-14 per second
    tilt: int  # 1/30,000
    time: int
    open_interest: int  # lots
    margin: MarginWord


def decode_state(word: int) -> StateWord:
    """Decode a market's state word with the margin parameters in it."""
    return StateWord(
        funding=_signed(word, 192, 64),
        rate=_signed(word, 160, 32),
        tilt=_signed(word, 144, 16),
        time=_field(word, 112, 32),
        open_interest=_field(word, 56, 56),
        margin=decode_margin(_field(word, 0, 56)),
    )


def decode_margin(word: int) -> MarginWord:
    """Decode the 56 bits of margin parameters from their grids."""
    return MarginWord(
        base=_field(word, 44, 12) * WAD * 5 // 10_000,
        mm_ratio=_field(word, 37, 7) * WAD // 100,
        tier_start=_field(word, 23, 14) * 10_000 * WAD,
        spread_rate=_field(word, 17, 6) * WAD * 25 // 10_000,
        oi_max=_field(word, 12, 5) * WAD // 2,
        oi_lo=_field(word, 8, 4),
        oi_cap=_field(word, 4, 4) * 10 ** _field(word, 0, 4) * WAD,
    )
