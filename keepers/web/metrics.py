"""What a keeper counts, in its own registry so that two keepers may share a process."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MILLISECONDS: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 250, 500, 1000, 2500)


class Metrics:
    """Counters of one keeper."""

    def __init__(self) -> None:
        """Make a registry with every metric at zero."""
        self.registry = CollectorRegistry()
        self.sent = self._counter("sent", "Transactions taken by a node", "kind")
        self.refused = self._counter("refused", "Actions refused when simulated or sent", "reason")
        self.outcome = self._counter("outcome", "How transactions ended", "state")
        self.replaced = self._counter("replaced", "Same-nonce replacements")
        self.gas_wei = self._counter("gas_wei", "Gas paid [wei]")
        self.income_usd = self._counter("income_usd", "Income booked on chain [USD]")
        self.heads = self._counter("heads", "Block headers seen")
        self.backfills = self._counter("backfills", "Gaps filled by range of blocks")
        self.rewinds = self._counter("rewinds", "Reorganisations followed")
        self.reconnects = self._counter("reconnects", "WebSocket reconnections")
        self.failures = self._counter("failures", "Failures that were survived", "where")
        self.reports = self._counter("reports", "Price reports", "source")
        self.deals = self._gauge("deals", "Liquidations in the journal")
        self.spent_wei = self._gauge("spent_wei", "Gas and reserves paid, all in all [wei]")
        self.earnings_usd = self._gauge("earnings_usd", "What liquidations came to [USD]", "part")
        self.accounts = self._gauge("accounts", "Accounts in the mirror")
        self.unhealthy = self._gauge("unhealthy", "Accounts under MM at the last scan")
        self.engaged = self._gauge("engaged", "Accounts that the engine of options answers for")
        self.expiring = self._gauge("expiring", "Series in their last half hour or without a price")
        self.expired_accounts = self._gauge(
            "expired_accounts", "Accounts with legs to be paid at a written price"
        )
        self.inventory = self._gauge("inventory_usd", "Held by the keeper's account [USD]", "kind")
        self.bids = self._gauge("bids", "Makers' orders that may be brought")
        self.bids_refused = self._counter(
            "bids_refused", "Makers' orders that were left out", "reason"
        )
        self.closed_usd = self._counter(
            "closed_usd", "What closes of own sending did to accounts [USD]", "what"
        )
        self.head_number = self._gauge("head", "Latest block")
        self.event_to_ack = self._histogram("event_to_ack_ms", "Event seen to transaction taken")
        self.scan_ms = self._histogram("scan_ms", "One scan of all accounts")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"plimsoll_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"plimsoll_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"plimsoll_{name}", text, buckets=MILLISECONDS, registry=self.registry)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
