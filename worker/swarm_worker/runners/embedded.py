"""The `embedded` runner for rehearsals: a real amplifier-core session in a child process, its provider offline."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import amplifier_swarm
import swarm_worker
from swarm_worker.runners.base import Runner, SessionPlan

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader


class EmbeddedRunner(Runner):
    """A runner that starts `python -m swarm_worker.embedded`."""

    name = "embedded"

    @property
    def needed_paths(self) -> Sequence[Path]:
        """The folders of our own packages, which need not be in the folder of the interpreter."""
        return tuple(
            dict.fromkeys(
                Path(package).parent for package in (*swarm_worker.__path__, *amplifier_swarm.__path__)
            )
        )

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
