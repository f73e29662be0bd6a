"""Finds programs. Its one rule: without shutil, whose compressors are half a MiB that nothing else here needs."""

import os


def find_program(name: str, *, path: str) -> str | None:
    """The program of that name on `path`, or the one that the name itself is the place of; None if there is none."""
    folders = path.split(os.pathsep) if path else []
    places = [name] if os.sep in name else [f"{folder or os.curdir}/{name}" for folder in folders]
    return next(filter(_can_run, places), None)


def _can_run(file: str) -> bool:
    return os.access(file, os.X_OK) and not os.path.isdir(file)  # noqa: PTH112  # a name stays as it was given
