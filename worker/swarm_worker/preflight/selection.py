"""The preflight: all that is looked at for the runner that was chosen, for a start and for `--check`.

Its one rule: it ends at the first failure, for a worker that claims and then fails tasks costs more.
"""

from collections.abc import Mapping
from pathlib import Path

import structlog

from swarm_worker.preflight.base import Preflight
from swarm_worker.runners.base import Runner

_log = structlog.get_logger()


def preflight_of(
    runner: Runner, *, project_root: Path, own: Mapping[str, str], env: Mapping[str, str]
) -> Preflight:
    """The one for that runner; those for others are not loaded."""
    kind: type[Preflight] = Preflight
    if runner.name == "amplifier-agent":
        from swarm_worker.preflight.agent import AgentPreflight  # noqa: PLC0415  # see above

        kind = AgentPreflight
    elif runner.name == "amplifier":
        from swarm_worker.preflight.cli import CliPreflight  # noqa: PLC0415  # see above

        kind = CliPreflight
    return kind(runner, project_root=project_root, own=own, env=env)
