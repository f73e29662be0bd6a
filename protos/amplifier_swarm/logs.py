"""Logging of the daemons: lines for people or JSON for machines, on stderr.

Invariant: to log neither raises nor blocks, whatever happens to stderr (see `line_sink`).
"""

import logging
from typing import Any, Final, Literal

import structlog

from amplifier_swarm.line_sink import LineSink
from amplifier_swarm.masking import Mask
from amplifier_swarm.standard_streams import STDERR, sink
from amplifier_swarm.text import printable

DROPPED: Final = "log lines were dropped: stderr could not be written"


def configure(style: Literal["text", "json"], level: str, *, mask: Mask | None = None) -> None:
    """Sets up structlog for the whole process; call it once. `mask` knows further secrets by value.

    Warnings of libraries that use the standard `logging` module take the same way.
    """
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _EscapeForTerminal(mask or Mask()),
        last,
    ]
    stderr = sink(STDERR)
    stderr.note = lambda dropped: _rendered(processors, dropped)
    structlog.configure(
        processors=processors,
        wrapper_class=_never_raising(level),
        logger_factory=lambda *_: _SinkLogger(stderr),
        cache_logger_on_first_use=True,
    )
    logging.lastResort = _LibraryHandler(logging.WARNING)


def _never_raising(level: str) -> type[Any]:
    kind: type[Any] = structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()])

    class NeverRaising(kind):  # type: ignore[misc]  # structlog makes the base at run time
        """A bound logger whose caller never sees a fault of logging itself."""

        def _proxy_to_logger(self, name: str, event: str | None = None, *args: Any, **details: Any) -> Any:
            try:
                return super()._proxy_to_logger(name, event, *args, **details)
            except Exception as error:  # noqa: BLE001  # a value that can't be shown must not stop the work
                self._logger.msg(f"a log line could not be made: {type(error).__name__}")

    return NeverRaising


def _rendered(processors: list[structlog.typing.Processor], dropped: int) -> str:
    event: Any = {"event": DROPPED, "lines": dropped}
    for processor in processors:
        event = processor(None, "warning", event)
    return str(event)


class _SinkLogger:
    """The logger that structlog wraps: each rendered event is a line of the sink."""

    def __init__(self, sink: LineSink) -> None:
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = sink.write


class _LibraryHandler(logging.Handler):
    """A handler that passes the records of libraries to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Logs a record; a library's mistake in its format must not stop it."""
        try:
            log = structlog.get_logger(record.name)
            log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001  # as `logging.Handler.handleError`, which would write to stderr itself
            sink(STDERR).write(f"a log line of {record.name} could not be made")


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
