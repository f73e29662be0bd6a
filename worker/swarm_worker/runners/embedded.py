"""The `embedded` runner for rehearsals: a real amplifier-core session in a child process, its provider offline."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from swarm_worker.runners.base import Runner, SessionPlan

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader


class EmbeddedRunner(Runner):
    """A runner that starts `python -m swarm_worker.embedded`."""

    name = "embedded"

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        return (
            sys.executable,
            "-P",  # the project's own modules must not shadow ours
            "-m",
            "swarm_worker.embedded",
            "run",
            "--session-id",
            plan.session_id,
            "--fresh",
            "--cwd",
            str(plan.project_root),
            "--output",
            "json",
            "--display",
            "ndjson",
        )

    def reader(self, plan: SessionPlan) -> "OutputReader":
        from swarm_worker.runners.envelope import EnvelopeReader  # noqa: PLC0415  # see Runner.reader

        return EnvelopeReader(plan)
