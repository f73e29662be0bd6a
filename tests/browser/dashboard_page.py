"""A dashboard page in a browser: navigation, reading, waiting, and the browser's error messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

from support.dashboard import Dashboard
from support.waiting import until

# Messages about a server that a test has stopped.
_EXPECTED = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to", "status of 401")


@dataclass
class DashboardPage:
    """A page that is logged in to a dashboard."""

    page: Page
    dashboard: Dashboard
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._keep_message)
        self.page.on("pageerror", self._keep_error)

    def go(self, address: str) -> None:
        """Follows a link inside the page, without a reload."""
        self.page.evaluate("address => { location.hash = address }", address)

    def row(self, task: str) -> Locator:
        """Returns the row of a task in the list, or in the table of running tasks."""
        return self.page.locator(f'[data-task="{task}"]').first

    def shows(self, task: str, status: str) -> None:
        """Waits until the row of the task has that status."""
        expect(self.row(task).locator(".status")).to_have_text(status)

    def tasks(self) -> Sequence[str]:
        """Returns the ids of the tasks that the list shows."""
        return [row.get_attribute("data-task") or "" for row in self.page.locator(".trow[data-task]").all()]

    def events(self) -> Sequence[int]:
        """Returns the numbers of the events that are shown, the newest first."""
        found: list[str] = self.page.locator("[data-seq]").evaluate_all(
            "all => all.map(one => one.dataset.seq)"
        )
        return [int(seq) for seq in found]

    def mark(self) -> None:
        """Sets a mark that a reload removes."""
        self.page.evaluate("() => { window.marked = true }")

    def was_reloaded(self) -> bool:
        """Returns True if the mark is gone."""
        return not self.page.evaluate("() => window.marked === true")

    def until(self, script: str, what: str) -> None:
        """Waits until a script returns true."""
        until(lambda: bool(self.page.evaluate(script)), what)

    def _keep_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(word in message.text for word in _EXPECTED):
            self.errors.append(message.text)

    def _keep_error(self, error: Error) -> None:
        self.errors.append(str(error))
