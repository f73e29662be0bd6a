"""A question before an order, so that no single key ends anything."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static


class ConfirmDialog(ModalScreen[str | None]):
    """Ends with what was typed, or with None."""

    DEFAULT_CSS = """
    Ask { align: center middle; }
    Ask > Vertical {
        width: 70; max-width: 96%; height: auto; padding: 1 2;
        border: thick $primary; background: $surface;
    }
    Ask.-grave > Vertical { border: thick $error; }
    Ask Input { margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "give_up", "No")]

    def __init__(
        self, question: str, told: Sequence[str] = (), *, hint: str = "", word: str = "", yes: str = "yes"
    ) -> None:
        """With `word`, only what begins with that word is an answer; `hint` stands in the empty field."""
        super().__init__(classes="-grave" if word else "")
        self._question = question
        self._told = told
        self._hint = hint
        self._word = word
        self._yes = yes

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical():
            yield Static(Text(self._question, style="bold"))
            yield Static(Text("\n".join(self._told)))
            yield Input(placeholder=self._hint)
            how = f"Type {self._word} and Enter" if self._word else f"Enter: {self._yes}"
            yield Label(Text(f"{how}   Esc: no", style="dim"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        first, _, rest = event.value.strip().partition(" ")
        if not self._word:
            self.dismiss(event.value.strip())
        elif first == self._word:
            self.dismiss(rest.strip())
        else:
            self.notify(f"Only the word {self._word} does it; Esc leaves.", severity="warning", markup=False)

    def action_give_up(self) -> None:
        """Esc."""
        self.dismiss(None)
