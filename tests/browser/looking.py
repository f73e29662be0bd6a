"""Someone at the page: goes, reads, waits; and keeps what the browser complains of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

from support.dashboard import Dashboard
from support.waiting import until

# A server that is gone, on purpose, is no fault of the page.
_EXPECTED = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to", "status of 401")


@dataclass
class Looker:
    """A page of a dashboard."""

    page: Page
    dashboard: Dashboard
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", self._failed)

    def go(self, place: str) -> None:
        """Follows a link inside the page: nothing is loaded anew."""
        self.page.evaluate("place => { location.hash = place }", place)

    def row(self, task: str) -> Locator:
        """The row of a task in the list, or in the table of what runs."""
        return self.page.locator(f'[data-task="{task}"]').first

    def shows(self, task: str, status: str) -> None:
        """Waits until the row of the task has that status."""
        expect(self.row(task).locator(".status")).to_have_text(status)

    def tasks(self) -> Sequence[str]:
        """The tasks of the list, as they are drawn."""
        return [row.get_attribute("data-task") or "" for row in self.page.locator(".trow[data-task]").all()]

    def events(self) -> Sequence[int]:
        """The numbers of the events that are shown, the newest first."""
        found: list[str] = self.page.locator("[data-seq]").evaluate_all(
            "all => all.map(one => one.dataset.seq)"
        )
        return [int(seq) for seq in found]

    def mark(self) -> None:
        """Leaves a mark that would be gone after a reload."""
        self.page.evaluate("() => { window.marked = true }")

    def was_reloaded(self) -> bool:
        """Whether the mark is gone."""
        return not self.page.evaluate("() => window.marked === true")

    def until(self, script: str, what: str) -> None:
        """Waits until a script says yes."""
        until(lambda: bool(self.page.evaluate(script)), what)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(word in message.text for word in _EXPECTED):
            self.complaints.append(message.text)

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))
