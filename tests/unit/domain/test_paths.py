"""Paths and checks of tasks as models write them: refused, warned of, or taken."""

import pytest

from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.errors import InvalidTasks
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import TaskId
from swarmd.domain.paths import command_problem, command_warning, path_problem, path_warning
from swarmd.domain.plan import check_plan

NAMES = (
    "app/[id]/page.tsx",
    "app/[...slug]/page.tsx",
    "app/[[...slug]]/page.tsx",
    "app/(auth)/page.tsx",
    "app/@modal/x.tsx",
    "docs/read me.md",
    "./src//a.py",
    "src/",
    "a.py",
    "Makefile",
    "src/+page.svelte",
    "routes/$post.tsx",
    "routes/$.tsx",
    "src/[id=integer]/x.ts",
    ".github/workflows/ci.yml",
    ".gitignore",
    "a{b}.txt",
    "{slug}/x.py",
    "größe/ä.py",
    "C/x.c",
    "notes#1.md",
    "docs/1. Intro.md",
    "docs/01 - Intro.md",
    "New folder/a.txt",
    "a+b.txt",
    "a=b.txt",
    "x@2x.png",
    "d,e.txt",
    ".swarm/prompts/builder.md",
    "create.sql",
    "new.py",
    "c++/a.cpp",
    "a~b",
    "%20.txt",
    "lib/é́.py",
    "e.g. this.md",
    "(a)/b.py",
    "report (final)/a.md",
    "日本/語.py",
    "12:30 notes/a.md",
)
REFUSED = {
    "is a pattern": (
        "src/**/*.py",
        "*.py",
        "src/*",
        "a?.py",
        "src/{a,b}.py",
        "src/{1..3}.py",
        "**",
        "docs/*.md",
    ),
    "has backslashes": ("src\\auth.py", "\\\\server\\share", "a\\"),
    "begins with a drive": ("C:\\work\\x.py", "c:/work/x.py", "D:"),
    "names lines": (
        "src/app.py:10-42",
        "src/app.py:10",
        "a.py:10:4",
        "a.py:L10-L20",
        "a.py#L10",
        "a.py#L10-L20",
        "a.py#10",
        "Makefile:3",
    ),
    "names a part": ("tests/test_a.py::test_x", "src/a.py::Class"),
    "is a URL": ("https://example.org/a.py", "file://x/a.py", "git+ssh://x/y"),
    "has backquotes": ("`src/a.py`", "src/`a`.py"),
    "has a variable": ("$HOME/x.py", "${HOME}/x.py", "src/${NAME}.py", "$PWD"),
    "lies in .git": (".git/config", "sub/.git/hooks/x", ".GIT/config"),
    "lies in .swarm": (".swarm/token", ".swarm/swarm.db", "./.swarm/x"),
    "has a placeholder": ("src/<name>.py", "<file>"),
    "is a Markdown link": ("[a.py](src/a.py)",),
    "is in quotes": ("'src/a.py'", '"src/a.py"'),
    "has a blank at an end": (" src/a.py", "src/a.py ", "src/a.py\u00a0"),
    "has an ellipsis": ("src/...", ".../a.py"),
    "must be a relative path": ("/etc/passwd", "../a.py", "a/../../b", "~/a.py", "~root/a", "", "  "),
    "is the project itself": (".", "./", "./."),
}
ODD = (
    "src/new.py (new)",
    "src/a.py [new]",
    "src/a.py (lines 10-20)",
    "src/a.py # why",
    "src/a.py - new",
    "src/a.py — the model",
    "old.py -> new.py",
    "old.py → new.py",
    "src/a.py, src/b.py",
    "src/a.py; src/b.py",
    "src/a.py and src/b.py",
    "src/a.py lines 3-4",
    "- src/a.py",
    "new: src/a.py",
    "create src/a.py",
    "src/a.py:main",
    "src/a.py:main()",
    "a.py@main",
    "N/A",
    "none",
    "TBD",
)
CHECKS = (
    "pytest -q",
    "make test",
    "cd src && pytest",
    "test -f a.py",
    "[ -f a.py ]",
    "ruff check src/*.py",
    "echo $HOME",
    "! grep -q print a.py",
    "python -c 'import a'",
    "# first\npytest",
    "pytest tests/test_a.py::test_x",
    "sh -c 'exit 0'",
    "(cd a && make)",
    "curl http://x/",
    "grep -q 'a\\.b' x",
    "a.py --x",
    "npm run test:unit",
    "./check.sh",
    "git diff --exit-code HEAD -- a.py",
)
CHECKS_REFUSED = {
    "is in backquotes": ("`pytest -q`", " `make` "),
    "begins with a prompt": ("$ pytest", "> pytest", "% make"),
    "is only a comment": ("# run the tests", "# a\n# b\n", "\n#x"),
    "is a Markdown block": ("```sh\npytest\n```",),
    "is a URL": ("https://example.org/ci",),
}
CHECKS_ODD = (
    "pytest “tests/a.py”",
    "python C:\\work\\x.py",
    "pytest tests\\test_a.py",
    "cat a.py:10-42",
    "pytest -q (unit tests)",
)


def planned(task_id: str = "a", /, **lists: tuple[str, ...]) -> PlannedTask:
    definition = TaskDefinition(task_id=TaskId(task_id), **lists)  # type: ignore[arg-type]  # by name
    return PlannedTask(definition, TaskStatus.NOT_STARTED)


@pytest.mark.parametrize("text", NAMES)
def test_names_of_real_projects_are_taken_without_a_word(text: str) -> None:
    assert (path_problem(text), path_warning(text)) == (None, None)


@pytest.mark.parametrize(
    ("problem", "text"), [(why, text) for why, texts in REFUSED.items() for text in texts]
)
def test_a_text_that_can_not_name_a_file_is_refused_with_the_cause(problem: str, text: str) -> None:
    assert problem in (path_problem(text) or "taken")


@pytest.mark.parametrize("text", ODD)
def test_a_text_that_is_unlikely_to_name_a_file_is_warned_of(text: str) -> None:
    assert path_problem(text) is None
    assert path_warning(text) is not None


@pytest.mark.parametrize("text", CHECKS)
def test_commands_of_real_plans_are_taken_without_a_word(text: str) -> None:
    assert (command_problem(text), command_warning(text)) == (None, None)


@pytest.mark.parametrize(
    ("problem", "text"), [(why, text) for why, texts in CHECKS_REFUSED.items() for text in texts]
)
def test_a_text_that_can_not_be_a_check_is_refused_with_the_cause(problem: str, text: str) -> None:
    assert problem in (command_problem(text) or "taken")


@pytest.mark.parametrize("text", CHECKS_ODD)
def test_a_check_that_is_unlikely_to_work_is_warned_of(text: str) -> None:
    assert command_problem(text) is None
    assert command_warning(text) is not None


@pytest.mark.parametrize("field", ["files", "design_docs"])
def test_the_fault_names_the_entry(field: str) -> None:
    task = planned(**{field: ("a.py", "src/*.py")})

    with pytest.raises(InvalidTasks) as refused:
        check_plan([task], {})

    [fault] = refused.value.faults
    assert fault.place == f"tasks[0].{field}[1]"
    assert fault.message == f'{field}[1] "src/*.py" is a pattern; name each file'


def test_a_warning_names_the_entry() -> None:
    task = planned(files=("a.py (new)",), checks=("true", "cat a.py#L10"))

    warnings = check_plan([task], {}).warnings

    assert [warning.place for warning in warnings] == ["tasks[0].files[0]", "tasks[0].checks[1]"]


def test_warnings_are_bounded() -> None:
    tasks = [planned(f"t{i}", files=("a.py (new)",)) for i in range(2_000)]

    assert len(check_plan(tasks, {}).warnings) == 100


@pytest.mark.parametrize("text", ["a" * 65_536, "(" * 65_536, "\\" * 60_000, " (a" * 20_000, "a.b" * 20_000])
def test_long_texts_take_no_longer_than_short_ones_by_much(text: str) -> None:
    """A pattern that backtracks would hang until the test is ended by its timeout."""
    command_problem(text)
    command_warning(text)
    path_problem(text[:1_024])
    path_warning(text[:1_024])
