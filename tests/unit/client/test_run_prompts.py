"""A run reads the project's own prompts once, and pins them for its workers."""

from pathlib import Path

import pytest

from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.prompt_files import NONE
from swarm_worker.prompts.templates import read_templates
from swarmctl.run.prompts import hand_down


def _write(project: Path, name: str, text: str) -> None:
    (project / ".swarm" / "prompts").mkdir(parents=True, exist_ok=True)
    (project / ".swarm" / "prompts" / name).write_text(text)


def test_the_copies_have_the_digest_that_the_worker_computes(tmp_path: Path) -> None:
    _write(tmp_path, "validator.md", "Judge $id.")
    _write(tmp_path, "builder.md", "Build $id.")

    _, folder, _, digest = hand_down(tmp_path, tmp_path / "copies")
    _write(tmp_path, "validator.md", "Say PASS.")

    templates = read_templates(tmp_path, Path(folder))
    assert templates.digest == digest
    assert templates.validator == "Judge $id."


def test_a_project_without_prompts_pins_that_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "validator.md").write_text("of an earlier run")

    flags = hand_down(tmp_path, tmp_path / "copies")

    assert flags == ("--prompts", str(tmp_path / "copies"), "--accept-prompts", NONE)
    assert read_templates(tmp_path, tmp_path / "copies").digest == NONE


def test_a_prompt_that_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".swarm" / "prompts" / "builder.md").mkdir(parents=True)

    with pytest.raises(ProgramExit, match="can't read or copy the prompts"):
        hand_down(tmp_path, tmp_path / "copies")
