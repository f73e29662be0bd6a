"""Settings are read alike with and without argparse, which an idle daemon does not load."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from amplifier_swarm import settings
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.settings import read_settings, setting

PLAIN: list[list[str]] = [
    [],
    ["--name", "a"],
    ["--name=a"],
    ["--name="],
    ["--name", ""],
    ["--name=a=b", "--name", "c"],
    ["--name=-x"],
    ["--name=--on"],
    ["--on"],
    ["--on", "--label", "a", "--label=b"],
]
OTHERS: list[list[str]] = [
    ["--on=true"],
    ["--name"],
    ["--name", "-x"],
    ["--name", "-1"],
    ["--name", "--on"],
    ["--nam", "a"],
    ["--unknown"],
    ["word"],
    ["--"],
    ["-n", "a"],
    ["--name", "a", "b"],
    ["--help"],
    ["--version"],
]


@dataclass(frozen=True)
class Flags:
    name: str = setting("", "a name")
    on: bool = setting(False, "a switch")
    label: tuple[str, ...] = setting((), "labels")


def _read(argv: list[str]) -> object:
    """Returns the settings, or how the program ends."""
    try:
        return read_settings(Flags, program="p", prefix="P", summary="s", version="1", argv=argv)
    except (ProgramExit, SystemExit) as end:
        return str(end)


@pytest.mark.parametrize("argv", [*PLAIN, *OTHERS], ids=" ".join)
def test_argparse_would_read_a_command_line_alike(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = _read(argv)
    monkeypatch.setattr(settings, "plain_flags", lambda *_, **__: None)

    assert found == _read(argv)


def test_a_plain_command_line_loads_neither_argparse_nor_uuid() -> None:
    code = """
import sys
from amplifier_swarm import light_imports
light_imports.load_structlog()
import swarm_worker.worker
from swarm_worker.config import read_config
read_config(["--server", "127.0.0.1:1", "--no-validation", "--slots=2"], version="1")
print(sorted({"argparse", "uuid", "platform"} & set(sys.modules)))
import structlog.threadlocal
print(len(structlog.threadlocal.uuid.uuid4().hex))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["[]", "32"]
