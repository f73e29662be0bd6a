"""The choice of the preflight for the chosen runner. Invariant: other runners' preflights are not imported."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from amplifier_swarm.vocabulary import RunnerName
from swarm_worker.domain.types import Role
from swarm_worker.preflight.base import Preflight
from swarm_worker.runners.base import Runner


def create_preflight(
    runner: Runner,
    *,
    project_root: Path,
    own: Mapping[str, str],
    env: Mapping[str, str],
    passed: Sequence[str] = (),
    roles: Sequence[Role] = tuple(Role),
) -> Preflight:
    """Returns the preflight for that runner; see Preflight."""
    kind: type[Preflight] = Preflight
    if runner.name == RunnerName.AMPLIFIER_AGENT:
        from swarm_worker.preflight.agent import AgentPreflight  # noqa: PLC0415  # see above

        kind = AgentPreflight
    elif runner.name == RunnerName.AMPLIFIER:
        from swarm_worker.preflight.cli import CliPreflight  # noqa: PLC0415  # see above

        kind = CliPreflight
    return kind(runner, project_root=project_root, own=own, env=env, passed=passed, roles=roles)
