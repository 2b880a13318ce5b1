# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Packed words of the ledger and its neighbours: books, tokens, venues, pool, clock, fund
@license AGPL-3.0-only
@notice One encode and one decode per word; the bit tables are docs/spec/words.md.
@custom:kill not deployable
"""

from libs import packing


# ---- the ledger's books: pot 128 @128 | protected int128 @0 -----------------------------------


@internal
@pure
def _books(pot: int256, protected: int256) -> uint256:
    """
    @notice Neither field can fill its 128 bits: each is a sum of int96 fields of accounts.
    """
    upper: uint256 = convert(convert(pot, bytes32), uint256) << 128
    return upper | (convert(convert(protected, bytes32), uint256) & packing.MASK_128)


@internal
@pure
def _pot(word: uint256) -> int256:
    return convert(convert(word >> 128, bytes32), int256)


@internal
@pure
def _protected(word: uint256) -> int256:
    return convert(convert(word << 128, bytes32), int256) >> 128


# ---- account word: counts ---------------------------------------------------------------------


@internal
@pure
def _with_legs(word: uint256, count: uint256) -> uint256:
    return (word & ~packing.LEGS_MASK) | (count << 57)


@internal
@pure
def _with_collaterals(word: uint256, count: uint256) -> uint256:
    return (word & ~(packing.MASK_4 << 53)) | (count << 53)


# ---- token: tracked 112 @144 | hard cap 64 @80 | soft cap 64 @16 | id 8 @8 | listed 1 @7
#             | decimals 5 @0 ----------------------------------------------------------------


@internal
@pure
def _token_word(
    tracked: uint256, hard_cap: uint256, soft_cap: uint256, id: uint256, decimals: uint256
) -> uint256:
    """
    @notice Encode a listed token: tracked < 2^112 atoms, caps < 2^64 whole tokens.
    """
    return (tracked << 144) | (hard_cap << 80) | (soft_cap << 16) | (id << 8) | 128 | decimals


@internal
@pure
def _with_tracked(word: uint256, tracked: uint256) -> uint256:
    return (word & (2**144 - 1)) | (tracked << 144)


@internal
@pure
def _with_caps(word: uint256, hard_cap: uint256, soft_cap: uint256) -> uint256:
    return (word & ~(packing.MASK_128 << 16)) | (hard_cap << 80) | (soft_cap << 16)


@internal
@pure
def _soft_cap(word: uint256) -> uint256:
    return (word >> 16) & packing.MASK_64


@internal
@pure
def _soft_cap_atoms(word: uint256) -> uint256:
    """
    @return [atoms] the soft cap
    """
    # 64 bits times a unit below 2^60
    return unsafe_mul(self._soft_cap(word), self._token_unit(word))


@internal
@pure
def _token_unit(word: uint256) -> uint256:
    """
    @return [atoms] of one whole token
    """
    # at most 18 decimals
    return pow_mod256(10, word & packing.MASK_5)


# ---- venue: allowed 1 @0 | bit m: market m opens from the small minimum -------------------------


@internal
@pure
def _venue_word(allowed: bool, small_markets: uint256) -> uint256:
    return (small_markets & ~convert(1, uint256)) | convert(allowed, uint256)


@internal
@pure
def _has_bit(word: uint256, index: uint256) -> bool:
    return (word >> index) & 1 != 0


# ---- a pause: start 64 @64 | until 64 @0; the pool's queue: until 64 @64 | count 64 @0 --------


@internal
@pure
def _pause_word(start: uint256, until: uint256, owners: bool) -> uint256:
    return (convert(owners, uint256) << 128) | (start << 64) | until


@internal
@pure
def _pause_fields(word: uint256) -> (uint256, uint256):
    return (word >> 64) & packing.MASK_64, word & packing.MASK_64


@internal
@pure
def _pause_is_owners(word: uint256) -> bool:
    return word >> 128 != 0


@internal
@pure
def _queue_word(until: uint256, count: uint256) -> uint256:
    return (until << 64) | count


@internal
@pure
def _queue_count(word: uint256) -> uint256:
    return word & packing.MASK_64


@internal
@pure
def _queue_until(word: uint256) -> uint256:
    return word >> 64


# ---- pool params: scale 48 @136 | max_skew 48 @88 (USD) | spread_min 16 @72 | fee 16 @56
#      | liquidation_fee 16 @40 | keeper_rate 16 @24 (1e-6) | lambda 16 @8 (1e-4) | mu 8 @0 (0.01)


@internal
@pure
def _pool_word(
    scale: uint256,
    max_skew: uint256,
    spread_min: uint256,
    fee: uint256,
    liquidation_fee: uint256,
    keeper_rate: uint256,
    lambda_: uint256,
    mu: uint256,
) -> uint256:
    """
    @notice Encode in grid steps; the setter has checked the ranges.
    """
    return (
        (scale << 136)
        | (max_skew << 88)
        | (spread_min << 72)
        | (fee << 56)
        | (liquidation_fee << 40)
        | (keeper_rate << 24)
        | (lambda_ << 8)
        | mu
    )


@internal
@pure
def _pool_scale(word: uint256) -> uint256:
    return word >> 136


@internal
@pure
def _pool_curve(word: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @return scale, max_skew, spread_min, fee in grid steps
    """
    return (
        word >> 136,
        (word >> 88) & (2**48 - 1),
        (word >> 72) & packing.MASK_16,
        (word >> 56) & packing.MASK_16,
    )


@internal
@pure
def _pool_terms(word: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @return liquidation_fee, keeper_rate, lambda, mu in grid steps
    """
    return (
        (word >> 40) & packing.MASK_16,
        (word >> 24) & packing.MASK_16,
        (word >> 8) & packing.MASK_16,
        word & packing.MASK_8,
    )


@internal
@pure
def _pool_caps(word: uint256) -> (uint256, uint256):
    """
    @return max_skew, lambda in grid steps
    """
    return (word >> 88) & (2**48 - 1), (word >> 8) & packing.MASK_16


@internal
@pure
def _leg_fields(pair: uint256, index: uint256) -> (uint256, int256):
    """
    @return market and size of the entry at an index of its pair
    """
    entry: uint256 = pair >> ((index & 1) << 7)
    return (entry >> 120) & packing.MASK_8, convert(convert(entry << 192, bytes32), int256) >> 192


# ---- pool request: redeem 1 @192 | owner 160 @32 | time 32 @0 ------------------------------------


@internal
@pure
def _request(owner: address, time: uint256, redeem: uint256) -> uint256:
    return (redeem << 192) | (convert(owner, uint256) << 32) | time


@internal
@pure
def _request_at(word: uint256, time: uint256) -> uint256:
    """
    @notice The request with another time, below 2^32.
    """
    return (word & ~packing.MASK_32) | time


@internal
@pure
def _request_is_redeem(word: uint256) -> bool:
    return word >> 192 != 0


@internal
@pure
def _request_owner(word: uint256) -> address:
    return convert((word >> 32) & packing.MASK_160, address)


@internal
@pure
def _request_time(word: uint256) -> uint256:
    return word & packing.MASK_32


# ---- liquidation clock: live 32 @32 | last 32 @0; a block's usage: block 64 @192 | used 192 @0


@internal
@pure
def _clock_word(live: uint256, last: uint256) -> uint256:
    """
    @notice Seconds and a unix time: both below 2^32 until 2106.
    """
    return (live << 32) | last


@internal
@pure
def _clock_live(word: uint256) -> uint256:
    return word >> 32


@internal
@pure
def _clock_last(word: uint256) -> uint256:
    return word & packing.MASK_32


@internal
@pure
def _usage_word(block_number: uint256, used: uint256) -> uint256:
    """
    @notice USD WAD closed in a block; used < 2^192 by the capacity of a block.
    """
    return (block_number << 192) | used


@internal
@pure
def _usage_block(word: uint256) -> uint256:
    return word >> 192


@internal
@pure
def _usage_used(word: uint256) -> uint256:
    return word & (2**192 - 1)


# ---- insurance fund: day 32 @224 | cash at its start 112 @112 | rewards paid 112 @0 -------------


@internal
@pure
def _fund_word(day: uint256, start_cash: uint256, spent: uint256) -> uint256:
    """
    @notice Encode; amounts are WAD of an int96 account, so they fit.
    """
    return (day << 224) | (start_cash << 112) | spent


@internal
@pure
def _fund_fields(word: uint256) -> (uint256, uint256, uint256):
    """
    @return day, cash at its start, rewards paid
    """
    return word >> 224, (word >> 112) & packing.MASK_112, word & packing.MASK_112
