"""The kill receipt of one run, from the first order to the guard's report."""

import time
from dataclasses import replace

from swarm_worker.domain.model import KillReceipt
from swarm_worker.guard.protocol import GuardReport


class KillReceiptBuilder:
    """A clock that starts with the first order, and the receipt that it goes into."""

    def __init__(self) -> None:
        self._ordered_at: float | None = None

    def start_clock(self) -> None:
        """Starts the clock at the first order; later orders do not restart it."""
        self._ordered_at = self._ordered_at or time.monotonic()

    def build(self, report: GuardReport) -> KillReceipt:
        """Returns the receipt. Its duration counts from the first order, or is the guard's own without an order."""
        return KillReceipt(
            containment=report.containment,
            processes_found=report.counts.found,
            terminated=report.counts.terminated,
            killed=report.counts.killed,
            survivors=report.counts.survivors,
            duration_s=self._duration_s(report.duration_s),
        )

    def of_orphans(self, receipt: KillReceipt) -> KillReceipt:
        """Returns the receipt for the orphans of a lost guard, with the duration from the first order."""
        return replace(receipt, duration_s=self._duration_s(receipt.duration_s))

    def _duration_s(self, own_s: float) -> float:
        return own_s if self._ordered_at is None else time.monotonic() - self._ordered_at
