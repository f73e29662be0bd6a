"""The turn of this process, and the signals that end it.

SIGTERM and SIGINT cancel the session at once; the process then dies by that signal without an envelope, like
amplifier-agent.
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

# How long a cancelled session may take to end. After that, SIGALRM with its default action kills the process,
# even within a call that does not return.
CANCEL_S: Final = 1.0


def run(request: Request, stream: NdjsonStream, *, engine_version: str) -> Envelope:
    """Runs the turn and returns its envelope. After a signal, the function does not return."""
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
        # Not loop.add_signal_handler: its callback waits for the loop, which may be blocked.
        signal.signal(signum, stop.on_signal)
    try:
        return await session.run(request.prompt)
    finally:
        stop.finish()


class _Stop:
    """The stop of the process: it re-raises the received signal as soon as the session has ended."""

    def __init__(self, session: EmbeddedSession, loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._loop = loop
        self._signum: int | None = None
        self._cancelling: asyncio.Task[None] | None = None

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Handles a signal; later signals are ignored."""
        if self._signum is not None:
            return
        self._signum = signum
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, CANCEL_S)
        self._loop.call_soon_threadsafe(self._cancel)

    def finish(self) -> None:
        """Re-raises the received signal, if any."""
        if self._signum is None:
            return
        signal.signal(self._signum, signal.SIG_DFL)
        signal.raise_signal(self._signum)

    def _cancel(self) -> None:
        self._cancelling = self._loop.create_task(self._session.cancel())
