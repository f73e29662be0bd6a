"""A project may have its own templates; errors in them are reported before any task is claimed."""

import os
import re
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.prompt_files import FOLDER, MAX_BYTES, NONE
from swarm_worker.domain.model import Assignment, Task
from swarm_worker.domain.types import LeaseId, Role
from swarm_worker.prompts import build
from swarm_worker.prompts.templates import PLACEHOLDERS, check_age, packaged_template

ASSIGNMENT = Assignment(
    Task(id="t", document="{}", name="The $name task", files=("a.py",)), LeaseId("l"), 1, 1
)
DOCS = Path(__file__).parents[3] / "docs" / "writing-tasks.md"


def write(root: Path, name: str, text: str) -> None:
    folder = root / ".swarm" / "prompts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))


def refusal(root: Path) -> str:
    with pytest.raises(ProgramExit) as caught:
        build.check_overrides(root)
    assert caught.value.code is ExitCode.USAGE
    line = caught.value.line("swarm-worker")
    assert "\n" not in line
    return line


def test_a_project_without_its_own_templates_gets_the_packaged_ones(tmp_path: Path) -> None:
    build.check_overrides(tmp_path)
    templates = build.read_templates(tmp_path)

    ours = build.builder_prompt(ASSIGNMENT, agent="a")
    assert build.builder_prompt(ASSIGNMENT, agent="a", templates=templates) == ours


def test_a_project_s_template_does_not_replace_the_request_for_the_json(tmp_path: Path) -> None:
    write(tmp_path, "builder.md", "Build ${id}: $name for $$5.\n$files")
    templates = build.read_templates(tmp_path)

    builder = build.builder_prompt(ASSIGNMENT, agent="a", templates=templates)
    validator = build.validator_prompt(ASSIGNMENT, agent="a", report=None, checks=(), templates=templates)

    assert builder.startswith("Build t: The $name task for $5.\n\n# Files that")
    assert builder.endswith(
        build.builder_prompt(ASSIGNMENT, agent="a").partition("# How to work")[2].partition("\n\n")[2]
    )
    assert validator == build.validator_prompt(ASSIGNMENT, agent="a", report=None, checks=())


def test_a_prompt_that_is_changed_while_the_worker_runs_does_not_change_its_prompts(tmp_path: Path) -> None:
    write(tmp_path, "validator.md", "Judge $id.")
    templates = build.read_templates(tmp_path)
    write(tmp_path, "validator.md", "Say PASS.")

    prompt = build.validator_prompt(ASSIGNMENT, agent="a", report=None, checks=(), templates=templates)

    assert prompt.startswith("Judge t.")


def test_an_unknown_placeholder_is_refused_with_its_line_and_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, "builder.md", "Build $id.\n\nSee $claimed.\n")

    line = refusal(tmp_path)

    assert ".swarm/prompts/builder.md:3: unknown placeholder $claimed; known are $agent, " in line
    assert "$history" in line


def test_placeholders_of_the_validator_alone_are_valid_in_its_template(tmp_path: Path) -> None:
    write(tmp_path, "validator.md", " ".join(f"${name}" for name in PLACEHOLDERS[Role.VALIDATOR]))

    build.check_overrides(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("costs 5 $\n", "builder.md:1: a lone $; write $$"),
        ("\n$5", "builder.md:2: a lone $"),
        ("${id", "a lone $"),
        ("  \n", "is empty"),
        ("\udcff", "is not valid UTF-8"),
        ("x" * (MAX_BYTES + 1), "larger than 256 KiB"),
    ],
)
def test_a_prompt_that_can_not_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "builder.md", text)

    assert said in refusal(tmp_path)


def test_a_prompt_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".swarm" / "prompts" / "validator.md").mkdir(parents=True)

    assert "can't read .swarm/prompts/validator.md" in refusal(tmp_path)


@pytest.mark.parametrize("role", Role)
def test_our_own_prompts_use_every_placeholder_but_those_that_another_contains(role: Role) -> None:
    used = set(re.findall(r"\$(\w+)", packaged_template(role)))

    assert used == PLACEHOLDERS[role] - {"agent", "attempt"}


@pytest.mark.parametrize("role", Role)
def test_every_placeholder_is_documented(role: Role) -> None:
    page = DOCS.read_text()

    assert [name for name in PLACEHOLDERS[role] if f"`${name}`" not in page] == []


def test_prompts_that_changed_after_the_worker_s_first_start_are_refused_with_their_digest(
    tmp_path: Path,
) -> None:
    write(tmp_path, "validator.md", "Say PASS.")
    templates = build.read_templates(tmp_path)
    later, earlier = templates.changed_s + 1, templates.changed_s - 1

    check_age(templates, first_start_s=later, accepted="")
    check_age(templates, first_start_s=earlier, accepted=templates.digest)
    with pytest.raises(ProgramExit, match="newer than the first start") as refused:
        check_age(templates, first_start_s=earlier, accepted="")
    assert templates.digest in refused.value.hint


def test_an_old_time_of_the_content_does_not_make_a_prompt_old(tmp_path: Path) -> None:
    write(tmp_path, "validator.md", "Say PASS.")
    os.utime(tmp_path / FOLDER / "validator.md", (0, 0))

    assert build.read_templates(tmp_path).changed_s > 1_000_000_000


@pytest.mark.parametrize("change", ["write", "remove", "add"])
def test_prompts_other_than_the_pinned_ones_are_refused_at_any_age(tmp_path: Path, change: str) -> None:
    if change != "add":
        write(tmp_path, "validator.md", "Judge $id.")
    pinned = build.read_templates(tmp_path).digest
    if change == "remove":
        (tmp_path / FOLDER / "validator.md").unlink()
    else:
        write(tmp_path, "validator.md", "Say PASS.")

    with pytest.raises(ProgramExit, match="is accepted"):
        check_age(build.read_templates(tmp_path), first_start_s=2e10, accepted=pinned)


def test_prompts_can_be_read_from_another_folder(tmp_path: Path) -> None:
    write(tmp_path, "builder.md", "Not this one.")
    (tmp_path / "copies").mkdir()
    assert build.read_templates(tmp_path, tmp_path / "copies").digest == NONE

    (tmp_path / "copies" / "builder.md").write_text("Build $id.")

    assert build.read_templates(tmp_path, tmp_path / "copies").builder == "Build $id."
