"""The reports that a publisher knows: its own and its peers', the newest few of each signer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

from keepers.chain.signer import recover
from keepers.domain.publishing import Claim
from keepers.domain.reports import SignedReport, from_json, to_json
from keepers.errors import BadInput


class Board:
    """Reports by signer, each with a valid signature; readers may wait for the next change."""

    def __init__(self, separator: bytes, signers: tuple[str, ...], keep: int = 8) -> None:
        """Accept reports of these signers for this EIP-712 domain."""
        self._separator = separator
        self._signers = tuple(signer.lower() for signer in signers)
        self._keep = keep
        self._reports: dict[int, deque[SignedReport]] = {}
        self.claims: dict[int, int] = {}  # publish time by signer that says it has submitted
        self.version = 0
        self._changed = asyncio.Event()

    def add(self, signed: SignedReport) -> bool:
        """Keep a report if it is signed by its signer and newer than what is known of it."""
        newest = self._reports.get(signed.signer)
        if newest and newest[-1].report.publish_time >= signed.report.publish_time:
            return False
        if signed.signer >= len(self._signers):
            return False
        found = recover(signed, self._separator)
        if found is None or found.lower() != self._signers[signed.signer]:
            return False
        self._reports.setdefault(signed.signer, deque(maxlen=self._keep)).append(signed)
        self._bump()
        return True

    def claim(self, claim: Claim) -> None:
        """Note a publisher's word that it has submitted."""
        if claim.publish_time > self.claims.get(claim.signer, 0):
            self.claims[claim.signer] = claim.publish_time
            self._bump()

    def claimed(self, publish_time: int, but: int) -> bool:
        """Return whether a publisher other than `but` says that it submitted this time or later."""
        return any(time >= publish_time for signer, time in self.claims.items() if signer != but)

    def reports(self) -> Iterator[SignedReport]:
        """Yield every report that is kept."""
        for kept in self._reports.values():
            yield from kept

    def _bump(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, after: int, wait_s: float) -> None:
        """Return when the version is above `after`, or when the time is over."""
        if self.version > after:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    def as_json(self, signer: int | None = None) -> dict[str, Any]:
        """Return what GET /reports answers; one signer's alone when given."""
        return {
            "version": self.version,
            "reports": [to_json(each) for each in self.reports() if signer in (None, each.signer)],
            "claims": [
                {"signer": each, "publish_time": time}
                for each, time in self.claims.items()
                if signer in (None, each)
            ],
        }

    def merge(self, answer: Any) -> int:
        """Take a peer's answer; return its version. Whatever is malformed or forged is left out."""
        try:
            reports, claims = list(answer["reports"]), list(answer["claims"])
            version = int(answer["version"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("a peer's answer is no list of reports") from error
        for raw in reports:
            self.add(from_json(raw))
        for raw in claims:
            self.claim(Claim(int(raw["signer"]), int(raw["publish_time"])))
        return version
