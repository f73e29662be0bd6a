"""The project's own prompts, read once per run and handed down to its workers.

Invariant: a prompt that a session writes during the run reaches no worker, also not one that is restarted.
"""

from collections.abc import Sequence
from pathlib import Path

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.prompt_files import FOLDER, MAX_BYTES, NAMES, digest_of
from swarmctl.atomic_file import replacing


def hand_down(project_root: Path, copies: Path) -> Sequence[str]:
    """Copies the project's prompts to the folder `copies`; returns the worker flags that name and pin them.

    Raises:
        ProgramExit: a prompt can't be read or copied.
    """
    try:
        files = {name: data for name in NAMES if (data := _read(project_root / FOLDER / name)) is not None}
        copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in NAMES:
            (copies / name).unlink(missing_ok=True)
        for name, data in files.items():
            with replacing(str(copies / name), mode=0o600) as copy:
                copy.write(data)
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"can't read or copy the prompts of {project_root / FOLDER}: {error.strerror}",
            hint="see who owns them, and their mode",
        ) from error  # fmt: skip
    return ("--prompts", str(copies), "--accept-prompts", digest_of(files))


def _read(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
