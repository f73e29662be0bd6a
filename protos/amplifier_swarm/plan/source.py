"""The text of a task file: from a regular file or a pipe, in UTF-8, of a limited size."""

import codecs
import os
import re
import stat
import sys
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.text import printable

MAX_BYTES: Final = 32 * 1024 * 1024
UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# How a file begins that SQLite has written.
SQLITE_HEAD: Final = b"SQLite format 3\x00"
STDIN: Final = "-"
# The characters that YAML calls unprintable.
_UNPRINTABLE: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Source:
    """A text and its name in messages."""

    name: str
    text: str


def read_source(place: str) -> Source:
    """Returns the text of a file, or of stdin for `-`.

    Raises:
        ProgramExit: the file can't be read.
        PlanRefused: the file is too large, not a regular file, or not UTF-8.
    """
    name, data = read_data(place)
    return Source(name, _decoded(name, data))


def read_data(place: str) -> tuple[str, bytes]:
    """Returns the name of a file in messages, and its content; that of stdin for `-`.

    Raises:
        ProgramExit: the file can't be read.
        PlanRefused: the file is too large or not a regular file.
    """
    name = "<stdin>" if place == STDIN else printable(place)
    try:
        data = _read_stdin() if place == STDIN else _read_file(place, name)
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"can't read {name}: {error.strerror or error}", hint="check the path"
        ) from error
    if len(data) > MAX_BYTES:
        raise PlanRefused(
            name, [Fault(0, "", "", f"file larger than {MAX_BYTES // 1024**2} MiB; split the plan")]
        )
    return name, data


def _read_stdin() -> bytes:
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _read_file(path: str, name: str) -> bytes:
    # Without O_NONBLOCK, the open of a named pipe waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor is not a path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PlanRefused(name, [Fault(0, "", "", "not a regular file; give a file, or - for stdin")])
        return file.read(MAX_BYTES + 1)


def _decoded(name: str, data: bytes) -> str:
    if data.startswith(SQLITE_HEAD):
        problem = (
            "this looks like a database of SQLite; if the predecessor made it, add --from predecessor-db"
        )
        raise PlanRefused(name, [Fault(0, "", "", problem)])
    if data.startswith(UTF16_MARKS):
        raise PlanRefused(name, [Fault(0, "", "", "the file is UTF-16; save it as UTF-8")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"not valid UTF-8 at byte {error.start}; save the file as UTF-8"
        raise PlanRefused(name, [Fault(line, "", "", problem)]) from error


def check_printable(source: Source) -> None:
    """Raises PlanRefused if the text holds a character that YAML does not allow."""
    found = _UNPRINTABLE.search(source.text)
    if found is not None:
        line = source.text.count("\n", 0, found.start()) + 1
        problem = f"control character U+{ord(found[0]):04X} not allowed; remove it"
        raise PlanRefused(source.name, [Fault(line, "", "", problem)])
