"""A file that the kernel can't execute is recognised without starting it, and its interpreter is named."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from swarm_worker.runners import executables
from swarm_worker.runners.executables import exec_fault


def _write(folder: Path, content: bytes, name: str = "agent") -> Path:
    file = folder / name
    file.write_bytes(content)
    file.chmod(0o755)
    return file


def _fault(folder: Path, content: bytes, *, path: str = "/usr/bin:/bin") -> str:
    fault = exec_fault(_write(folder, content), cwd=folder, path=path)
    return "" if fault is None else f"{fault.text}; {fault.hint}"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"#!/bin/sh\r\nexit 0\r\n", r"'/bin/sh\r' instead of '/bin/sh'"),
        (b"#!/bin/sh -e\r\nexit 0\r\n", r"'/bin/sh -e\r'"),
        (b"#!/usr/bin/env python3\r\nprint()\r\n", "sed -i"),
        (b"#!/opt/none/python\nprint()\n", "the interpreter /opt/none/python of"),
        (b"#! /opt/none/python -u\n", "/opt/none/python"),
        (b"#!/etc/passwd\n", "is not executable"),
        (b"#!/usr/bin\n", "is not executable"),
        (b"#!/usr/bin/env no-such-node\n", "'no-such-node'"),
        (b"#!/usr/bin/env -S no-such-node --flag\n", "'no-such-node'"),
        (b"#!/usr/bin/env A=b no-such-node\n", "'no-such-node'"),
        (b"#!none/python\n", "none/python"),
        (b"#!\necho\n", "names no interpreter"),
        (b"#! \t\n", "names no interpreter"),
        (b"exit 0\n", "neither a binary nor a script"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "neither a binary nor a script"),
        (b"", "is empty"),
        (b"\x7fELF\x02\x02\x01garbage", "damaged or foreign"),
        (b"\x93\x00\xfe" + b"\0" * 300, "neither a binary"),
    ],
)
def test_a_file_that_can_not_be_executed_is_named_with_its_reason(
    tmp_path: Path, content: bytes, named: str
) -> None:
    assert named in _fault(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\nexit 0\n",
        b"#!/bin/sh -e\r-like argument\n",
        b"#!/usr/bin/env sh\n",
        b"#! /bin/sh -e \n",
        b"#!/bin/sh",
    ],
)
def test_a_script_that_starts_has_no_fault(tmp_path: Path, content: bytes) -> None:
    assert _fault(tmp_path, content) == ""


def test_this_python_has_no_fault() -> None:
    assert exec_fault(Path(sys.executable), cwd=Path("/"), path="") is None


def test_a_script_s_interpreter_may_be_a_script_that_can_not_start(tmp_path: Path) -> None:
    inner = _write(tmp_path, b"#!/opt/none/inner\n", "inner")

    assert "/opt/none/inner" in _fault(tmp_path, f"#!{inner}\n".encode())


def test_a_relative_interpreter_is_found_from_the_project_root(tmp_path: Path) -> None:
    _write(tmp_path, b"#!/bin/sh\n", "run")

    assert _fault(tmp_path, b"#!./run\n") == ""


def test_a_binary_for_another_processor_is_named(tmp_path: Path) -> None:
    head = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    struct.pack_into("=H", head, 18, 243)

    assert "another processor" in _fault(tmp_path, bytes(head))


def test_a_binary_whose_loader_is_missing_is_named(tmp_path: Path) -> None:
    content = Path(sys.executable).resolve().read_bytes()
    start = content.index(b"/ld-")
    start = content.rindex(b"\0", 0, start) + 1 if b"\0" in content[:start] else 0
    changed = content[:start] + b"/opt/no" + content[start + 7 :]

    assert "the loader /opt/no" in _fault(tmp_path, changed)


def test_a_registered_format_has_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "binfmt").mkdir()
    (tmp_path / "binfmt" / "wasm").write_text(
        "enabled\ninterpreter /usr/bin/wasm\nflags: \noffset 0\nmagic 0061736d\n"
    )
    (tmp_path / "binfmt" / "jar").write_text("enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n")
    (tmp_path / "binfmt" / "register").write_text("")
    monkeypatch.setattr(executables, "BINFMT_MISC", tmp_path / "binfmt")

    assert _fault(tmp_path, b"\0asm\x01") == ""
    assert exec_fault(_write(tmp_path, b"PK", "a.jar"), cwd=tmp_path, path="") is None
    assert "neither" in _fault(tmp_path, b"PK")


@pytest.mark.parametrize("content", [b"#!/bin/sh\r\nexit 0\r\n", b"exit 0\n", b"", b"#!/opt/none/python\n"])
def test_the_kernel_agrees(tmp_path: Path, content: bytes) -> None:
    file = _write(tmp_path, content)

    with pytest.raises(OSError, match="agent"):
        subprocess.run([str(file)], check=False)
