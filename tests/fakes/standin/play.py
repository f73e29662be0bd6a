"""A played turn of a session: the answers of a model, its tool calls, and the turn's fault.

Invariant: the usage in the ledger is exactly the usage that was reported.
"""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NoReturn, Protocol

from . import tools
from .faults import AT_ONCE, PROVIDER_ERRORS, Fault, Faults
from .ledger import Ledger, started
from .script import VALIDATOR, Call, Scene, reply_of

NO_PROVIDER = "Error: No providers available"
PROSE = "I looked at the work from all sides, and on the whole it seems fine to me."
BROKEN = '{"verdict": "PASS", "confidence": 0.9, "critical_issues": [{"file":'
TRACEBACK = """Traceback (most recent call last):
  File "engine.py", line 88, in _execute
    await provider.complete(request)
ConnectionResetError: [Errno 104] Connection reset by peer
"""
CHARS_PER_TOKEN = 4
PRICED = frozenset({"gpt-5.4", "claude-sonnet-5"})
INPUT_PRICE, OUTPUT_PRICE = Decimal("0.0000025"), Decimal("0.0000125")
# A hanging process exits after this time, even if no one kills it.
HANGS_S = 1200


class ProviderFailed(Exception):
    """An error of the provider, with the engine's text."""


class EngineDied(Exception):
    """An exit of the engine with code 1 and without output."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of an answer; without a price the cost is None."""

    input_tokens: int
    output_tokens: int
    cost: Decimal | None


class View(Protocol):
    """A listener to a running turn. `agent` is empty for the session itself."""

    def answered(self, text: str, usage: Usage, agent: str = "") -> None:
        """Handles an answer of the model."""

    def tool(self, call: Call, result: tools.Result, agent: str = "") -> None:
        """Handles a finished tool call."""

    def spawned(self, agent: str) -> None:
        """Handles the start of a delegated child."""

    def noise(self) -> None:
        """Writes lines that are not events."""


@dataclass(slots=True)
class Turn:
    """A turn of a session."""

    program: str
    session: str
    prompt: str
    root: Path
    scene: Scene
    faults: Faults
    ledger: Ledger
    model: str
    view: View
    # The fault of the turn that this one resumes.
    resumes: Fault | None = None
    allows: Callable[[str], bool] = lambda tool: True
    # Set from outside: the current answer is the last one.
    cancelled: bool = False
    fault: Fault = field(init=False)
    run_number: int = field(init=False)
    total: Decimal | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.run_number = self.ledger.runs(self.scene.task, self.scene.role)
        drawn = self.faults.draw(self.scene.task, self.scene.role, self.run_number)
        self.fault = drawn if self.resumes is None else self.resumes

    def run(self) -> str:
        """Returns the reply; raises, or never returns, if the fault demands that."""
        self._note(
            "start",
            program=self.program,
            role=self.scene.role,
            attempt=self.scene.attempt,
            run=self.run_number,
            fault=self.fault,
            resumed=self.resumes is not None,
            pid=os.getpid(),
            born=started(os.getpid()),
        )
        if self.resumes is not None:
            return self._repair()
        self._begin()
        return NO_PROVIDER if self.fault is Fault.LIE else self._play()

    def end(self, exit_code: int) -> int:
        """Records the end and returns the exit code."""
        self._note("end", exit_code=exit_code)
        return exit_code

    def _begin(self) -> None:
        if self.fault is Fault.SILENT:
            _hang()
        until_s = time.monotonic() + self.faults.slow_start_s
        while self.fault is Fault.SLOW_START and time.monotonic() < until_s:
            time.sleep(0.02)

    def _play(self) -> str:
        failed = ""
        for number, call in enumerate(self.scene.calls):
            self._trouble(number)
            self._answer("")
            if number == 0:
                self._besides()
            failed = self._call(call)
            if self.cancelled:
                return ""
            if failed and self.fault is not Fault.TOOL_FAILURES:
                break
        self._trouble(len(self.scene.calls))
        text = self._final("" if self.fault is Fault.TOOL_FAILURES else failed)
        self._answer(text)
        if not self.scene.calls:
            self._besides()
        return text

    def _repair(self) -> str:
        kept = self.fault in (Fault.MISSING_VERDICT, Fault.BROKEN_JSON)
        text = self._final("") if kept else reply_of(self.scene, "")
        self._answer(text)
        return text

    def _call(self, call: Call) -> str:
        """Makes a tool call; returns the reason if it failed."""
        if not self.allows(call.tool):
            return ""  # the mode keeps it from the model; nothing is seen of it
        if self.fault is Fault.TOOL_FAILURES:
            result = tools.Result(success=False, error="Access denied")
        else:
            result = tools.run(call, self.root)
        self.view.tool(call, result)
        return "" if result.success else f"{call.tool} failed: {result.error}"

    def _trouble(self, number: int) -> None:
        """Raises or exits if the fault ends the turn before the answer of that number."""
        if self.fault in PROVIDER_ERRORS and (self.fault in AT_ONCE or number >= self._late):
            raise ProviderFailed(f"RuntimeError: Execution failed: {self.faults.message(self.fault)}")
        if number < self._late:
            return
        if self.fault is Fault.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault is Fault.EXIT:
            sys.stderr.write(TRACEBACK)
            raise EngineDied
        if self.fault is Fault.STALL:
            _hang()

    @property
    def _late(self) -> int:
        """Returns the answer before which the fault strikes: the second, if there are two."""
        return min(1, len(self.scene.calls))

    def _besides(self) -> None:
        """Plays the fault's side effects after the first answer."""
        if self.fault is Fault.ORPHAN:
            pid = tools.leave_orphan(self.root)
            self._note("orphan", pid=pid, born=started(pid))
        if self.fault in (Fault.DELEGATE, Fault.LONG_CHILD):
            self._delegate()
        if self.fault is Fault.NOISY:
            self.view.noise()

    def _delegate(self) -> None:
        """Plays a delegated child in this process; its usage has its own id and no cost."""
        asked = Call("delegate", {"agent": "foundation:builder", "instruction": "Look around."})
        self.view.spawned("builder")
        self._answer("I look around.", agent="builder")
        end_s = time.monotonic() + (self.faults.child_s if self.fault is Fault.LONG_CHILD else 0)
        while time.monotonic() < end_s:
            time.sleep(0.2)
            self._answer(f"I still look around, {end_s - time.monotonic():.3f} left.", agent="builder")
        self.view.tool(Call("read_file", {"path": "."}), tools.Result(success=True), agent="builder")
        self._answer("There is not much.", agent="builder")
        self.view.tool(asked, tools.Result(success=True, output="There is not much."))

    def _answer(self, text: str, *, agent: str = "") -> None:
        came = 200 + len(self.prompt) // CHARS_PER_TOKEN
        went = 20 + len(text) // CHARS_PER_TOKEN
        priced = self.model in PRICED and not agent
        cost = came * INPUT_PRICE + went * OUTPUT_PRICE if priced else None
        self.total = self.total if cost is None else (self.total or Decimal()) + cost
        self.view.answered(text, Usage(came, went, cost), agent)
        said = None if cost is None else str(cost)
        self._note("usage", input=came, output=went, cost=said, agent=agent)

    def _final(self, failed: str) -> str:
        if self.fault is Fault.ERROR_REPLY:
            return "Error: the session was closed by the server"
        if self.fault in (Fault.MISSING_VERDICT, Fault.PROSE_THEN_JSON):
            return PROSE
        if self.fault is Fault.BROKEN_JSON:
            return BROKEN
        if self.fault is Fault.REJECT and self.scene.role == VALIDATOR:
            return rejection(self.run_number)
        return reply_of(self.scene, failed)

    def _note(self, event: str, **more: object) -> None:
        self.ledger.add(event=event, session=self.session, task=self.scene.task, **more)


def rejection(run: int) -> str:
    """Returns a FAIL verdict, with a different finding in each run."""
    issue = f'{{"file": "", "issue": "defect number {run + 1}", "severity": "critical"}}'
    return f'Not good enough.\n{{"verdict": "FAIL", "summary": "one defect", "critical_issues": [{issue}]}}'


def child_id(session: str, agent: str) -> str:
    """Returns the id of a delegated child, which does not contain its parent's id."""
    return f"{'0' * 16}-{hashlib.sha256(session.encode()).hexdigest()[:16]}_{agent}"


def _hang() -> NoReturn:
    end_s = time.monotonic() + HANGS_S
    while time.monotonic() < end_s:
        time.sleep(10)
    raise EngineDied
