"""Packed words of docs/spec/words.md, encoded and decoded."""

from __future__ import annotations

from tests.reference.facts import Account, Collateral, Holding, Leg, MarginParams, Market
from tests.reference.units import WAD

LEG_WORDS = 8
AMOUNT_WORDS = 4


def field(word: int, bits: int, offset: int) -> int:
    """Return the unsigned field of `bits` at `offset`."""
    return word >> offset & (1 << bits) - 1


def signed(word: int, bits: int, offset: int) -> int:
    """Return the two's-complement field of `bits` at `offset`."""
    raw = field(word, bits, offset)
    return raw - (1 << bits) if raw >> bits - 1 else raw


def put(value: int, bits: int, offset: int) -> int:
    """Return `value`, signed or not, as a field; it must fit."""
    if not -(1 << bits - 1) <= value < 1 << bits:
        raise ValueError(f"{value} does not fit {bits} bits")
    return (value & (1 << bits) - 1) << offset


# ---- account -------------------------------------------------------------------------------------


def account_word(account: Account) -> int:
    """Return `cash | quote | meta`."""
    ids = sum(put(held.id, 6, 6 * i) for i, held in enumerate(account.collateral))
    return (
        put(account.cash, 96, 160)
        | put(account.quote, 96, 64)
        | put(len(account.legs), 7, 57)
        | put(len(account.collateral), 4, 53)
        | put(account.flags, 5, 48)
        | ids
    )


def leg_words(account: Account) -> list[int]:
    """Return the eight leg words, the even position in the low half."""
    words = [0] * LEG_WORDS
    for i, leg in enumerate(account.legs):
        entry = put(leg.instrument, 64, 64) | put(leg.size, 64, 0)
        words[i // 2] |= entry << 128 * (i % 2)
    return words


def amount_words(account: Account) -> list[int]:
    """Return the four amount words, the even position in the low half."""
    words = [0] * AMOUNT_WORDS
    for i, held in enumerate(account.collateral):
        words[i // 2] |= put(held.amount, 128, 128 * (i % 2))
    return words


def encode_account(account: Account) -> tuple[int, list[int], list[int]]:
    """Return what `Clearinghouse.account_words` answers."""
    return account_word(account), leg_words(account), amount_words(account)


def decode_account(word: int, legs: list[int], amounts: list[int]) -> Account:
    """Return the account that the words describe."""
    leg_entries = [field(legs[i // 2], 128, 128 * (i % 2)) for i in range(field(word, 7, 57))]
    return Account(
        cash=signed(word, 96, 160),
        quote=signed(word, 96, 64),
        flags=field(word, 5, 48),
        legs=tuple(Leg(entry >> 64, signed(entry, 64, 0)) for entry in leg_entries),
        collateral=tuple(
            Holding(field(word, 6, 6 * i), field(amounts[i // 2], 128, 128 * (i % 2)))
            for i in range(field(word, 4, 53))
        ),
    )


# ---- market --------------------------------------------------------------------------------------


def price_word(m: Market) -> int:
    """Return the word that health checks read."""
    return (
        put(m.price, 64, 192)
        | put(m.stable, 64, 128)
        | put(m.conf, 16, 112)
        | put(m.gap, 8, 104)
        | put(m.publish, 32, 72)
        | put(m.v, 16, 56)
        | put(m.v_slow, 16, 40)
        | put(m.flags, 8, 32)
        | put(m.sample_time, 32, 0)
    )


def margin_bits(p: MarginParams) -> int:
    """Return the 56 bits of margin parameters; the cap as mantissa and power of ten."""
    mantissa, exponent = p.oi_cap // WAD, 0
    while mantissa > 15:
        mantissa, exponent = mantissa // 10, exponent + 1
    return (
        put(p.base // (5 * 10**14), 12, 44)
        | put(p.mm_ratio // 10**16, 7, 37)
        | put(p.tier_start // (10_000 * WAD), 14, 23)
        | put(p.spread_rate // (25 * 10**14), 6, 17)
        | put(p.oi_max // (WAD // 2), 5, 12)
        | put(p.oi_lo * 16 // WAD, 4, 8)
        | put(mantissa, 4, 4)
        | put(exponent, 4, 0)
    )


def state_word(m: Market) -> int:
    """Return the word of funding, open interest and margin parameters."""
    return (
        put(m.funding, 64, 192)
        | put(m.rate, 32, 160)
        | put(m.tilt, 16, 144)
        | put(m.time, 32, 112)
        | put(m.open_interest, 56, 56)
        | margin_bits(m.margin)
    )


def instrument_of(market: int) -> int:
    """Return the perp of `market`."""
    return market << 56


def market_of(instrument: int) -> int:
    """Return the market of an instrument."""
    return instrument >> 56


def sampler_word(m: Market) -> int:
    """Return the word of both variance samplers."""
    return (
        put(m.price_a, 64, 192)
        | put(m.var_a, 48, 144)
        | put(m.price_b, 64, 80)
        | put(m.var_b, 48, 32)
        | put(m.time_b, 32, 0)
    )


def pending_word(m: Market) -> int:
    """Return the word of an unconfirmed jump and of the ends of grace and of a pause."""
    return (
        put(m.opening_until, 32, 128)
        | put(m.pending_price, 64, 64)
        | put(m.pending_publish, 32, 32)
        | put(m.grace_until, 32, 0)
    )


def collateral_bits(c: Collateral) -> int:
    """Return the 64 bits of one collateral's parameters."""
    return (
        put(c.feed, 8, 0)
        | put(c.decimals, 5, 8)
        | put(c.haircut_im // 10**15, 10, 13)
        | put(c.haircut_mm // 10**15, 10, 23)
        | put(c.soft, 14, 33)
    )


def signer_time(word: int, seat: int) -> int:
    """Return the time below which a seat may not fall back, from the signers word."""
    return field(word, 32, 32) - field(word, 4, 4 * seat)
