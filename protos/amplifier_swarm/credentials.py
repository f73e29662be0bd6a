"""The token of clients and workers, and the places where it is found."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import PROJECT_FOLDER, TOKEN, states_from, working_folder


def find_token(token_file: Path | None, *, projects: Sequence[Path] = ()) -> str:
    """Returns the token: of the given file, else of $SWARM_TOKEN, else the one of the nearest project.

    Raises:
        ProgramExit: There is no token, or other users may read its file.
    """
    if token_file is not None:
        return read_token(token_file)
    if token := os.environ.get("SWARM_TOKEN", "").strip():
        return token
    if (file := discovered_token_file(projects)) is not None:
        return read_token(file)
    raise ProgramExit(
        ExitCode.UNAUTHENTICATED,
        "no token: neither --token-file nor SWARM_TOKEN is set, and no swarm was started here or above",
        hint="run it where swarmd was started, or give --token-file",
    )


def discovered_token_file(projects: Sequence[Path] = ()) -> Path | None:
    """Returns the token file of the project that the working directory lies in; None if there is none.

    `projects` are further places to look from. A token that lies in the project itself, where `--db` puts it
    on request, is found too.
    """
    for start in (working_folder(), *projects):
        for state in states_from(start):
            for file in (state.folder / TOKEN, state.project / PROJECT_FOLDER / TOKEN):
                with suppress(OSError):
                    if file.exists():
                        return file
    return None


def read_token(path: Path) -> str:
    """Returns the token in a file; raises ProgramExit unless only the owner may read the file."""
    try:
        with path.open(encoding="ascii", errors="strict") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read(4096).strip()
    except OSError as error:
        raise ProgramExit(
            ExitCode.UNAUTHENTICATED,
            f"can't read the token file {path}: {error.strerror}",
            hint="give --token-file",
        ) from error
    except UnicodeDecodeError as error:
        raise ProgramExit(
            ExitCode.UNAUTHENTICATED, f"{path} does not hold a token", hint="give --token-file"
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ProgramExit(
            ExitCode.UNAUTHENTICATED,
            f"the token file {path} may be read by others (mode {stat.S_IMODE(mode):04o})",
            hint=f"chmod 600 {path}",
        )
    if not token:
        raise ProgramExit(
            ExitCode.UNAUTHENTICATED, f"the token file {path} is empty", hint="give --token-file"
        )
    return token
