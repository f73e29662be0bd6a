"""The end of a program by a signal: it cancels its session and then dies by that signal, without an envelope.

Invariant: the process ends within the given time, whatever the session does: the library's own cancel can hang.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType


class SignalStop:
    """The stop of the process: it re-raises the received signal as soon as the session has ended.

    After `cancel_s`, SIGALRM with its default action kills the process, even within a call that does not return.
    """

    def __init__(
        self,
        cancel: Callable[[], Coroutine[object, object, None]],
        loop: asyncio.AbstractEventLoop,
        *,
        cancel_s: float,
    ) -> None:
        self._cancel = cancel
        self._loop = loop
        self._cancel_s = cancel_s
        self._signum: int | None = None
        self._cancelling: asyncio.Task[None] | None = None

    @property
    def is_asked(self) -> bool:
        """Returns whether a signal has come."""
        return self._signum is not None

    def install(self) -> None:
        """Handles SIGTERM and SIGINT from now on."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            # Not loop.add_signal_handler: its callback waits for the loop, which may be blocked.
            signal.signal(signum, self.on_signal)

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Handles a signal; later signals are ignored."""
        if self._signum is not None:
            return
        self._signum = signum
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, self._cancel_s)
        self._loop.call_soon_threadsafe(self._start_cancel)

    def finish(self) -> None:
        """Re-raises the received signal, if any."""
        if self._signum is None:
            return
        signal.signal(self._signum, signal.SIG_DFL)
        signal.raise_signal(self._signum)

    def _start_cancel(self) -> None:
        self._cancelling = self._loop.create_task(self._cancel())
