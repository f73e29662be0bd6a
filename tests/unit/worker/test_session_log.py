"""The log of a session: what is reported of its prompt."""

from dataclasses import dataclass, field
from typing import cast

from amplifier_swarm.masking import MASK
from swarm_worker.domain.model import LogKind, SessionLogLine, SessionStart
from swarm_worker.domain.ports import SessionReporter
from swarm_worker.domain.types import LeaseId, Role, SessionId
from swarm_worker.execution.session_output import PIECE_CHARS, PROMPT_CHARS, SessionLog


@dataclass
class _Heard:
    entries: list[SessionLogLine] = field(default_factory=list)

    def report_log(self, start: SessionStart, entry: SessionLogLine, *, number: int) -> None:
        assert number == len(self.entries) + 1
        self.entries.append(entry)


def _reported(prompt: str) -> list[SessionLogLine]:
    heard = _Heard()
    start = SessionStart(LeaseId("l"), SessionId("a-a1-builder-1"), Role.BUILDER, "command")
    SessionLog(cast(SessionReporter, heard), start).prompt(prompt)
    return heard.entries


def test_the_pieces_of_a_prompt_make_the_prompt_and_end_with_lines() -> None:
    prompt = "".join(f"line {number} of what is asked\n" for number in range(500)) + "x" * 3 * PIECE_CHARS

    pieces = _reported(prompt)

    assert "".join(piece.text for piece in pieces) == prompt
    assert {piece.kind for piece in pieces} == {LogKind.PROMPT}
    assert max(len(piece.text.encode()) for piece in pieces) <= PIECE_CHARS
    assert all(
        piece.text.endswith("\n") for piece in pieces if "line" in piece.text and "x" not in piece.text
    )


def test_a_secret_at_the_cut_of_two_pieces_is_masked() -> None:
    key = "sk-ant-" + "a" * 40

    pieces = _reported("-" * (PIECE_CHARS - 20) + f" {key} and more")

    assert "".join(piece.text for piece in pieces).endswith(f" {MASK} and more")


def test_of_a_prompt_without_end_the_beginning_is_kept_and_the_rest_is_counted() -> None:
    pieces = _reported("word\n" * PROMPT_CHARS)

    assert sum(len(piece.text) for piece in pieces) < PROMPT_CHARS + 100
    assert pieces[-1].text.endswith("… 262,144 characters more are not stored")
