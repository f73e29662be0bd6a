"""The stand-ins for Amplifier's programs, installed into a folder for PATH."""

import shlex
import sys
from pathlib import Path

FAKES = Path(__file__).resolve().parents[1] / "fakes"
NAMES = ("amplifier", "amplifier-agent")


def install(folder: Path, python: str = sys.executable) -> Path:
    """Writes both programs into the folder, as scripts that run that Python; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        program = folder / name
        words = [python, "-S", "-E", str(FAKES / name)]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)
    return folder


def install_library(folder: Path, python: str = sys.executable) -> Path:
    """Writes a Python that has the stand-in of the library, and returns its path; other programs are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "library-python"
    path = f"{FAKES / 'library_site'}:{FAKES.parent}"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(path)} exec {shlex.quote(python)} -S "$@"\n')
    program.chmod(0o755)
    return program
