"""Logging of the daemons: lines for people or JSON for machines, on stderr."""

import logging
import sys
from typing import Literal

import structlog

from amplifier_swarm.masking import Mask
from amplifier_swarm.text import printable


def configure(style: Literal["text", "json"], level: str, *, mask: Mask | None = None) -> None:
    """Sets up structlog for the whole process; call it once. `mask` knows further secrets by value."""
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _EscapeForTerminal(mask or Mask()),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class _EscapeForTerminal:
    """A processor that masks secrets and escapes text that would forge log lines or steer a terminal."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def __call__(
        self, _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """Returns the event with every text masked and escaped."""
        return {key: self._text(key, value) for key, value in event.items()}

    def _text(self, key: str, value: object) -> object:
        if not isinstance(value, str):
            return value
        return printable(self._mask.text(value), newlines=key == "exception")
