"""The `embedded` runner: a real amplifier-core session in a child process, with an offline provider."""

import sys
from collections.abc import Sequence

from swarm_worker.runners.base import Reader, Runner, SessionPlan
from swarm_worker.runners.envelope import EnvelopeReader


class EmbeddedRunner(Runner):
    """Starts `python -m swarm_worker.embedded`."""

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

    def reader(self, plan: SessionPlan) -> Reader:
        return EnvelopeReader(plan)
