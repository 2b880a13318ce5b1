# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OddWallet: a contract that answers for signatures in every wrong way
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

MAGIC: constant(bytes4) = 0x1626BA7E
YES: constant(uint256) = 0
REVERTS: constant(uint256) = 1
BURNS: constant(uint256) = 2
SHORT: constant(uint256) = 3
LONG: constant(uint256) = 4
ZERO: constant(uint256) = 5
WRITES: constant(uint256) = 6
DIRTY: constant(uint256) = 7

mode: uint256
asked: public(uint256)


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
def act(target: address, data: Bytes[8192]):
    """
    @notice Call `target` as this contract.
    """
    raw_call(target, data)


@external
@payable
@reentrant
@raw_return
def __default__() -> Bytes[8192]:
    mode: uint256 = self.mode
    answer: bytes32 = convert(MAGIC, bytes32)
    if mode == REVERTS:
        raise "wallet: broken"
    if mode == BURNS:
        for i: uint256 in range(2**64):
            answer = keccak256(answer)
    if mode == SHORT:
        return slice(abi_encode(answer), 0, 4)
    if mode == LONG:
        # a bomb of return data that begins as it should
        bomb: uint256[255] = empty(uint256[255])
        bomb[0] = convert(answer, uint256)
        return abi_encode(bomb)
    if mode == ZERO:
        return abi_encode(empty(bytes32))
    if mode == WRITES:
        self.asked += 1
    if mode == DIRTY:
        return abi_encode(convert(convert(answer, uint256) | 1, bytes32))
    return abi_encode(answer)
