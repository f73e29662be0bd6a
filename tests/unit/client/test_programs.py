"""The programs that `run` starts: modules of the current folder never run inside them."""

import subprocess
import sys
from pathlib import Path

import pytest

from swarmctl.programs import installed


def test_without_scripts_beside_the_interpreter_no_module_of_the_folder_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logging.py").write_text("raise SystemExit('a module of the project')\n")
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    programs = installed()
    monkeypatch.undo()

    for argv in (programs.swarmd, programs.worker):
        assert argv[0] == sys.executable
        done = subprocess.run([*argv, "--version"], check=False, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
