"""The actions behind the keys: each asks for confirmation, runs in the background, and notifies the user."""

from collections.abc import Callable
from typing import Final

import grpc
from textual.app import App

from amplifier_swarm.documents.stops import StopReceipt, ordered
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.text import one_line, printable
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api import stop_wait
from swarmctl.api.errors import explain
from swarmctl.render.inbox import ANSWERED
from swarmctl.tui import requests
from swarmctl.tui.confirm_dialog import ConfirmDialog
from swarmctl.tui.poller import run_in_background
from swarmctl.tui.stop_screen import StopScreen

CAUSE: Final = "why, for the log; may stay empty"
STOP_WORD: Final = "stop"
REQUEUE_WORD: Final = "requeue"
_MESSAGE_LIMIT: Final = 400


class TuiActions:
    """The actions that change the swarm of one server."""

    def __init__(
        self, app: App[None], stub: OperatorServiceStub, *, server: str, done: Callable[[], None]
    ) -> None:
        """Creates the actions. `done` is called after each, from any thread."""
        self._app = app
        self._stub = stub
        self._server = server
        self._done = done

    def kill(self, task_id: str) -> None:
        """Kills a task after confirmation."""
        dialog = ConfirmDialog(
            f"Kill {task_id}?", ["It is never run again unless it is retried."], hint=CAUSE, yes="kill"
        )
        self._confirm(dialog, lambda cause: requests.kill(self._stub, task_id, cause=cause))

    def retry(self, task_id: str) -> None:
        """Retries a task after confirmation."""
        dialog = ConfirmDialog(
            f"Retry {task_id}?", ["It gets full budgets again."], hint="Enter does it", yes="retry"
        )
        self._confirm(dialog, lambda _: requests.retry(self._stub, task_id))

    def settle(self, task_id: str, hold: Hold) -> None:
        """Answers the question of a held task, or lets the task start, after confirmation."""
        text = printable(hold.text, newlines=True)
        if hold.kind == HoldKind.HOLD_KIND_APPROVAL:
            details = [text, "A reason rejects it: the task goes back to its builder."]
            hint = "empty approves it; a reason rejects it"
            dialog = ConfirmDialog(f"Approve {task_id}?", details, hint=hint, yes="approve or reject")
            self._confirm(dialog, lambda typed: requests.approve(self._stub, task_id, hold, reason=typed))
            return
        if hold.kind == HoldKind.HOLD_KIND_BUDGET:
            hint = "dollars to add to its cap, such as 2"
            dialog = ConfirmDialog(f"Raise the budget of {task_id}?", [text], hint=hint, yes="raise")
            self._confirm(dialog, lambda typed: requests.raise_budget(self._stub, task_id, add=typed))
            return
        if hold.kind not in ANSWERED:
            details = [text, "It may start again."]
            dialog = ConfirmDialog(f"Let {task_id} start?", details, hint="Enter does it", yes="let it start")
            self._confirm(dialog, lambda _: requests.unhold(self._stub, task_id))
            return
        options = [
            f"{number}  {one_line(option, _MESSAGE_LIMIT)}" for number, option in enumerate(hold.options, 1)
        ]
        hint = "the number of an option" if options else "the answer, for the next attempt"
        dialog = ConfirmDialog(f"Answer {task_id}?", [text, *options], hint=hint, yes="answer")
        self._confirm(dialog, lambda typed: requests.answer(self._stub, task_id, hold, typed=typed))

    def pause(self) -> None:
        """Pauses the swarm after confirmation."""
        dialog = ConfirmDialog(
            "Pause the swarm?", ["What runs goes on; nothing new starts."], hint=CAUSE, yes="pause"
        )
        self._confirm(dialog, lambda cause: requests.pause(self._stub, cause=cause))

    def resume(self) -> None:
        """Ends every pause and stop after confirmation."""
        details = [f"Type {REQUEUE_WORD} to put back what stops and drains have ended."]
        dialog = ConfirmDialog(
            "End the pause or the emergency stop?", details, hint=f"empty, or {REQUEUE_WORD}", yes="resume"
        )
        self._confirm(dialog, lambda typed: requests.resume(self._stub, requeue=typed == REQUEUE_WORD))

    def drain(self, worker: str) -> None:
        """Drains one worker, or all for an empty name, after confirmation."""
        details = ["It finishes what it runs, takes nothing more and exits."]
        dialog = ConfirmDialog(
            f"Drain {worker or 'ALL workers'}?",
            details,
            hint="seconds until what still runs is killed; empty: it may end",
            yes="drain",
        )
        self._confirm(dialog, lambda deadline: requests.drain(self._stub, worker, deadline=deadline))

    def stop(self) -> None:
        """Stops every session after the user has typed the word."""
        details = [
            "Every session is killed, and nothing starts until it is resumed.",
            "What follows the word is the cause, for the log.",
        ]
        self._app.push_screen(ConfirmDialog("EMERGENCY STOP?", details, word=STOP_WORD), self._stop)

    def _stop(self, cause: str | None) -> None:
        if cause is not None:
            run_in_background("watch-request", lambda: self._run(lambda: self._carry_out_stop(cause)))

    def _carry_out_stop(self, cause: str) -> str:
        answer = requests.stop(self._stub, cause=cause)
        screen = StopScreen(ordered(answer))
        self._app.call_later(self._app.push_screen, screen)
        receipt: StopReceipt = stop_wait.wait_for_receipts(self._stub, answer)
        self._app.call_later(screen.show, receipt)
        return "stopped: nothing starts until P resumes"

    def _confirm(self, dialog: ConfirmDialog, request: Callable[[str], str]) -> None:
        def answered(typed: str | None) -> None:
            if typed is not None:
                run_in_background("watch-request", lambda: self._run(lambda: request(typed)))

        self._app.push_screen(dialog, answered)

    def _run(self, request: Callable[[], str]) -> None:
        try:
            self._notify(request())
        except grpc.RpcError as error:
            self._notify(explain(error, server=self._server).line("refused"), failed=True)
        except ProgramExit as error:
            self._notify(error.line("refused"), failed=True)
        except ValueError:
            # gRPC raises ValueError for a closed connection: the user has left the screen.
            return
        self._done()

    def _notify(self, text: str, *, failed: bool = False) -> None:
        message = one_line(text, _MESSAGE_LIMIT)
        severity = "error" if failed else "information"
        self._app.call_later(self._app.notify, message, severity=severity, timeout=8, markup=False)
