"""Paths on the command line: `~` means the same in every flag, argument and variable of all programs."""

from pathlib import Path
from typing import Any

import typer

from amplifier_swarm.settings import path


def expanded(value: Path | None) -> Path | None:
    """Replaces `~` and `~user` in a path by the home folder; a callback for Typer."""
    return None if value is None else _expanded(str(value))


def expanded_text(value: Any) -> Any:
    """Replaces `~` and `~user` in an argument that may also be `-` or empty; a callback for Typer."""
    return str(_expanded(value)) if isinstance(value, str) and value.startswith("~") else value


def _expanded(text: str) -> Path:
    try:
        return path(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from error
