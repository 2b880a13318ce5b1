"""The reports that a publisher knows: its own and its peers', the newest few of each signer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from keepers.chain.signer import recover
from keepers.domain.publishing import Claim
from keepers.domain.reports import NOBODY, SEATS, SignedReport, from_json, to_json
from keepers.errors import BadInput


class Board:
    """Reports by signer, each with a valid signature; readers may wait for the next change."""

    def __init__(
        self,
        separator: bytes,
        signers: tuple[str, ...],
        keep: int = 8,
        own: int | None = None,
        now: Callable[[], int] | None = None,
    ) -> None:
        """Accept reports of these signers for this EIP-712 domain.

        Args:
            separator: of the domain.
            signers: by seat.
            keep: reports of each.
            own: this publisher's seat.
            now: chain time; a peer's claim of more than a second later is left out.
        """
        self._separator = separator
        self._signers = [signer.lower() for signer in signers]
        self._keep = keep
        self._own = own
        self._now = now
        self._reports: dict[int, deque[tuple[int, SignedReport]]] = {}  # with their versions
        self._claimed_at: dict[int, int] = {}  # version of each claim
        self.claims: dict[int, int] = {}  # publish time by signer that says it has submitted
        self.version = 0
        self.own_version = 0  # the version at which something of its own changed last
        self._changed = asyncio.Event()

    @property
    def seats(self) -> tuple[str, ...]:
        """Return who sits in every seat."""
        return tuple(self._signers)

    @property
    def signers(self) -> int:
        """Return how many are listed."""
        return sum(signer != NOBODY for signer in self._signers)

    def seat(self, index: int, signer: str) -> None:
        """Take a change of the list; what the seat's holder before has reported counts no more."""
        self._signers += [NOBODY] * (index + 1 - len(self._signers))
        if self._signers[index] != signer.lower():
            self._signers[index] = signer.lower()
            self._reports.pop(index, None)
            self.claims.pop(index, None)
            self._claimed_at.pop(index, None)

    def add(self, signed: SignedReport) -> bool:
        """Keep a report if it is signed by its signer and newer than what is known of it."""
        newest = self._reports.get(signed.signer)
        if newest and newest[-1][1].report.publish_time >= signed.report.publish_time:
            return False
        if signed.signer >= len(self._signers):
            return False
        found = recover(signed, self._separator)
        if found is None or found.lower() != self._signers[signed.signer]:
            return False
        kept = self._reports.setdefault(signed.signer, deque(maxlen=self._keep))
        kept.append((self.version + 1, signed))
        self._bump(signed.signer)
        return True

    def claim(self, claim: Claim) -> None:
        """Note a publisher's word that it has submitted."""
        if claim.publish_time > self.claims.get(claim.signer, 0):
            self.claims[claim.signer] = claim.publish_time
            self._claimed_at[claim.signer] = self.version + 1
            self._bump(claim.signer)

    def claimed(self, publish_time: int, but: int) -> bool:
        """Return whether a publisher other than `but` says that it submitted this time or later."""
        return any(time >= publish_time for signer, time in self.claims.items() if signer != but)

    def reports(self) -> Iterator[SignedReport]:
        """Yield every report that is kept."""
        for kept in self._reports.values():
            yield from (each for _, each in kept)

    def _bump(self, signer: int) -> None:
        self.version += 1
        if signer == self._own:
            self.own_version = self.version
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, after: int, wait_s: float, *, own: bool = False) -> None:
        """Return when the version (of its own things) is above `after`, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while (self.own_version if own else self.version) <= after:
                    await self._changed.wait()

    def as_json(self, signer: int | None = None, after: int = -1) -> dict[str, Any]:
        """Return what GET /reports answers.

        Args:
            signer: this one's alone.
            after: what is newer than this version alone.
        """
        chosen = self._reports if signer is None else {signer: self._reports.get(signer, ())}
        return {
            "version": self.version,
            "reports": [
                to_json(report)
                for kept in chosen.values()
                for version, report in kept
                if version > after
            ],
            "claims": [
                {"signer": each, "publish_time": time}
                for each, time in self.claims.items()
                if signer in (None, each) and self._claimed_at[each] > after
            ],
        }

    def own_json(self, after: int = -1) -> dict[str, Any]:
        """Return what is its own and newer than a version: what its peers want."""
        return self.as_json(-1 if self._own is None else self._own, after)

    def merge(self, answer: Any) -> int:
        """Take a peer's answer whole or not at all; return its version. Forgeries are left out."""
        try:
            reports = [from_json(each) for each in answer["reports"]]
            claims = [claim_of(each) for each in answer["claims"]]
            version = int(answer["version"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadInput("a peer's answer is no list of reports") from error
        for report in reports:
            self.add(report)
        for claim in claims:
            if self._now is None or claim.publish_time <= self._now() + 1:
                self.claim(claim)
        return version


def claim_of(raw: Any) -> Claim:
    """Read a peer's word, which nobody signs; one for no seat is refused."""
    claim = Claim(int(raw["signer"]), int(raw["publish_time"]))
    if not 0 <= claim.signer < SEATS:
        raise BadInput(f"a peer claims something for seat {claim.signer}")
    return claim
