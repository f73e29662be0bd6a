"""The program of `swarmctl watch`: gives its screens what the reader brings.

The rule: it holds no state of the swarm. What an order did is seen by the next look.
"""

from typing import ClassVar

from textual.app import App
from textual.binding import BindingType

from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.errors import explain
from swarmctl.tui.actions import TuiActions
from swarmctl.tui.overview_screen import OverviewScreen
from swarmctl.tui.poller import EventsSeen, News, Poller, ReadFailed, SnapshotTaken
from swarmctl.tui.snapshot import SwarmSnapshot
from swarmctl.tui.task_screen import TaskScreen


class WatchApp(App[None]):
    """Its keys work on every screen."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        ("p", "pause", "Pause"),
        ("P", "resume", "Resume"),
        ("E", "stop", "STOP ALL"),
        ("q,ctrl+c", "quit", "Quit"),
    ]

    def __init__(self, stub: OperatorServiceStub, look: SwarmSnapshot, *, server: str) -> None:
        super().__init__()
        self._stub = stub
        self._server = server
        self._seq = look.swarm.last_event_seq
        self._reader = Poller(stub, self._post)
        self._desk = TuiActions(self, stub, server=server, done=self._reader.wake)
        self._overview = OverviewScreen(
            look, self._desk, server=server, ask=self._reader.ask, open_=self._open_task
        )

    def on_mount(self) -> None:
        """See App."""
        self.push_screen(self._overview)
        self._reader.start(last_seq=self._seq)

    def on_unmount(self) -> None:
        """See App."""
        self._reader.stop()

    def action_pause(self) -> None:
        """Gives no more claims."""
        self._desk.pause()

    def action_resume(self) -> None:
        """Ends every pause and stop."""
        self._desk.resume()

    def action_stop(self) -> None:
        """The emergency stop."""
        self._desk.stop()

    def _post(self, news: News) -> None:
        """From the reader's threads."""
        self.call_later(self._take, news)

    def _take(self, news: News) -> None:
        match news:
            case SnapshotTaken(look):
                self._overview.see(look)
            case EventsSeen(events):
                self._overview.hear(events)
            case ReadFailed(error):
                self._overview.lose(explain(error, server=self._server).message)

    def _open_task(self, task_id: str) -> None:
        self.push_screen(TaskScreen(self._stub, task_id, kill=self._desk.kill, retry=self._desk.retry))


def show(stub: OperatorServiceStub, look: SwarmSnapshot, *, server: str) -> None:
    """Fills the terminal until the user has seen enough."""
    WatchApp(stub, look, server=server).run()
