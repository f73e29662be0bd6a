"""A confirmation dialog, so that no single key ends anything."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static


class ConfirmDialog(ModalScreen[str | None]):
    """A dialog that returns the typed text, or None."""

    DEFAULT_CSS = """
    ConfirmDialog { align: center middle; }
    ConfirmDialog > Vertical {
        width: 70; max-width: 96%; height: auto; padding: 1 2;
        border: thick $primary; background: $surface;
    }
    ConfirmDialog.-grave > Vertical { border: thick $error; }
    ConfirmDialog VerticalScroll { height: auto; max-height: 50vh; }
    ConfirmDialog Input { margin-top: 1; }
    """
    # A long question is scrolled with Tab and the arrow keys.
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "give_up", "No")]

    def __init__(
        self, question: str, details: Sequence[str] = (), *, hint: str = "", word: str = "", yes: str = "yes"
    ) -> None:
        """Creates the dialog. With `word`, only text that begins with it is accepted; `hint` is the
        placeholder.
        """
        super().__init__(classes="-grave" if word else "")
        self._question = question
        self._details = details
        self._hint = hint
        self._word = word
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(self._question, style="bold"))
            with VerticalScroll():
                yield Static(Text("\n".join(self._details)))
            yield Input(placeholder=self._hint)
            how = f"Type {self._word} and Enter" if self._word else f"Enter: {self._yes}"
            yield Label(Text(f"{how}   Esc: no", style="dim"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Closes the dialog with the text, if the word fits."""
        first, _, rest = event.value.strip().partition(" ")
        if not self._word:
            self.dismiss(event.value.strip())
        elif first == self._word:
            self.dismiss(rest.strip())
        else:
            self.notify(f"Only the word {self._word} does it; Esc leaves.", severity="warning", markup=False)

    def action_give_up(self) -> None:
        """Closes the dialog without an answer."""
        self.dismiss(None)
