"""The token of clients and workers, and the places where it is found."""

import os
import stat
from pathlib import Path

from amplifier_swarm.exits import ExitCode, ProgramExit

TOKEN_PLACE = Path(".swarm") / "token"


def find_token(token_file: Path | None) -> str:
    """Returns the token: of the given file, else of $SWARM_TOKEN, else of `.swarm/token` here or in a parent.

    Raises:
        ProgramExit: There is no token, or other users may read its file.
    """
    if token_file is not None:
        return read_token(token_file)
    if token := os.environ.get("SWARM_TOKEN", "").strip():
        return token
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / TOKEN_PLACE).exists():
            return read_token(folder / TOKEN_PLACE)
    raise ProgramExit(
        ExitCode.UNAUTHENTICATED,
        "no token: neither --token-file nor SWARM_TOKEN is set, and there is no .swarm/token here or above",
        hint="run it where swarmd was started, or give --token-file",
    )


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
