"""The files in which a program and its children report their progress while they run.

Invariant: a file counts from its end if it was there before the program, and from its start otherwise.
"""

import asyncio
from pathlib import Path
from typing import Final, Protocol

from swarm_worker.supervision.model import ProgressSink
from swarm_worker.supervision.pipes import FileTail, output_pacer
from swarm_worker.supervision.repeat_filter import RepeatFilter

# How often the files are read.
POLL_S: Final = 0.5
# After the end of a program at most this much of its files is read: 16 MiB, since one event can take a MiB.
END_PIECES: Final = 4_096


class OutputNote(Protocol):
    """A listener for signs of life."""

    def __call__(self, *, is_new: bool) -> None:
        """Notes a piece of output; `is_new` is False if it repeats what was written before."""


class ProgressFeed:
    """A reader of the files of one program, which the sink names as it learns of them."""

    def __init__(self, sink: ProgressSink, note_output: OutputNote) -> None:
        """Notes where the files end now, before the program starts."""
        self._sink = sink
        self._note_output = note_output
        self._tails = {file: FileTail(file) for file in sink.progress_files}
        self._repeats = {file: RepeatFilter() for file in self._tails}

    async def follow(self) -> None:
        """Reads what the program and its children report, until it is cancelled."""
        while True:
            if not await self._read_round(paced=True):
                await asyncio.sleep(POLL_S)

    async def read_rest(self) -> None:
        """Reads what was written at the very end, up to END_PIECES, without waiting for its turn."""
        left = END_PIECES
        while left > 0 and (pieces := await self._read_round(paced=False)):
            left -= pieces

    async def _read_round(self, *, paced: bool) -> int:
        """Reads a piece of each file, with a rest after each; returns how many files had more."""
        for file in self._sink.progress_files:
            if file not in self._tails:
                self._tails[file] = FileTail(file, from_start=True)
                self._repeats[file] = RepeatFilter()
        pieces = 0
        for file, tail in list(self._tails.items()):
            if self._read_piece(file, tail):
                pieces += 1
                await asyncio.sleep(output_pacer().delay_s() if paced else 0)
        return pieces

    def _read_piece(self, file: Path, tail: FileTail) -> bool:
        chunk = tail.read()
        if chunk:
            self._note_output(is_new=self._repeats[file].is_new(chunk))
            output_pacer().process(lambda piece: self._sink.progress(piece, file), chunk)
        return bool(chunk)
