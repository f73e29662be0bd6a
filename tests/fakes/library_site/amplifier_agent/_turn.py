"""A turn: the answers of a played model, its calls in their order of events, and the turn's fault."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, NoReturn

from fakes.standin import tools
from fakes.standin.faults import AT_ONCE, PROVIDER_ERRORS, Fault, Faults
from fakes.standin.ledger import Ledger, started
from fakes.standin.play import (
    BROKEN,
    CHARS_PER_TOKEN,
    INPUT_PRICE,
    OUTPUT_PRICE,
    PRICED,
    PROSE,
    TRACEBACK,
    rejection,
)
from fakes.standin.script import VALIDATOR, Call, Scene, reply_of

from ._calls import resolve
from ._errors import AgentError
from ._options import Chosen
from ._records import (
    Event,
    Payload,
    TextPart,
    ToolCall,
    ToolResolution,
    TurnResult,
    Usage,
    UsageEntry,
)
from ._storage import SessionStore

REMARK = "I begin."
# The traps that end one turn of a session and leave the session usable.
ONCE = {
    Fault.OVERLOAD: AgentError(
        "provider_failed", "The provider request failed.", "Try later.", retryable=True
    ),
    Fault.NETWORK: AgentError(
        "provider_failed", "The provider request failed.", "Try later.", retryable=True
    ),
    Fault.NO_NUMBERS: AgentError("provider_failed", "The provider request failed.", retryable=True),
    Fault.BAD_ARGUMENTS: AgentError(
        "invalid_input", "'timeout' must be at most 120.", "Correct the arguments."
    ),
    Fault.UNOFFERED_TOOL: AgentError(
        "provider_failed", "The provider request failed.", details={"tool": "apply_patch"}
    ),
    Fault.UNKNOWN_OUTCOME: AgentError(
        "tool_recovery_blocked", "An earlier effect is unknown.", "Look first."
    ),
}
REFUSED = {
    Fault.AUTH: AgentError("provider_failed", "The provider request failed.", "Check the provider."),
    Fault.QUOTA: AgentError("provider_failed", "The provider request failed.", "Check the provider."),
    Fault.RATE_LIMIT: AgentError("provider_failed", "The provider request failed.", "Wait.", retryable=True),
    Fault.CONTEXT: AgentError("context_exceeded", "The context does not fit.", "Start a new session."),
    Fault.OTHER_MODEL: AgentError(
        "selector_rejected",
        "Another model answered.",
        "Configure the dated name.",
        details={"model": "claude-sonnet-5-2026-09-01"},
    ),
}
_log = logging.getLogger("amplifier_module_provider_anthropic")


class LibraryTurn:
    """A turn of a session, with one consumer of its events."""

    def __init__(
        self,
        chosen: Chosen,
        store: SessionStore,
        scene: Scene,
        faults: Faults,
        ledger: Ledger,
        *,
        run: int,
        resumed: bool,
    ) -> None:
        self._chosen, self._store, self._scene = chosen, store, scene
        self._faults, self._ledger, self._run = faults, ledger, run
        self._resumed = resumed
        self._fault = Fault(store.fault)
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._sequence = 0
        self._name = str(uuid.uuid4())
        self._consumed = False
        self._texts: list[str] = []
        # Tokens in, tokens out, cost; None for good after a request without numbers.
        self._sums: tuple[int, int, Decimal] | None = (0, 0, Decimal())
        self._task: asyncio.Task[None] | None = None
        self.ended = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run_turn())

    async def events(self) -> AsyncIterator[Event]:
        if self._consumed:
            raise AgentError("stream_already_consumed", "the events have a consumer", "Use that.")
        self._consumed = True
        while True:
            event = await self._queue.get()
            yield event
            self._queue.task_done()
            if event.type == "terminal":
                return

    async def cancel(self) -> None:
        if self._fault is Fault.CANCEL_HANGS:
            await asyncio.Event().wait()
        assert self._task is not None
        self._task.cancel()
        await self._task

    async def _run_turn(self) -> None:
        state, error = "success", None
        try:
            self._emit("turn_started", continuation="fresh", primary_actual=self._chosen.model)
            await self._play()
        except AgentError as failed:
            state, error = "failure", failed
        except asyncio.CancelledError:
            state, error = "cancelled", AgentError("turn_cancelled", "The turn was cancelled.")
        self._store.commit(state)
        self.ended = True
        content = [TextPart(text) for text in self._texts]
        self._queue.put_nowait(self._event("terminal", TurnResult(state, content, error, self._usage())))

    async def _play(self) -> None:
        await self._begin()
        if self._resumed and self._fault in (Fault.MISSING_VERDICT, Fault.PROSE_THEN_JSON, Fault.BROKEN_JSON):
            kept = self._fault is not Fault.PROSE_THEN_JSON
            await self._answer(self._final("") if kept else reply_of(self._scene, ""))
            return
        failed = ""
        while self._store.calls < len(self._scene.calls) and not failed:
            await self._trouble(self._store.calls)
            await self._answer(REMARK if self._fault in ONCE else "")
            failed = await self._call(self._scene.calls[self._store.calls])
            self._store.calls += 1
            if self._fault is Fault.TOOL_FAILURES:
                failed = ""
        await self._trouble(self._store.calls)
        if self._fault is not Fault.LIE:
            await self._answer(self._final(failed))

    async def _begin(self) -> None:
        if self._fault is Fault.SLOW_START:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), self._faults.slow_start_s)
        if self._fault in (Fault.SILENT, Fault.CANCEL_HANGS):
            await asyncio.Event().wait()
        if self._fault is Fault.NOISY:
            print("a module of the library prints to stdout")  # noqa: T201
            print(TRACEBACK, file=sys.stderr)  # noqa: T201
            # Threads of the real kernel outlive its session.
            threading.Thread(target=time.sleep, args=(600,)).start()
            _log.warning("an optional module was not found, going on")
        if self._fault is Fault.ORPHAN and not self._store.struck:
            self._store.struck = True
            pid = tools.leave_orphan(self._chosen.root)
            self._ledger.add(event="orphan", session=self._store.name, task="", pid=pid, born=started(pid))

    async def _trouble(self, number: int) -> None:
        late = number >= min(1, len(self._scene.calls))
        if late and self._fault is Fault.STALL:
            await asyncio.Event().wait()
        # A request begins: its model's numbers are unknown until the answer.
        self._emit("usage", snapshot=self._usage(is_open=True))
        await self._read_by_consumer()
        if late and self._fault is Fault.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)
        if late and self._fault is Fault.EXIT:
            _die()
        if self._fault in REFUSED and (late or self._fault in AT_ONCE):
            self._sums = None
            self._log_cause()
            raise REFUSED[self._fault]
        if late and self._fault in ONCE and not self._store.struck:
            self._store.struck = True
            # The answer with the wrong call came; a request that failed had none.
            if self._fault in (Fault.BAD_ARGUMENTS, Fault.UNOFFERED_TOOL, Fault.UNKNOWN_OUTCOME):
                self._count("")
            else:
                self._sums = None
                self._log_cause()
            self._emit("usage", snapshot=self._usage())
            raise ONCE[self._fault]

    async def _read_by_consumer(self) -> None:
        """Waits as a real request does, in which the consumer reads the events so far."""
        await self._queue.join()

    def _log_cause(self) -> None:
        if self._fault in PROVIDER_ERRORS:
            _log.warning(
                "[PROVIDER] Anthropic API error: %s", self._faults.message(self._fault).partition(": ")[2]
            )

    async def _answer(self, text: str) -> None:
        await asyncio.sleep(0)
        self._count(text)
        self._emit("usage", snapshot=self._usage())
        if text:
            self._texts.append(text)
            self._emit("reasoning_final", text="done")
            self._emit("output_delta", content=[TextPart(text)])

    def _count(self, text: str) -> None:
        came = 200 + sum(map(len, self._store.prompts)) // CHARS_PER_TOKEN
        went = 20 + len(text) // CHARS_PER_TOKEN
        cost = came * INPUT_PRICE + went * OUTPUT_PRICE
        if self._sums is None:
            return
        known = self._sums
        self._sums = (known[0] + came, known[1] + went, known[2] + cost)
        said = str(cost) if self._chosen.model in PRICED else None
        self._ledger.add(event="usage", session=self._store.name, task="", input=came, output=went, cost=said)

    def _usage(self, *, is_open: bool = False) -> Usage:
        entry = UsageEntry(self._chosen.provider, self._chosen.model)
        if self._sums is not None and not is_open:
            entry.tokens_in, entry.tokens_out, cost = self._sums
            entry.cost = {"USD": cost} if self._chosen.model in PRICED else None
        return Usage([entry])

    async def _call(self, call: Call) -> str:
        """Makes a call; returns the reason if it failed."""
        made = ToolCall(f"call_{self._store.calls}", call.tool, "built-in", dict(call.arguments))
        if self._chosen.tool(call.tool) is None:
            return ""  # not offered, so the model does not see it
        self._emit("tool_call", call=made)
        self._emit("approval_request", request=Payload(request_id="r", call_id=made.call_id))
        if self._chosen.approvals != "allow":
            raise AgentError("approval_unavailable", "nobody can approve", "Set a policy.")
        self._emit("approval_decision", resolution=Payload(request_id="r", decision="allow"))
        try:
            resolution = await resolve(made, self._chosen, fails=self._fault is Fault.TOOL_FAILURES)
        except asyncio.CancelledError:
            self._emit("tool_result", resolution=ToolResolution(made.call_id, "unknown"))
            raise
        self._emit("tool_result", resolution=resolution)
        return "" if resolution.outcome == "completed" else f"{call.tool} failed: {resolution.content}"

    def _final(self, failed: str) -> str:
        if self._fault is Fault.ERROR_REPLY:
            return "Error: the session was closed by the server"
        if self._fault in (Fault.MISSING_VERDICT, Fault.PROSE_THEN_JSON):
            return PROSE
        if self._fault is Fault.BROKEN_JSON:
            return BROKEN
        if self._fault is Fault.REJECT and self._scene.role == VALIDATOR:
            return rejection(self._run)
        return reply_of(self._scene, failed)

    def _emit(self, kind: str, **fields: Any) -> None:
        self._queue.put_nowait(self._event(kind, Payload(**fields)))

    def _event(self, kind: str, payload: Any) -> Event:
        self._sequence += 1
        return Event(self._store.name, self._name, self._sequence, kind, payload)


def _die() -> NoReturn:
    sys.stderr.write(TRACEBACK)
    sys.stderr.flush()
    os._exit(1)
