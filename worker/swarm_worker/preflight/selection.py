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
        kind = _agent_preflight(runner)
    elif runner.name == RunnerName.AMPLIFIER:
        from swarm_worker.preflight.cli import CliPreflight  # noqa: PLC0415  # see above

        kind = CliPreflight
    return kind(runner, project_root=project_root, own=own, env=env, passed=passed, roles=roles)


def _agent_preflight(runner: Runner) -> type[Preflight]:
    """Returns the preflight for the library, or for the older program."""
    from swarm_worker.runners.library import LibraryRunner  # noqa: PLC0415  # see above

    if isinstance(runner, LibraryRunner):
        from swarm_worker.preflight.library import LibraryPreflight  # noqa: PLC0415  # see above

        return LibraryPreflight
    from swarm_worker.preflight.agent import AgentPreflight  # noqa: PLC0415  # see above

    return AgentPreflight
