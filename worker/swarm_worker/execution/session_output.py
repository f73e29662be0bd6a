"""Takes in what one session prints: its log entries, its usage, and as much as is needed to judge it."""

from collections.abc import Callable, Sequence
from typing import Final

from amplifier_swarm.masking import LineMask, Mask
from swarm_worker.domain.model import LogKind, SessionLogLine, SessionStart, Usage
from swarm_worker.domain.ports import SessionReporter
from swarm_worker.output.lines import LineSplitter, Tail
from swarm_worker.runners.reader import WORKING, OutputReader

# An envelope or a reply longer than this is no reply.
REPLY_BYTES: Final = 1024 * 1024
LAST_CHARS: Final = 4_000


class SessionLog:
    """The log of one session: numbers what is passed on, so that a gap shows."""

    def __init__(self, desk: SessionReporter, start: SessionStart, *, mask: Mask | None = None) -> None:
        self._desk = desk
        self._start = start
        self._mask = LineMask(mask)
        self._number = 0

    def write(self, entries: Sequence[SessionLogLine]) -> None:
        """Adds entries, without the secrets in them."""
        for entry in entries:
            self._number += 1
            shown = SessionLogLine(entry.kind, self._mask.text(entry.text))
            self._desk.log(self._start, shown, number=self._number)

    def note(self, text: str) -> None:
        """Adds a line by the worker itself."""
        self.write([SessionLogLine(LogKind.WORKER, text)])


class SessionOutput:
    """The sink of one session."""

    def __init__(
        self,
        reader: OutputReader,
        *,
        log: SessionLog,
        desk: SessionReporter,
        start: SessionStart,
        spent: Usage | None = None,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._reader = reader
        self._log = log
        self._desk = desk
        self._start = start
        self._lines = (LineSplitter(), LineSplitter(), LineSplitter())
        self._stdout = Tail(REPLY_BYTES)
        self._recent = Tail(4 * LAST_CHARS)
        self._spent = spent or Usage()  # by the turns before
        self._usage = reader.usage
        self._begun = begun

    @property
    def reply(self) -> str:
        """The end of standard output."""
        return self._stdout.text()

    @property
    def last(self) -> str:
        """The last of what was printed on either."""
        return self._recent.end(LAST_CHARS)

    @property
    def stall_factor(self) -> float:
        """How many times the stall limit it may be silent for now."""
        return self._reader.stall_factor

    def stdout(self, chunk: bytes) -> None:
        self._stdout.feed(chunk)
        self._recent.feed(chunk)
        for line in self._lines[0].feed(chunk):
            self._log.write(self._reader.stdout(line))

    def stderr(self, chunk: bytes) -> None:
        self._recent.feed(chunk)
        for line in self._lines[1].feed(chunk):
            self._log.write(self._reader.stderr(line))
        self._news()

    def feed(self, chunk: bytes) -> None:
        for line in self._lines[2].feed(chunk):
            self._log.write(self._reader.progress(line))
        self._news()

    def end(self) -> None:
        """Nothing more comes."""
        for line in self._lines[0].end():
            self._log.write(self._reader.stdout(line))
        for line in self._lines[1].end():
            self._log.write(self._reader.stderr(line))
        for line in self._lines[2].end():
            self._log.write(self._reader.progress(line))
        self._log.write(self._reader.finish())
        self._news()

    def _news(self) -> None:
        if self._reader.stall_factor == WORKING:
            self._begun()
        if self._reader.usage != self._usage:
            self._usage = self._reader.usage
            self._desk.use(self._start, self._spent.plus(self._usage))
