"""The screen of an emergency stop: its state by worker, until it is proven."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer, Static

from amplifier_swarm.documents.stops import StopReceipt
from swarmctl.render.blocks import Cell
from swarmctl.render.stops import stopped_blocks
from swarmctl.render.terminal import group
from swarmctl.tui.widgets import TextLines


class StopScreen(Screen[None]):
    """A screen with the receipts."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q", "app.pop_screen", "Back")]

    def __init__(self, receipt: StopReceipt) -> None:
        super().__init__()
        self._receipt = receipt
        self._proven = False

    def compose(self) -> ComposeResult:
        yield TextLines(classes="needs")
        yield Static(id="receipts")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def show(self, receipt: StopReceipt) -> None:
        """Shows the final receipts: the workers that have proven the end of their sessions, and the others."""
        self._receipt, self._proven = receipt, True
        self._draw()

    def _draw(self) -> None:
        state = "EMERGENCY STOP in force: nothing starts until P resumes"
        waiting = "" if self._proven else "; waiting for the proof that all sessions are gone"
        self.query_one(TextLines).show([[Cell(state + waiting, "bold red")]])
        blocks = stopped_blocks(self._receipt)
        self.query_one("#receipts", Static).update(group(blocks, room=max(20, self.size.width - 2)))
