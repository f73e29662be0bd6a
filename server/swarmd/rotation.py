"""Rotation without a restart: the operator's token file and the TLS files, which are read again when they change."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from amplifier_swarm.credentials import read_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.file_changes import FileChanges
from amplifier_swarm.state_paths import TOKEN
from swarmd.domain.errors import StorageFailed, StorageFull
from swarmd.domain.model import Role
from swarmd.engine.swarm import Swarm
from swarmd.listen import ServerTls
from swarmd.store import failpoint
from swarmd.store.file import durable_files

INTERVAL_S: Final = 1.0

_log: Final = structlog.get_logger("swarmd")


async def ensure_token(swarm: Swarm, path: Path) -> FileChanges:
    """Ensures that the token file holds an operator's token of this database; returns its changes from then on.

    Raises:
        ProgramExit: The file can't be read, or holds something else.
    """
    changes = FileChanges([path])
    if await asyncio.to_thread(path.exists):
        await import_token(swarm, path, flag="--token-file")
        return changes
    created = await swarm.db.write(partial(swarm.tokens.create, role=Role.OPERATOR, name=_name_of(path)))
    durable_files.make_folder(path.parent)
    failpoint.hit("token.before")
    durable_files.write(path, created.text + "\n")
    failpoint.hit("token.after")
    return FileChanges([path])


async def look_periodically(
    swarm: Swarm, token: FileChanges, tls: ServerTls | None, reload_tls: Callable[[], None]
) -> None:
    """Looks at the files once a second until it is cancelled; calls `reload_tls` when there is a new certificate."""
    [token_file] = token.paths
    while True:
        await asyncio.sleep(INTERVAL_S)
        try:
            if tls is not None and tls.poll(swarm.clock.wall_us()):
                reload_tls()
            if token.poll() and await asyncio.to_thread(token_file.exists):
                await import_token(swarm, token_file, flag="--token-file")
                _log.info(
                    "the token file has changed; its token is good too from now on", file=str(token_file)
                )
        except ProgramExit as error:
            _log.warning("the token file can't be used; the tokens stay as they are", why=error.message)
        except StorageFailed:
            # The server ends for this error, and reports it.
            return
        except StorageFull as error:
            _log.warning("the token file is read again when it changes next", why=error.message)
        except Exception:  # noqa: BLE001  # one failed round must not end the later ones
            _log.exception("files could not be read again")


def _name_of(path: Path) -> str:
    """Returns the name of the file's token, which stands beside its orders: of the usual file it is the operator's."""
    return "operator" if path.name == TOKEN else path.name


async def import_token(swarm: Swarm, path: Path, *, flag: str) -> None:
    """Makes the token of the file one of this database; a token that was revoked stays revoked.

    Raises:
        ProgramExit: The file can't be read, or holds something else.
    """
    token = read_token(path, variable="", warn=_log.warning)
    if not await swarm.db.write(partial(swarm.tokens.import_token, token=token, name=_name_of(path))):
        raise ProgramExit(
            ExitCode.USAGE,
            f"{path} does not hold a token of a swarm",
            hint=f"remove it or give another {flag}",
        )
