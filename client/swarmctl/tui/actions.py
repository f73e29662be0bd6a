"""Where orders are given: each asks first, is carried out beside the screen, and says what came of it."""

from collections.abc import Callable
from typing import Final

import grpc
from textual.app import App

from amplifier_swarm.documents.stops import StopReceipt, ordered
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.text import one_line
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api import stop_wait
from swarmctl.api.errors import explain
from swarmctl.tui import requests
from swarmctl.tui.confirm_dialog import ConfirmDialog
from swarmctl.tui.poller import background
from swarmctl.tui.stop_screen import StopScreen

CAUSE: Final = "why, for the log; may stay empty"
STOP_WORD: Final = "stop"
REQUEUE_WORD: Final = "requeue"
_MESSAGE_LIMIT: Final = 400


class TuiActions:
    """The orders that a person may give from the screen of one server."""

    def __init__(
        self, app: App[None], stub: OperatorServiceStub, *, server: str, done: Callable[[], None]
    ) -> None:
        """`done` is called, from any thread, when an order has been carried out."""
        self._app = app
        self._stub = stub
        self._server = server
        self._done = done

    def kill(self, task_id: str) -> None:
        """Ends a task for good."""
        ask = ConfirmDialog(
            f"Kill {task_id}?", ["It is never run again unless it is retried."], hint=CAUSE, yes="kill"
        )
        self._ask(ask, lambda cause: requests.kill(self._stub, task_id, cause=cause))

    def retry(self, task_id: str) -> None:
        """Gives a task a new start."""
        ask = ConfirmDialog(
            f"Retry {task_id}?", ["It gets full budgets again."], hint="Enter does it", yes="retry"
        )
        self._ask(ask, lambda _: requests.retry(self._stub, task_id))

    def pause(self) -> None:
        """Gives no more claims."""
        ask = ConfirmDialog(
            "Pause the swarm?", ["What runs goes on; nothing new starts."], hint=CAUSE, yes="pause"
        )
        self._ask(ask, lambda cause: requests.pause(self._stub, cause=cause))

    def resume(self) -> None:
        """Ends every pause and stop."""
        told = [f"Type {REQUEUE_WORD} to put back what stops and drains have ended."]
        ask = ConfirmDialog(
            "End the pause or the emergency stop?", told, hint=f"empty, or {REQUEUE_WORD}", yes="resume"
        )
        self._ask(ask, lambda typed: requests.resume(self._stub, requeue=typed == REQUEUE_WORD))

    def drain(self, worker: str) -> None:
        """Lets one worker, or all for an empty name, finish and exit."""
        told = ["It finishes what it runs, takes nothing more and exits."]
        ask = ConfirmDialog(
            f"Drain {worker or 'ALL workers'}?",
            told,
            hint="seconds until what still runs is killed; empty: it may end",
            yes="drain",
        )
        self._ask(ask, lambda deadline: requests.drain(self._stub, worker, deadline=deadline))

    def stop(self) -> None:
        """Ends every session."""
        told = [
            "Every session is killed, and nothing starts until it is resumed.",
            "What follows the word is the cause, for the log.",
        ]
        self._app.push_screen(ConfirmDialog("EMERGENCY STOP?", told, word=STOP_WORD), self._stop)

    def _stop(self, cause: str | None) -> None:
        if cause is not None:
            background("watch-order", lambda: self._try(lambda: self._carry_out_stop(cause)))

    def _carry_out_stop(self, cause: str) -> str:
        answer = requests.stop(self._stub, cause=cause)
        screen = StopScreen(ordered(answer))
        self._app.call_later(self._app.push_screen, screen)
        receipt: StopReceipt = stop_wait.proven(self._stub, answer)
        self._app.call_later(screen.show, receipt)
        return "stopped: nothing starts until P resumes"

    def _ask(self, ask: ConfirmDialog, order: Callable[[str], str]) -> None:
        def answered(typed: str | None) -> None:
            if typed is not None:
                background("watch-order", lambda: self._try(lambda: order(typed)))

        self._app.push_screen(ask, answered)

    def _try(self, order: Callable[[], str]) -> None:
        try:
            self._tell(order())
        except grpc.RpcError as error:
            self._tell(explain(error, server=self._server).line("refused"), bad=True)
        except ProgramExit as error:
            self._tell(error.line("refused"), bad=True)
        except ValueError:
            # gRPC's word for a connection that is closed: the screen has been left.
            return
        self._done()

    def _tell(self, text: str, *, bad: bool = False) -> None:
        said = one_line(text, _MESSAGE_LIMIT)
        severity = "error" if bad else "information"
        self._app.call_later(self._app.notify, said, severity=severity, timeout=8, markup=False)
