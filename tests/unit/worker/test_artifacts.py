"""The files of a workspace that an attempt leaves: what matches, and what no link or device can add."""

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from swarm_worker.domain.model import Assignment, Task
from swarm_worker.domain.types import LeaseId
from swarm_worker.execution.artifacts import upload_artifacts
from swarm_worker.workspace import artifacts as searching
from swarm_worker.workspace.artifacts import NotAFile, artifact_name, find_artifacts, open_artifact


def found(root: Path, *patterns: str) -> list[str]:
    return [artifact_name(path) for path in find_artifacts(root, patterns).paths]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with folders, links, a FIFO, and a secret beside it."""
    work = tmp_path / "work"
    for place in ("coverage.xml", "shots/1.png", "shots/2.txt", "shots/old/3.png", "app/[id]/page.tsx"):
        (work / place).parent.mkdir(parents=True, exist_ok=True)
        (work / place).write_text(place)
    (work / ".git").mkdir()
    (work / ".git" / "config").write_text("private")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.png").write_text("secret")
    (work / "out").symlink_to(tmp_path / "outside")
    (work / "shots" / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    os.mkfifo(work / "shots" / "fifo.png")
    return work


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("coverage.xml", ["coverage.xml"]),
        ("./coverage.xml", ["coverage.xml"]),
        ("*.xml", ["coverage.xml"]),
        ("shots/*.png", ["shots/1.png"]),
        ("shots/?.png", ["shots/1.png"]),
        ("shots/**", ["shots/1.png", "shots/2.txt", "shots/old/3.png"]),
        ("**/*.png", ["shots/1.png", "shots/old/3.png"]),
        ("shots/**/3.png", ["shots/old/3.png"]),
        ("app/[id]/page.tsx", ["app/[id]/page.tsx"]),
        ("s*/old/*", ["shots/old/3.png"]),
        ("shots", []),
        ("out/secret.png", []),
        ("out/*", []),
        ("*/secret.png", []),
        (".git/config", []),
        ("**/config", []),
        ("../outside/secret.png", []),
        ("shots/../../outside/secret.png", []),
    ],
)
def test_a_pattern_matches_regular_files_inside_the_workspace_alone(
    root: Path, pattern: str, names: list[str]
) -> None:
    assert found(root, pattern) == names
    assert find_artifacts(root, [pattern]).remarks == ([] if names else [f"no file matches {pattern}"])


def test_a_file_that_two_patterns_match_is_found_once(root: Path) -> None:
    assert found(root, "**", "coverage.xml").count("coverage.xml") == 1


@pytest.mark.parametrize("path", [("shots", "link.png"), ("shots", "fifo.png"), ("shots",)])
def test_only_a_regular_file_can_be_opened(root: Path, path: tuple[str, ...]) -> None:
    with pytest.raises(NotAFile), open_artifact(root, path):
        pass


def test_a_folder_that_has_become_a_link_is_not_entered(root: Path) -> None:
    with pytest.raises(OSError, match="out"), open_artifact(root, ("out", "secret.png")):
        pass


def test_bytes_that_are_not_utf8_are_written_as_escapes(root: Path) -> None:
    (root / os.fsdecode(b"shots/\xff\n.png")).write_text("odd")

    assert "shots/\\xff\n.png" in found(root, "shots/*.png")


def test_a_search_ends_at_its_limits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MAX_ENTRIES", 3)
    assert "write narrower patterns" in find_artifacts(root, ["**"]).remarks[0]

    monkeypatch.setattr(searching, "MAX_ENTRIES", 1_000)
    monkeypatch.setattr(searching, "MAX_FILES", 2)
    limited = find_artifacts(root, ["**"])
    assert len(limited.paths) == 2
    assert limited.remarks == ["5 files match; the first 2 are taken"]


class Sink:
    """A sink that keeps what it gets and refuses some names."""

    def __init__(self, *, refused: str = "", hangs: bool = False) -> None:
        self.stored: dict[str, bytes] = {}
        self._refused = refused
        self._hangs = hangs

    async def put_artifact(self, lease_id: LeaseId, name: str, file: BinaryIO, *, size: int) -> str:
        if self._hangs:
            await asyncio.Event().wait()
        if name == self._refused:
            return "no room"
        self.stored[name] = file.read(size)
        return ""


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def assignment(*patterns: str) -> Assignment:
    return Assignment(Task("t", "{}", artifacts=patterns), LeaseId("lease"), attempt=1, epoch=1)


async def test_a_refused_file_costs_a_line_and_the_others_are_uploaded(root: Path) -> None:
    sink, log = Sink(refused="coverage.xml"), Lines()

    await upload_artifacts(sink, assignment("coverage.xml", "shots/1.png"), root, log)

    assert sink.stored == {"shots/1.png": b"shots/1.png"}
    assert log.lines == [
        "artifact coverage.xml is not stored: no room",
        "artifacts stored: shots/1.png",
    ]


async def test_a_server_that_hangs_holds_the_attempt_for_a_limited_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_worker.execution.artifacts.UPLOADS_S", 0.0)
    log = Lines()

    await upload_artifacts(Sink(hangs=True), assignment("coverage.xml"), root, log)

    assert log.lines == ["the other artifacts are not stored: the uploads took more than 0 s"]


async def test_a_workspace_that_is_gone_costs_a_line(tmp_path: Path) -> None:
    log = Lines()

    await upload_artifacts(Sink(), assignment("coverage.xml"), tmp_path / "gone", log)

    assert log.lines == [f"no artifact is stored: {tmp_path / 'gone'}: No such file or directory"]
