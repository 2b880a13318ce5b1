# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Aggregator: an aggregator, an uptime feed or an adapter, that answers as told, or badly
@license AGPL-3.0-only
@custom:kill not deployed outside tests
"""

# how a view misbehaves, each by itself
HONEST: constant(uint256) = 0
REVERTS: constant(uint256) = 1
SILENT: constant(uint256) = 2
SHORT: constant(uint256) = 3
LONG: constant(uint256) = 4
GARBAGE: constant(uint256) = 5
BOMB: constant(uint256) = 6
HUNGRY: constant(uint256) = 7
BOMB_WORDS: constant(uint256) = 500
BOMB_BYTES: constant(uint256) = BOMB_WORDS * 32
FOREVER: constant(uint256) = 10**9
GRAIN: constant(Bytes[32]) = b"not a price, but just many words"

digits: uint256
round: uint256[5]
said: uint256[4]
max_age: public(uint256)
decimals_mode: uint256
round_mode: uint256
quote_mode: uint256


@deploy
def __init__(digits: uint256):
    self.digits = digits


@external
def set_decimals(digits: uint256):
    self.digits = digits


@external
def set_round(round: uint256[5]):
    """
    @param round id, answer, started at, updated at, answered in round
    """
    self.round = round


@external
def set_quote(said: uint256[4]):
    """
    @param said price, confidence, publish time, valid
    """
    self.said = said


@external
def set_max_age(max_age: uint256):
    self.max_age = max_age


@external
def set_modes(decimals_mode: uint256, round_mode: uint256, quote_mode: uint256):
    self.decimals_mode = decimals_mode
    self.round_mode = round_mode
    self.quote_mode = quote_mode


@external
@view
@raw_return
def decimals() -> Bytes[BOMB_BYTES]:
    return self._answer(abi_encode(self.digits), self.decimals_mode)


@external
@view
@raw_return
def latestRoundData() -> Bytes[BOMB_BYTES]:
    return self._answer(abi_encode(self.round), self.round_mode)


@external
@view
@raw_return
def quote() -> Bytes[BOMB_BYTES]:
    return self._answer(abi_encode(self.said), self.quote_mode)


@internal
@view
def _answer(honest: Bytes[160], mode: uint256) -> Bytes[BOMB_BYTES]:
    assert mode != REVERTS, "aggregator: no data present"
    if mode == SILENT:
        return b""
    if mode == SHORT:
        return slice(honest, 0, len(honest) - 1)
    if mode == LONG:
        return concat(honest, b"\x00")
    if mode == GARBAGE:
        return slice(concat(GRAIN, GRAIN, GRAIN, GRAIN, GRAIN), 0, len(honest))
    if mode == BOMB:
        return abi_encode(empty(uint256[BOMB_WORDS]))
    if mode == HUNGRY:
        digest: bytes32 = empty(bytes32)
        for i: uint256 in range(FOREVER):
            digest = keccak256(digest)
    return honest
