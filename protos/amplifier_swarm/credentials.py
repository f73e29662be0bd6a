"""The token of clients and workers, and the places where it is found."""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import PROJECT_FOLDER, TOKEN, states_from, working_folder
from amplifier_swarm.text import one_line
from amplifier_swarm.text_files import NotText, decode

VARIABLE: Final = "SWARM_TOKEN"
_MAX_BYTES: Final = 4096
_OTHERS_READ: Final = stat.S_IRWXO
_GROUP_READS: Final = stat.S_IRWXG
_JOIN: Final = "swt1_join_"


def _ignore(_warning: str) -> None:
    """Does nothing."""


def find_token(
    token_file: Path | None, *, projects: Sequence[Path] = (), warn: Callable[[str], None] = _ignore
) -> str:
    """Returns the token: of the given file, else of $SWARM_TOKEN, else the one of the nearest project.

    `warn` is called as by `read_token`.

    Raises:
        ProgramExit: There is no token, or other users may read its file.
    """
    if (file := token_file_in_use(token_file, projects=projects)) is not None:
        return read_token(file, warn=warn)
    if text := os.environ.get(VARIABLE, "").strip():
        return _parse(text, f"the variable {VARIABLE}")
    raise ProgramExit(
        ExitCode.UNAUTHENTICATED,
        "no token: neither --token-file nor SWARM_TOKEN is set, and no swarm was started here or above",
        hint="run it where swarmd was started, or give --token-file",
    )


def token_file_in_use(token_file: Path | None, *, projects: Sequence[Path] = ()) -> Path | None:
    """Returns the file that `find_token` reads; None if it takes the variable, or finds no token."""
    if token_file is not None:
        return token_file
    return None if os.environ.get(VARIABLE, "").strip() else discovered_token_file(projects)


def is_join_token(token: str) -> bool:
    """Returns whether a token is to be exchanged for a credential, and good for nothing else."""
    return token.startswith(_JOIN)


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


def read_token(path: Path, *, variable: str = VARIABLE, warn: Callable[[str], None] = _ignore) -> str:
    """Returns the token in a file; blank lines and lines that begin with `#` are skipped.

    Only the owner may read the file. A file that this user can't change, such as a mounted secret, may be
    readable by its group too; then `warn` is called with a sentence. `variable` is where the caller takes a token from
    instead; the hints name it.

    Raises:
        ProgramExit: The file can't be read, holds no token, or is readable by others.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            read_only = bool(os.fstatvfs(file.fileno()).f_flag & os.ST_RDONLY)
            data = file.read(_MAX_BYTES)
    except OSError as error:
        raise _unusable(f"can't read the token file {path}: {error.strerror}") from error
    _check_mode(path, found, changeable=found.st_uid == os.geteuid() and not read_only, variable=variable)
    if stat.S_ISREG(found.st_mode) and found.st_mode & _GROUP_READS:
        warn(f"the group {found.st_gid} can read the token file {path}, which this user can't change")
    try:
        text = decode(data)
    except NotText as error:
        raise _unusable(f"the token file {path} {error}", hint="write the token alone into it") from error
    return _parse(text, f"the token file {path}")


def _check_mode(path: Path, found: os.stat_result, *, changeable: bool, variable: str) -> None:
    forbidden = _OTHERS_READ | (_GROUP_READS if changeable else 0)
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & forbidden:
        return
    mode = stat.S_IMODE(found.st_mode)
    change = f"chmod 600 {path}" if changeable else "mount it with mode 0440 (Kubernetes: defaultMode)"
    raise _unusable(
        f"the token file {path} may be read by others (mode {mode:04o})",
        hint=f"{change}, or give the token in the variable {variable}" if variable else change,
    )


def _parse(text: str, source: str) -> str:
    """Returns the one token in a text; `source` begins the error."""
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise _unusable(f"{source} is empty", hint="write the token into it, or give --token-file")
    if len(found) > 1:
        raise _unusable(f"{source} holds {len(found)} lines", hint="keep the line of the token alone")
    [token] = found
    # gRPC's own error would show the token, so no such token gets there.
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise _unusable(
            f"{source} does not hold a token: it has a blank, or a character that is not ASCII",
            hint="write the token alone into it",
        )
    return token


def _unusable(message: str, *, hint: str = "give another --token-file") -> ProgramExit:
    return ProgramExit(ExitCode.UNAUTHENTICATED, one_line(message, 500), hint=hint)
