"""Programs are found in the same way as exec finds them."""

import os
from pathlib import Path

import pytest

from amplifier_swarm.light_imports import find_program


def _file(path: Path, mode: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    path.chmod(mode)
    return path


def test_the_first_executable_file_on_path_is_found(tmp_path: Path) -> None:
    _file(tmp_path / "a" / "tool", 0o644)
    found = _file(tmp_path / "b" / "tool", 0o755)
    _file(tmp_path / "c" / "tool", 0o755)
    (tmp_path / "folders" / "tool").mkdir(parents=True)
    path = os.pathsep.join(str(tmp_path / name) for name in ("absent", "folders", "a", "b", "c"))

    assert find_program("tool", path=path) == str(found)
    assert find_program("other", path=path) is None


def test_a_name_with_a_slash_is_used_as_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = _file(tmp_path / "b" / "tool", 0o755)
    monkeypatch.chdir(tmp_path)

    assert find_program(str(tool), path="") == str(tool)
    assert find_program("./b/tool", path="") == "./b/tool"
    assert find_program("b/absent", path=str(tmp_path)) is None


def test_an_empty_path_has_no_programs_and_an_empty_entry_is_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path / "tool", 0o755)
    monkeypatch.chdir(tmp_path)

    assert find_program("tool", path="") is None
    assert find_program("tool", path="/absent:") == "./tool"
