"""The generated parts of the Python client are those of the protos and of its asyncio side."""

import subprocess
import sys
from pathlib import Path

from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from amplifier_swarm_client.types.reasons import BY_REASON
from contract.repository import GENERATED, ROOT


def test_the_committed_code_is_what_the_script_writes(tmp_path: Path) -> None:
    """If it is not: `make client`."""
    subprocess.run([sys.executable, ROOT / "scripts/python_client.py", tmp_path], cwd=ROOT, check=True)

    for folder in GENERATED:
        fresh = {path.name: path.read_text() for path in (tmp_path / folder.name).glob("*.py")}
        committed = {path.name: path.read_text() for path in folder.glob("*.py")}
        assert fresh == committed


def test_each_reason_has_an_exception() -> None:
    names = {
        value.name.removeprefix("ERROR_REASON_") for value in ErrorReason.DESCRIPTOR.values if value.number
    }

    assert BY_REASON.keys() == names
