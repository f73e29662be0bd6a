"""The application of `swarmctl watch`: passes the poller's messages to its screens.

Invariant: the application holds no state of the swarm. The next snapshot shows the effect of an action.
"""

from typing import ClassVar

from textual.app import App
from textual.binding import BindingType

from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.errors import explain
from swarmctl.tui.actions import TuiActions
from swarmctl.tui.overview_screen import OverviewScreen
from swarmctl.tui.poller import EventsSeen, Poller, PollerMessage, ReadFailed, SnapshotTaken
from swarmctl.tui.snapshot import SwarmSnapshot
from swarmctl.tui.task_screen import TaskScreen


class WatchApp(App[None]):
    """The application; its keys work on every screen."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        ("p", "pause", "Pause"),
        ("P", "resume", "Resume"),
        ("E", "stop", "STOP ALL"),
        ("q,ctrl+c", "quit", "Quit"),
    ]

    def __init__(self, stub: OperatorServiceStub, snapshot: SwarmSnapshot, *, server: str) -> None:
        super().__init__()
        self._stub = stub
        self._server = server
        self._seq = snapshot.swarm.last_event_seq
        self._poller = Poller(stub, self._post)
        self._actions = TuiActions(self, stub, server=server, done=self._poller.wake)
        self._overview = OverviewScreen(
            snapshot, self._actions, server=server, set_query=self._poller.set_query, open_=self._open_task
        )

    def on_mount(self) -> None:
        self.push_screen(self._overview)
        self._poller.start(last_seq=self._seq)

    def on_unmount(self) -> None:
        self._poller.stop()

    def action_pause(self) -> None:
        """Pauses the swarm."""
        self._actions.pause()

    def action_resume(self) -> None:
        """Ends every pause and stop."""
        self._actions.resume()

    def action_stop(self) -> None:
        """Runs the emergency stop."""
        self._actions.stop()

    def _post(self, message: PollerMessage) -> None:
        """Passes a message to the event loop; called from the poller's threads."""
        self.call_later(self._handle, message)

    def _handle(self, message: PollerMessage) -> None:
        match message:
            case SnapshotTaken(snapshot):
                self._overview.show_snapshot(snapshot)
            case EventsSeen(events):
                self._overview.add_events(events)
            case ReadFailed(error):
                self._overview.show_outage(explain(error, server=self._server).message)

    def _open_task(self, task_id: str) -> None:
        self.push_screen(TaskScreen(self._stub, task_id, self._actions))


def show(stub: OperatorServiceStub, snapshot: SwarmSnapshot, *, server: str) -> None:
    """Runs the full screen until the user leaves it."""
    WatchApp(stub, snapshot, server=server).run()
