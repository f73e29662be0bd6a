"""A session of the library: a turn, and the further turns that its errors call for.

Invariant: the session is created or resumed under the id that the worker chose, so the id is known before the start.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from .envelope import Envelope, EnvelopeFault
from .errors import LibraryFault, fault_of
from .ids import library_id
from .life_sign import LifeSign
from .log_events import ProviderLog
from .ndjson import NdjsonStream
from .options import agent_options
from .recovery import Recovery
from .request import TurnRequest
from .signal_stop import SignalStop
from .turn_events import SessionSums, TurnEvents, TurnOutcome

# How long a cancelled turn may take to end, and a finished session to close.
CANCEL_S: Final = 3.0
CLOSE_S: Final = 5.0
# The worker reads a longer envelope only in part; the end of a reply is what counts.
REPLY_CHARS: Final = 150_000


@dataclass(slots=True)
class LibrarySession:
    """A session that is run once; `log` knows the provider's last words."""

    library: Any
    request: TurnRequest
    stream: NdjsonStream
    log: ProviderLog
    sums: SessionSums = field(default_factory=SessionSums)
    _turn: Any = None
    _task: "asyncio.Task[Any] | None" = None
    _answered: bool = False
    _text: str = ""

    async def run(self, prompt: str) -> LibraryFault | None:
        """Runs the turn and those that must follow; returns the error that remains.

        After a signal, the function does not return: the process ends by that signal.
        """
        self._task = asyncio.current_task()
        stop = SignalStop(self._cancel, asyncio.get_running_loop(), cancel_s=CANCEL_S)
        stop.install()
        life = LifeSign(self.stream)
        signs = asyncio.create_task(life.run())
        try:
            return await self._run_turns(prompt, life, stop)
        except asyncio.CancelledError:
            stop.finish()
            raise
        except Exception as error:  # noqa: BLE001  # errors of the library's own code, whatever their type
            return fault_of(error)
        finally:
            stop.finish()
            signs.cancel()

    def envelope(self, fault: LibraryFault | None, *, version: str, begun_s: float) -> Envelope:
        """Returns the result of the session for the worker."""
        reply = self._text[-REPLY_CHARS:]
        more: dict[str, Any] = {
            "agentSessionId": library_id(self.request.session_id),
            "modelAnswered": self._answered,
        }
        if self.sums.cost is not None:
            more["costUsd"] = str(self.sums.cost)
        return Envelope(
            self.request.session_id,
            version,
            reply=reply,
            fault=None if fault is None else self._envelope_fault(fault),
            duration_ms=round((time.monotonic() - begun_s) * 1000),
            tokens_in=self.sums.tokens_in,
            tokens_out=self.sums.tokens_out,
            more=more,
        )

    def _envelope_fault(self, fault: LibraryFault) -> EnvelopeFault:
        more = {
            "retryable": fault.retryable,
            "answered": self._answered,
            "details": fault.details,
            "lastLog": self.log.last,
        }
        return EnvelopeFault(fault.code, fault.message, remediation=fault.remedy, more=more)

    async def _run_turns(self, prompt: str, life: LifeSign, stop: SignalStop) -> LibraryFault | None:
        request, library = self.request, self.library
        request.sessions.mkdir(parents=True, exist_ok=True)
        options = agent_options(library, role=request.role, root=request.root, sessions=request.sessions)
        agent = await library.create_agent(options)
        session = await self._open_session(agent)
        recovery, text = Recovery(request.waits_s), prompt
        while True:
            ended = await self._run_turn(session, text, life)
            self._answered = self._answered or ended.answered
            # An answer of a turn that failed must not count beside that of the turn after it.
            self._text = ended.text or self._text
            fault = ended.fault
            if fault is None or stop.is_asked:
                break
            further = recovery.after(fault, answered=self._answered, in_this_turn=ended.answered)
            self.stream.error(fault.code, self._said(fault), recoverable=further is not None)
            if further is None:
                break
            life.note_event(waits=True, is_reported=True)
            await asyncio.sleep(further.wait_s)
            text = further.prompt or prompt
        if not stop.is_asked:
            await close_within(CLOSE_S, session.close, agent.close)
        return fault

    async def _open_session(self, agent: Any) -> Any:
        name = library_id(self.request.session_id)
        if self.request.resumed:
            return await agent.resume_session(name)
        new = self.library.SessionOptions(session_id=name, persistence="durable")
        try:
            return await agent.create_session(new)
        except self.library.AgentError as error:
            if error.code != "already_exists":
                raise
        # A restored backup of the swarm gives ids again; the conversation of the former session must not count.
        await agent.delete_session(name)
        return await agent.create_session(new)

    async def _run_turn(self, session: Any, text: str, life: LifeSign) -> TurnOutcome:
        part = self.library.TextPart(text)
        events = TurnEvents(self.stream, life, self.sums)
        try:
            self._turn = await session.start_turn(self.library.TurnInput([part]))
            return await events.read(self._turn)
        except Exception as error:  # noqa: BLE001  # as in `run`; what was answered before must stay known
            return TurnOutcome("failure", fault=fault_of(error), answered=events.answered)
        finally:
            self._turn = None

    async def _cancel(self) -> None:
        """Ends the turn, or what is done before and between turns; see SignalStop for a cancel that hangs."""
        if self._turn is not None:
            await self._turn.cancel()
        elif self._task is not None:
            self._task.cancel()

    def _said(self, fault: LibraryFault) -> str:
        return f"{fault.text} ({self.log.last})" if self.log.last else fault.text


async def close_within(most_s: float, *closes: Callable[[], Any]) -> None:
    """Closes objects of the library in order, as far as the time allows; the process ends anyway."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(most_s):
            for close in closes:
                await close()
