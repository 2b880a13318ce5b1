# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A call to a contract that may do anything
@license AGPL-3.0-only
@notice docs/spec/oracle.md#sources, docs/spec/exchange.md#signatures. The only raw calls of the
        house. A question is static, with a gas of its own and a bounded answer, so that whoever
        answers badly (by a revert, by nothing, by too much, by eating its gas) is told from one
        who answers, and stops nobody. A try (docs/spec/orders.md#execute) changes something or
        tells why it was refused.
@custom:kill not deployable
"""

from libs import errors

WORD_BYTES: constant(uint256) = 32
# the longest answer that is asked for: that of an aggregator
MAX_WORDS: constant(uint256) = 5
MAX_ANSWER: constant(uint256) = MAX_WORDS * WORD_BYTES
# A call passes on 63/64 of what is left at most, so 1/32 more than it may use has to be there,
# and what the call itself costs.
KEPT_PART: constant(uint256) = 32
CALL_COST: constant(uint256) = 5_000
# the longest that a try reads: selector, offset, length and 31 bytes of Error(string)
MAX_TOLD: constant(uint256) = 4 + 3 * WORD_BYTES
ERROR: constant(bytes4) = method_id("Error(string)", output_type=bytes4)
MAX_REASON: constant(uint256) = 31
# the longest call that is tried: a selector and the six words of a trade
MAX_TRY: constant(uint256) = 4 + 6 * WORD_BYTES
# the longest answer of a view that is tried: a health
MAX_VIEW: constant(uint256) = 8 * WORD_BYTES
# and those of a long one, the facts of a scan: at most 48 words are asked, 110 answered
MAX_LONG_ASKED: constant(uint256) = 4 + 48 * WORD_BYTES
MAX_LONG: constant(uint256) = 112 * WORD_BYTES
# isValidSignature(bytes32,bytes), and the answer of who signed
SIGNED: constant(bytes4) = 0x1626BA7E
# four keys of a shared wallet
MAX_SIGNATURE: constant(uint256) = 260


@internal
@view
def _ask(target: address, method: bytes4, words: uint256, gas_cap: uint256) -> (
    bool, uint256[MAX_WORDS]
):
    """
    @notice Ask a view without arguments.
    @param words of the answer, 1 .. MAX_WORDS; one of another length is none
    @param gas_cap what it may use
    @return whether it answered; the answer, zeros where there is none
    @custom:reverts "feed: too little gas" when a caller brings so little that a silent contract
                    could not be told from a starved one
    """
    # caps are constants of a few hundred thousand
    if msg.gas < unsafe_add(unsafe_add(gas_cap, gas_cap // KEPT_PART), CALL_COST):
        errors._fail("feed: too little gas")
    success: bool = False
    # a byte more than the longest answer, so that a longer one is seen
    answer: Bytes[MAX_ANSWER + 1] = b""
    success, answer = raw_call(
        target,
        slice(convert(method, bytes32), 0, 4),
        max_outsize=MAX_ANSWER + 1,
        gas=gas_cap,
        is_static_call=True,
        revert_on_failure=False,
    )
    result: uint256[MAX_WORDS] = empty(uint256[MAX_WORDS])
    if not success or len(answer) != words * WORD_BYTES:
        return False, result
    for i: uint256 in range(words, bound=MAX_WORDS):
        result[i] = extract32(answer, i * WORD_BYTES, output_type=uint256)
    return True, result


@internal
def _try(target: address, data: Bytes[MAX_TRY]) -> (bool, Bytes[MAX_TOLD]):
    """
    @notice Call, and go on where it is refused; whoever calls this has seen to the gas.
    @return whether it went through; what it answered or, without its end, why it was refused
    """
    success: bool = False
    told: Bytes[MAX_TOLD] = b""
    success, told = raw_call(target, data, max_outsize=MAX_TOLD, revert_on_failure=False)
    return success, told


@internal
@pure
def _reason(told: Bytes[MAX_TOLD]) -> String[MAX_REASON]:
    """
    @return the text of an Error(string), its first 31 bytes; nothing for an error of another form
    """
    head: uint256 = 4 + 2 * WORD_BYTES
    if len(told) < head or convert(slice(told, 0, 4), bytes4) != ERROR:
        return ""
    length: uint256 = min(extract32(told, 4 + WORD_BYTES, output_type=uint256), len(told) - head)
    return convert(slice(told, head, min(length, MAX_REASON)), String[MAX_REASON])


@internal
@view
def _confirms(
    wallet: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE], gas_cap: uint256
) -> bool:
    """
    @notice Ask a contract wallet whether it signed (EIP-1271).
    @param gas_cap what it may use
    @return whether it answered, with the one word that means yes
    @custom:reverts "wallet: too little gas" when a caller brings so little that a wallet which
                    signed could look as if it had not
    """
    # caps are constants of a few hundred thousand
    if msg.gas < unsafe_add(unsafe_add(gas_cap, gas_cap // KEPT_PART), CALL_COST):
        errors._fail("wallet: too little gas")
    success: bool = False
    # a byte more than a word, so that a longer answer is seen
    answer: Bytes[WORD_BYTES + 1] = b""
    success, answer = raw_call(
        wallet,
        abi_encode(digest, signature, method_id=SIGNED),
        max_outsize=WORD_BYTES + 1,
        gas=gas_cap,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) != WORD_BYTES:
        return False
    return extract32(answer, 0) == convert(SIGNED, bytes32)


@internal
@view
def _view(target: address, data: Bytes[MAX_TRY]) -> (bool, Bytes[MAX_VIEW]):
    """
    @notice Ask a view of a contract of the house, and go on where it refuses.
    @return whether it answered, and what: eight words at most
    """
    success: bool = False
    said: Bytes[MAX_VIEW] = b""
    success, said = raw_call(
        target, data, max_outsize=MAX_VIEW, is_static_call=True, revert_on_failure=False
    )
    return success, said


@internal
@view
def _long_view(target: address, data: Bytes[MAX_LONG_ASKED]) -> (bool, Bytes[MAX_LONG]):
    """
    @notice As `_view`, for longer questions and answers of 112 words at most.
    """
    success: bool = False
    said: Bytes[MAX_LONG] = b""
    success, said = raw_call(
        target, data, max_outsize=MAX_LONG, is_static_call=True, revert_on_failure=False
    )
    return success, said
