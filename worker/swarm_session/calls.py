"""The calls by name, as programs, MCP tools and Amplifier tools share them."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from swarm_session.connection import call


class Answer(NamedTuple):
    """The answer of a person; `author` is empty if the person's token has no name."""

    text: str
    author: str


class FiledTask(NamedTuple):
    """A task that was filed; `held` if it waits for the approval of a person."""

    task_id: str
    held: bool


def report_progress(text: str, percent: int | None = None) -> None:
    """Says how far the session is; raises SessionError."""
    call("progress", text=text, percent=percent)


def ask(question: str, options: Sequence[str] = ()) -> Answer:
    """Asks a person, and returns the answer. The session ends in this call if nobody answers in time.

    Raises:
        SessionError: the question is refused.
    """
    answer = call("ask", text=question, options=list(options))
    return Answer(answer["answer"], answer["author"])


def file_task(
    name: str,
    description: str,
    *,
    acceptance_criteria: Sequence[str] = (),
    files: Sequence[str] = (),
    checks: Sequence[str] = (),
    dependencies: Sequence[str] = (),
) -> FiledTask:
    """Files work that is needed and is not part of this task; raises SessionError."""
    answer = call(
        "file_task",
        name=name,
        description=description,
        acceptance_criteria=list(acceptance_criteria),
        files=list(files),
        checks=list(checks),
        dependencies=list(dependencies),
    )
    return FiledTask(answer["task_id"], answer["held"])


def read_dependencies(task_id: str = "") -> "list[dict[str, Any]]":
    """Returns what came of the tasks on which this one depends, or of one of them; raises SessionError."""
    results: list[dict[str, Any]] = call("dependencies", task_id=task_id)["results"]
    return results


def add_artifact(path: str, name: str = "") -> str:
    """Stores a file for people under its name, by default its path in the workspace; returns its SHA-256.

    Raises:
        SessionError: it is not stored. OSError: the file can't be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  # Path.open is the same
        size = os.fstat(file.fileno()).st_size
        root = os.environ.get("SWARM_PROJECT_ROOT", ".")
        shown = name or os.path.relpath(os.path.realpath(path), os.path.realpath(root))
        stored: str = call("artifact", content=file, name=shown, size=size)["sha256"]
    return stored
