"""The full screen of `watch` without a terminal: its keys, and its cells as lines of text."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from textual.pilot import Pilot

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Task
from support.operator import TOKEN, FakeOperator
from support.waiting import eventually
from swarmctl.api.connection import Connection
from swarmctl.tui.app import WatchApp
from swarmctl.tui.snapshot import Query, fetch_snapshot


@dataclass
class Screen:
    """The screen of a running app, and its keys."""

    app: WatchApp
    pilot: Pilot[None]

    def lines(self) -> list[str]:
        """Returns the cells, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def text(self) -> str:
        return "\n".join(self.lines())

    async def until(self, *texts: str) -> str:
        """Waits until all of these texts are on the screen."""
        await eventually(lambda: all(text in self.text() for text in texts), f"the screen shows {texts}")
        return self.text()

    async def until_notified(self, text: str) -> None:
        """Waits until a notification contains the text; on the screen it may be wrapped."""
        await eventually(
            lambda: any(text in said.message for said in self.app._notifications), f"it says {text}"
        )

    async def until_so(self, condition: Callable[[], object], what: str) -> None:
        await eventually(condition, what)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if char == " " else char for char in text))


@contextlib.asynccontextmanager
async def screen(operator: FakeOperator, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Screen]:
    """Opens the screen on a server with canned answers."""
    connection = Connection(Endpoint(server=operator.address, token=TOKEN))
    try:
        app = WatchApp(connection.stub, fetch_snapshot(connection.stub, Query()), server="host:7433")
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Screen(app, pilot)
    finally:
        connection.close()


def pages(operator: FakeOperator, *tasks: Task) -> None:
    """Answers ListTasks as the server does: filtered by status, and by a part of id or name."""

    def page(request: wire.ListTasksRequest) -> wire.ListTasksResponse:
        found = [
            task
            for task in tasks
            if (not request.statuses or task.status in request.statuses)
            and (request.search in task.task_id or request.search in task.name)
        ]
        return wire.ListTasksResponse(tasks=found[: request.page_size or 100], total=len(found))

    operator.answers["ListTasks"] = page
