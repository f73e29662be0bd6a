"""The output of one session: its log entries, its usage, and the tail that decides its result."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from amplifier_swarm.masking import LineMask, Mask
from swarm_worker.domain.model import LogKind, SessionLogLine, SessionStart, Usage
from swarm_worker.domain.ports import SessionReporter
from swarm_worker.output.lines import EVENT_BYTES, LineSplitter, Tail
from swarm_worker.runners.reader import WORKING, OutputReader

# The start of a longer reply is lost, so a longer envelope is unreadable.
REPLY_BYTES: Final = 1024 * 1024
LAST_CHARS: Final = 4_000
# What is stored of a prompt. A piece fits into a log entry in any language.
PROMPT_CHARS: Final = 64 * 1024
PIECE_CHARS: Final = 2_000


class SessionLog:
    """The log of one session, whose entries are numbered so that gaps are visible."""

    def __init__(self, reporter: SessionReporter, start: SessionStart, *, mask: Mask | None = None) -> None:
        self._reporter = reporter
        self._start = start
        self._mask = LineMask(mask)
        self._number = 0

    def write(self, entries: Sequence[SessionLogLine]) -> None:
        """Reports entries, with secrets masked."""
        for entry in entries:
            self._report(SessionLogLine(entry.kind, self._mask.text(entry.text)))

    def note(self, text: str) -> None:
        """Reports an entry of the worker itself."""
        self.write([SessionLogLine(LogKind.WORKER, text)])

    def prompt(self, text: str) -> None:
        """Reports the prompt of a turn in pieces."""
        # Masked as a whole first, so that no secret is cut in two.
        whole = self._mask.text(text)
        left_out = len(whole) - PROMPT_CHARS
        if left_out > 0:
            whole = f"{whole[:PROMPT_CHARS]}\n… {left_out:,} characters more are not stored"
        for piece in _pieces(whole):
            self._report(SessionLogLine(LogKind.PROMPT, piece))

    def _report(self, masked: SessionLogLine) -> None:
        self._number += 1
        self._reporter.report_log(self._start, masked, number=self._number)


class SessionOutput:
    """The sink of one session's output; implements `OutputSink` and `ProgressSink`."""

    def __init__(
        self,
        reader: OutputReader,
        *,
        log: SessionLog,
        reporter: SessionReporter,
        start: SessionStart,
        earlier_usage: Usage | None = None,
        progress_files: Sequence[Path] = (),
        on_working: Callable[[], None] = lambda: None,
    ) -> None:
        self._reader = reader
        self._log = log
        self._reporter = reporter
        self._start = start
        self._lines = (LineSplitter(), LineSplitter(EVENT_BYTES))
        self._progress_files = progress_files
        self._progress_lines: dict[Path, LineSplitter] = {}
        self._stdout = Tail(REPLY_BYTES)
        self._recent = Tail(4 * LAST_CHARS)
        self._earlier_usage = earlier_usage or Usage()
        self._usage = reader.usage
        self._on_working = on_working

    @property
    def reply(self) -> str:
        """Returns the end of standard output."""
        return self._stdout.text()

    @property
    def last_output(self) -> str:
        """Returns the last characters of standard output and standard error."""
        return self._recent.last_chars(LAST_CHARS)

    @property
    def stall_factor(self) -> float:
        """Returns the factor by which the stall limit is multiplied now."""
        return self._reader.stall_factor

    def stdout(self, chunk: bytes) -> None:
        """Processes a chunk of standard output."""
        self._stdout.append(chunk)
        self._recent.append(chunk)
        for line in self._lines[0].push(chunk):
            self._log.write(self._reader.stdout(line))

    def stderr(self, chunk: bytes) -> None:
        """Processes a chunk of standard error."""
        self._recent.append(chunk)
        for line in self._lines[1].push(chunk):
            self._log.write(self._reader.stderr(line))
        self._report_progress()

    @property
    def progress_files(self) -> Sequence[Path]:
        """Returns the progress files of the session and of its children."""
        return (*self._progress_files, *self._reader.progress_files)

    def progress(self, chunk: bytes, file: Path) -> None:
        """Processes a chunk of one of the session's progress files."""
        for line in self._progress_lines.setdefault(file, LineSplitter(EVENT_BYTES)).push(chunk):
            self._log.write(self._reader.progress(line, file))
        self._report_progress()

    def flush(self) -> None:
        """Processes unterminated lines; call it once, after the last chunk."""
        for line in self._lines[0].flush():
            self._log.write(self._reader.stdout(line))
        for line in self._lines[1].flush():
            self._log.write(self._reader.stderr(line))
        for file, lines in self._progress_lines.items():
            for line in lines.flush():
                self._log.write(self._reader.progress(line, file))
        self._log.write(self._reader.finish())
        self._report_progress()

    def _report_progress(self) -> None:
        if self._reader.stall_factor == WORKING:
            self._on_working()
        if self._reader.usage != self._usage:
            self._usage = self._reader.usage
            self._reporter.report_usage(self._start, self._earlier_usage.plus(self._usage))


def _pieces(text: str) -> Iterator[str]:
    """Yields the text in pieces of at most `PIECE_CHARS`, cut after a line end where there is one."""
    while text:
        end = text.rfind("\n", 0, PIECE_CHARS) + 1 if len(text) > PIECE_CHARS else len(text)
        end = end or PIECE_CHARS
        yield text[:end]
        text = text[end:]
