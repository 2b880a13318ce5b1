"""Surfaces that wait for their quorum: what was proposed, and who has signed it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import structlog

from keepers.chain.signer import recover_compact
from keepers.domain.reports import SIGNATURE_BYTES
from keepers.domain.surfaces import MAX_WORDS, digest
from keepers.errors import BadInput
from keepers.web.metrics import Metrics

log = structlog.get_logger()

KEPT: Final = 8  # proposals of each signer
MAX_WORD: Final = 2**256 - 1
TIMEOUT_S: Final = 2.0


@dataclass(slots=True)
class Proposal:
    """Words and the signatures under them."""

    proposer: int
    words: tuple[int, ...]
    signatures: dict[int, bytes] = field(default_factory=dict)

    @property
    def publish(self) -> int:
        """Return the newest publish time."""
        return max(word >> 192 & 2**32 - 1 for word in self.words)


class Proposals:
    """The newest proposals of each listed signer; every signature on them is a listed one's."""

    def __init__(self, separator: bytes, seats: Callable[[], tuple[str, ...]]) -> None:
        """Hold proposals for this EIP-712 domain; `seats` says who sits where now."""
        self._separator = separator
        self._seats = seats
        self._found: dict[bytes, Proposal] = {}

    def __iter__(self) -> Iterator[Proposal]:
        """Go through what is held."""
        return iter(list(self._found.values()))

    def message(self, words: tuple[int, ...]) -> bytes:
        """Return what is signed of these words."""
        return digest(words, self._separator)

    def offer(self, proposer: int, words: tuple[int, ...], seat: int, signature: bytes) -> bool:
        """Keep a signature if it is the seat's; a proposal begins with its proposer's own."""
        seats, message = self._seats(), self.message(words)
        known = self._found.get(message)
        if not 0 <= seat < len(seats) or (known is None and seat != proposer):
            return False
        if known is not None and seat in known.signatures:
            return False
        signer = recover_compact(signature, message)
        if signer is None or signer.lower() != seats[seat].lower():
            return False
        proposal = known or self._found.setdefault(message, Proposal(proposer, words))
        proposal.signatures[seat] = signature
        self._forget(proposal.proposer)
        return True

    def _forget(self, proposer: int) -> None:
        theirs = [(m, each) for m, each in self._found.items() if each.proposer == proposer]
        for message, _ in sorted(theirs, key=lambda each: -each[1].publish)[KEPT:]:
            del self._found[message]

    def signed(self, proposal: Proposal) -> dict[int, bytes]:
        """Return the signatures of those who still sit where they signed."""
        seats, message = self._seats(), self.message(proposal.words)
        return {
            seat: signature
            for seat, signature in proposal.signatures.items()
            if seat < len(seats)
            and (recover_compact(signature, message) or "").lower() == seats[seat].lower()
        }

    def as_json(self) -> dict[str, Any]:
        """Return what GET /surfaces answers."""
        return {
            "proposals": [
                {
                    "proposer": each.proposer,
                    "words": [hex(word) for word in each.words],
                    "signatures": {str(i): "0x" + s.hex() for i, s in each.signatures.items()},
                }
                for each in self
            ]
        }

    def merge(self, answer: Any) -> None:
        """Take a peer's answer. What is forged is left out.

        Raises:
            BadInput: it is no list of proposals.
        """
        try:
            for raw in list(answer["proposals"]):
                self._merge_one(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput("a peer's answer is no list of proposals") from error

    def _merge_one(self, raw: Any) -> None:
        proposer = int(raw["proposer"])
        words = tuple(int(str(word), 16) for word in raw["words"])
        if not 0 < len(words) <= MAX_WORDS or not all(0 <= word <= MAX_WORD for word in words):
            raise ValueError("words")
        signatures = {
            int(seat): bytes.fromhex(str(signature).removeprefix("0x"))
            for seat, signature in raw["signatures"].items()
        }
        if any(len(each) != SIGNATURE_BYTES for each in signatures.values()):
            raise ValueError("signatures")
        for seat in sorted(signatures, key=lambda each: each != proposer):
            self.offer(proposer, words, seat, signatures[seat])


async def follow(peer: str, proposals: Proposals, metrics: Metrics, every_s: float) -> None:
    """Ask one peer for its proposals again and again; an absent one is counted."""
    if not peer.startswith(("http://", "https://")):
        raise BadInput(f"{peer} is no HTTP address of a peer", "give --peer http://HOST:PORT")
    url = peer.rstrip("/") + "/surfaces"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            try:
                async with session.get(url) as response:
                    response.raise_for_status()
                    proposals.merge(_parsed(await response.read()))
            except (aiohttp.ClientError, TimeoutError, OSError, BadInput) as error:
                metrics.failures.labels("surfaces").inc()
                log.debug("no proposals of a peer", peer=peer, error=type(error).__name__)
            await asyncio.sleep(every_s)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError as error:
        raise BadInput("a peer's answer is no JSON") from error
