"""The reasons why the kernel can't execute a file, found by reading the file. Invariant: nothing is started.

The kernel itself reports a missing interpreter of a script as "No such file or directory", as if the script were
missing. A script whose interpreter exists can still fail, if its first line ends in a carriage return.
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.light_imports import find_program

# The kernel reads no more of a script's first line.
HEAD_BYTES: Final = 256
# The kernel's limit of scripts that are interpreters of scripts.
MAX_DEPTH: Final = 4
BINFMT_MISC: Final = Path("/proc/sys/fs/binfmt_misc")
PT_INTERP: Final = 3
# The machine that this Python was built for; its 64-bit and 32-bit programs run here.
_SELF: Final = Path("/proc/self/exe")
_LOADER_BYTES: Final = 4096
_RELATED_MACHINES: Final = {62: {3, 62}, 183: {40, 183}}


@dataclass(frozen=True, slots=True)
class ExecFault:
    """A reason why a file can't be executed, and what to do about it."""

    text: str
    hint: str


def exec_fault(file: Path, *, cwd: Path, path: str) -> ExecFault | None:
    """Returns why the kernel can't execute an existing file, or None if it seems to be able to.

    `cwd` is the folder that a relative interpreter is looked up from, `path` the PATH for `#!/usr/bin/env`.
    """
    return _fault(cwd / file, cwd, path, depth=0)


def start_fault(program: str, *, cwd: Path, path: str) -> ExecFault | None:
    """Returns why a program can't be executed, found on `path` or by its own path; None if nothing is known."""
    found = find_program(str(cwd / program) if os.sep in program else program, path=path)
    return None if found is None else exec_fault(Path(found), cwd=cwd, path=path)


def _fault(file: Path, cwd: Path, path: str, *, depth: int) -> ExecFault | None:
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except OSError:  # executable without being readable
        return None
    if head.startswith(b"#!"):
        return _script_fault(file, head, cwd, path, depth)
    if _is_registered(file, head):
        return None
    if head.startswith(b"\x7fELF"):
        return _elf_fault(file, head)
    if not head:
        return ExecFault(f"{file} is empty", "write the program, or pass another one")
    return ExecFault(
        f"{file} is neither a binary nor a script with a #! line",
        "begin it with the interpreter's path, as in #!/bin/sh",
    )


def _script_fault(file: Path, head: bytes, cwd: Path, path: str, depth: int) -> ExecFault | None:
    line = head[2:].split(b"\n", 1)[0].strip(b" \t")
    words = [os.fsdecode(word) for word in line.split()]
    if line.endswith(b"\r"):
        shown = os.fsdecode(line.rstrip(b"\r"))
        return ExecFault(
            f"{file} has Windows line ends, so that its interpreter reads {shown + chr(13)!r} instead of {shown!r}",
            f"run: sed -i 's/\\r$//' {file}",
        )
    if not words:
        return ExecFault(f"{file} names no interpreter after #!", "write its path, as in #!/bin/sh")
    interpreter = words[0]
    wanted = cwd / interpreter
    if not os.access(wanted, os.X_OK) or wanted.is_dir():
        what = "is not executable" if wanted.exists() else "does not exist"
        return ExecFault(
            f"the interpreter {interpreter} of {file} {what}", "install it, or correct the #! line"
        )
    if Path(interpreter).name == "env" and (name := _env_program(words[1:])):
        if find_program(name, path=path) is None:
            return ExecFault(
                f"the interpreter {name!r} of {file} is not on PATH", "install it, or correct the #! line"
            )
        return None
    return None if depth >= MAX_DEPTH else _fault(wanted, cwd, path, depth=depth + 1)


def _env_program(words: Sequence[str]) -> str:
    """Returns the program that `env` starts: the first word that is neither an option nor a variable."""
    return next((word for word in words if not word.startswith("-") and "=" not in word), "")


def _elf_fault(file: Path, head: bytes) -> ExecFault | None:
    machine, own = _machine(head), _machine(_head_of(_SELF))
    hint = "install the build for this machine"
    if machine is None:
        return ExecFault(f"{file} is a damaged or foreign ELF file", hint)
    if own is not None and machine not in _RELATED_MACHINES.get(own, {own}):
        return ExecFault(f"{file} is built for another processor (ELF machine {machine}, here {own})", hint)
    loader = _loader(file)
    if loader and not os.path.exists(loader):  # noqa: PTH110  # bytes of the file, which may be no text
        return ExecFault(f"the loader {os.fsdecode(loader)} of {file} does not exist", hint)
    return None


def _machine(head: bytes) -> int | None:
    """Returns the machine of an ELF header; None if the header is cut, or its byte order is not this machine's."""
    little = struct.pack("=H", 1)[0] == 1
    if len(head) < 52 or head[4] not in (1, 2) or head[5] != (1 if little else 2):
        return None
    machine: int = struct.unpack_from("=H", head, 18)[0]
    return machine


class _Layout(NamedTuple):
    """The places of fields in an ELF file of 64 or 32 bits."""

    word: str
    table: int
    counts: int
    offset: int
    length: int


_WIDE: Final = _Layout("=Q", table=32, counts=54, offset=8, length=32)
_NARROW: Final = _Layout("=I", table=28, counts=42, offset=4, length=16)


def _loader(file: Path) -> bytes:
    """Returns the dynamic loader that an ELF file names, empty if it names none."""
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
            layout = _WIDE if head[4] == 2 else _NARROW
            size, count = struct.unpack_from("=HH", head, layout.counts)
            opened.seek(_word(layout, head, layout.table))
            entries = opened.read(size * count)
            for at in range(0, len(entries), size or 1):
                if struct.unpack_from("=I", entries, at)[0] == PT_INTERP:
                    opened.seek(_word(layout, entries, at + layout.offset))
                    length = _word(layout, entries, at + layout.length)
                    return opened.read(min(length, _LOADER_BYTES)).rstrip(b"\0")
    except (OSError, struct.error, ValueError, OverflowError):  # a damaged table, which the kernel rejects
        return b""
    return b""


def _word(layout: _Layout, data: bytes, at: int) -> int:
    word: int = struct.unpack_from(layout.word, data, at)[0]
    return word


def _head_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(HEAD_BYTES)
    except OSError:
        return b""


def _is_registered(file: Path, head: bytes) -> bool:
    """Returns whether the administrator has registered an interpreter for such files (binfmt_misc)."""
    try:
        names = [entry for entry in BINFMT_MISC.iterdir() if entry.name not in ("register", "status")]
        entries = [name.read_text("ascii") for name in names]
    except OSError:
        return False
    return any(_matches(entry.splitlines(), file, head) for entry in entries)


def _matches(entry: Sequence[str], file: Path, head: bytes) -> bool:
    if not entry or entry[0] != "enabled":
        return False
    values = dict(line.split(" ", 1) for line in entry[1:] if " " in line)
    if "extension" in values:
        return file.name.endswith(values["extension"])
    magic = bytes.fromhex(values.get("magic", ""))
    mask = bytes.fromhex(values["mask"]) if "mask" in values else b"\xff" * len(magic)
    part = head[int(values.get("offset", "0")) :][: len(magic)]
    return (
        bool(magic)
        and len(part) == len(magic)
        and all((found ^ wanted) & bits == 0 for found, wanted, bits in zip(part, magic, mask, strict=True))
    )
