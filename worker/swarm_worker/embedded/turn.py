"""Runs the one turn of this process, and obeys signals meanwhile.

SIGTERM and SIGINT cancel the session at once; the process then ends by that signal, without an
envelope, as amplifier-agent does.
"""

import asyncio
import signal
import time
from types import FrameType
from typing import Final

from swarm_worker.embedded.envelope import Envelope
from swarm_worker.embedded.ndjson import NdjsonStream
from swarm_worker.embedded.request import Request
from swarm_worker.embedded.session import EmbeddedSession, SessionFault, modules

# How long a cancelled session may take to end. Then an alarm that nothing catches ends the process,
# even out of a call that does not return.
CANCEL_S: Final = 1.0


def run(request: Request, stream: NdjsonStream, *, engine_version: str) -> Envelope:
    """The envelope of the turn. Does not return if a signal came."""
    begun_s = time.monotonic()
    reply, fault = "", None
    try:
        reply = asyncio.run(_turn(request, stream))
    except SessionFault as error:
        fault = error.fault
        stream.error(fault.code, fault.message, recoverable=False)
    return Envelope(
        request.session_id,
        engine_version,
        reply=reply,
        fault=fault,
        duration_ms=round((time.monotonic() - begun_s) * 1000),
        mode=request.mode,
    )


async def _turn(request: Request, stream: NdjsonStream) -> str:
    session = EmbeddedSession(request, modules(request, stream))
    stop = _Stop(session, asyncio.get_running_loop())
    for signum in (signal.SIGTERM, signal.SIGINT):
        # Not the loop's own way: that one waits for a loop that may be blocked.
        signal.signal(signum, stop.begin)
    try:
        return await session.run(request.prompt)
    finally:
        stop.finish()


class _Stop:
    """Ends the process by the signal that came, as soon as the session has let go."""

    def __init__(self, session: EmbeddedSession, loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._loop = loop
        self._signum: int | None = None
        self._cancelling: asyncio.Task[None] | None = None

    def begin(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler; the first signal decides."""
        if self._signum is not None:
            return
        self._signum = signum
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, CANCEL_S)
        self._loop.call_soon_threadsafe(self._cancel)

    def finish(self) -> None:
        """Does nothing if no signal came."""
        if self._signum is None:
            return
        signal.signal(self._signum, signal.SIG_DFL)
        signal.raise_signal(self._signum)

    def _cancel(self) -> None:
        self._cancelling = self._loop.create_task(self._session.cancel())
