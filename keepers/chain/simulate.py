"""Transactions tried on a node in order, each on what the one before left; nothing is sent.

`eth_simulateV1` does this in one request. Where a node does not have it, each step is tried alone:
one that needs an earlier one (a deposit after its approval) then has no known gas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from keepers.chain.rpc import Rpc, as_bytes, call_object, number
from keepers.chain.transactions import Draft
from keepers.errors import KeeperError, NodeRefused, Reverted
from keepers.reasons import reason_of

NO_METHOD: Final = (-32601, -32004)
NO_METHOD_WORDS: Final = ("not found", "not supported", "not available", "not implemented")
NO_MONEY: Final = ("insufficient funds", "insufficient balance", "lack of funds")


def transaction(draft: Draft, sender: str) -> dict[str, str]:
    """Return a draft as the node's own requests take it."""
    made = call_object(draft.to, draft.data, sender)
    return {**made, "value": hex(draft.value)} if draft.value else made


async def simulate(rpc: Rpc, steps: Sequence[Draft], sender: str) -> tuple[int | None, ...]:
    """Return the gas of each step; the first that a contract refuses is raised."""
    if not steps:
        return ()
    answers = await _tried(rpc, [transaction(step, sender) for step in steps], sender)
    if answers is None:
        return await _one_by_one(rpc, steps, sender)
    return tuple(_gas(answer) for answer in answers)


async def after(
    rpc: Rpc, step: Draft, views: Sequence[tuple[str, bytes]], sender: str
) -> list[bytes] | None:
    """Return what views answer once a transaction is through; None where the node cannot tell.

    What refuses the transaction, or a view, is raised.
    """
    calls = [transaction(step, sender), *(call_object(to, data) for to, data in views)]
    answers = await _tried(rpc, calls, sender)
    if answers is None:
        return None
    for answer in answers:
        _gas(answer)
    return [as_bytes(answer["returnData"]) for answer in answers[1:]]


async def _tried(
    rpc: Rpc, calls: Sequence[Mapping[str, str]], sender: str
) -> Sequence[Mapping[str, Any]] | None:
    """Return what each call of one block comes to; None where the node does not simulate."""
    request = {"blockStateCalls": [{"calls": list(calls)}], "validation": False}
    try:
        blocks = await rpc.request("eth_simulateV1", request, "latest")
    except NodeRefused as error:
        if not _is_unknown(error):
            raise said(error, sender) from error
        return None
    found: Sequence[Mapping[str, Any]] = blocks[0]["calls"]
    return found


def _gas(answer: Mapping[str, Any]) -> int:
    if number(answer["status"]) != 1:
        message = str(answer.get("error", {}).get("message", ""))
        raise Reverted(reason_of(str(answer.get("returnData") or ""), message))
    return number(answer["gasUsed"])


async def _one_by_one(rpc: Rpc, steps: Sequence[Draft], sender: str) -> tuple[int | None, ...]:
    found: list[int | None] = [await estimate(rpc, steps[0], sender)]
    for step in steps[1:]:
        try:
            found.append(await estimate(rpc, step, sender))
        except Reverted:
            found.append(None)  # perhaps only because an earlier step is missing
    return tuple(found)


async def estimate(rpc: Rpc, step: Draft, sender: str) -> int:
    """Return the gas limit that one transaction needs now; raise what refuses it."""
    try:
        return number(await rpc.request("eth_estimateGas", transaction(step, sender)))
    except NodeRefused as error:
        raise said(error, sender) from error


async def why(rpc: Rpc, step: Draft, sender: str, block: int) -> KeeperError:
    """Return why a transaction failed in a block, as far as the state after it tells."""
    try:
        await rpc.request("eth_call", transaction(step, sender), hex(block))
    except Reverted as error:
        return error
    return KeeperError(
        f"{step.key} failed in block {block}, and would pass now",
        "somebody else changed the state in between: try again",
    )


def said(error: NodeRefused, sender: str) -> KeeperError:
    """Return a node's refusal in a user's words."""
    if any(each in error.message.lower() for each in NO_MONEY):
        return KeeperError(f"{sender} cannot pay the value and the gas", "send it native coin")
    return error


def _is_unknown(error: NodeRefused) -> bool:
    text = error.message.lower()
    return error.code in NO_METHOD or any(each in text for each in NO_METHOD_WORDS)
