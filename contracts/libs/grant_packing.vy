# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The word of a grant, and the place of a permit's nonce
@license AGPL-3.0-only
@notice expiry 64 @64 | uses 32 @32 | scope 8 @0. docs/spec/words.md
@custom:kill not deployable
"""

EXPIRY_AT: constant(uint256) = 2**64
USES_AT: constant(uint256) = 2**32
MAX_EXPIRY: constant(uint256) = 2**64 - 1
# without limit
MAX_USES: constant(uint256) = 2**32 - 1
SCOPE_MASK: constant(uint256) = 2**8 - 1
# nonces in a word of bits
NONCES: constant(uint256) = 256


@internal
@pure
def _word(scope: uint256, expiry: uint256, uses: uint256) -> uint256:
    """
    @notice Encode; the fields' ranges are the caller's check.
    """
    return expiry * EXPIRY_AT | uses * USES_AT | scope


@internal
@pure
def _fields(word: uint256) -> (uint256, uint256, uint256):
    """
    @return scope, expiry, uses
    """
    return word & SCOPE_MASK, word // EXPIRY_AT, word // USES_AT & MAX_USES


@internal
@pure
def _nonce_bit(nonce: uint256) -> uint256:
    """
    @return the bit of a nonce in word `nonce // NONCES`
    """
    return 2 ** (nonce % NONCES)
