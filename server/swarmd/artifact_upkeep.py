"""The upkeep of artifacts: their limits from the settings, a look at the folder at start, and removal by age."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import structlog

from amplifier_swarm.background import in_background
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmd.config import ServerConfig
from swarmd.domain.artifacts import ArtifactLimits
from swarmd.domain.errors import StorageFailed, StorageFull
from swarmd.engine.attempts.artifacts import Artifacts, Upkeep

INTERVAL_S: Final = 3_600.0
MIB: Final = 1024 * 1024

_log = structlog.get_logger("swarmd")


def artifact_limits(config: ServerConfig) -> ArtifactLimits:
    """Returns the limits that the settings name."""
    return ArtifactLimits(
        file_bytes=config.artifact_file_limit * MIB,
        task_bytes=config.artifact_task_limit * MIB,
        total_bytes=config.artifact_total_limit * MIB,
        keep_s=config.artifact_days * 86_400.0,
    )


@contextlib.asynccontextmanager
async def run_upkeep(artifacts: Artifacts) -> AsyncIterator[None]:
    """Settles the folder of artifacts, and removes old artifacts every hour while the block runs.

    Raises:
        ProgramExit: the folder or the database can't be read or written.
    """
    try:
        _report(await artifacts.settle())
    except (OSError, StorageFull, StorageFailed) as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"the artifacts can't be looked through: {error}", hint="check the disk"
        ) from error
    async with in_background(_prune_periodically(artifacts)):
        yield


async def _prune_periodically(artifacts: Artifacts) -> None:
    while True:
        await asyncio.sleep(INTERVAL_S)
        try:
            _report(await artifacts.prune())
        except StorageFailed:
            # The server ends for this error, and reports it.
            return
        except (OSError, StorageFull) as error:
            _log.warning("removal of old artifacts postponed", why=str(error))


def _report(upkeep: Upkeep) -> None:
    if upkeep.expired or upkeep.removed:
        _log.info("removed artifacts", expired=upkeep.expired, contents=upkeep.removed)
    if upkeep.lost:
        _log.warning(
            "the contents of artifacts are missing",
            contents=upkeep.lost,
            hint="copy the folder of artifacts back beside the database; `swarmctl artifacts TASK` marks them as lost",
        )
