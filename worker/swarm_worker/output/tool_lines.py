"""Log lines about tool calls, in the form that people read: what was called, what came of it, and why it failed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

# A long result is shown by its start and its end, where errors stand.
RESULT_CHARS: Final = 2_000
END_CHARS: Final = 600
# A value of the arguments, such as the content of a file to write.
ARGUMENT_CHARS: Final = 500
# The keys of results under which tools return what a person would read; the first that is there counts.
_TEXT_KEYS: Final = ("response", "content", "message", "text")
_STREAMS: Final = ("stdout", "stderr")


def started_line(name: str, arguments: object) -> str:
    """Returns the line of a call; long values of the arguments are cut."""
    return f"{name} {value_text(_short_values(arguments))}".rstrip()


def completed_line(name: str, result: Mapping[str, Any], *, duration_ms: object = None) -> str:
    """Returns the line of a result, a mapping with `success`, `output` and `error`."""
    took, output = _took(duration_ms), _output_text(result.get("output"))
    if result.get("success") is False:
        reason = error_text(result.get("error"))
        # Tools may return the reason as their output, and commands fail by their exit code alone.
        said = reason if output in ("", reason) else f"{reason}\n{output}" if reason else output
        return f"{name} failed{took}: {_shortened(said) or 'it gave no reason'}"
    return f"{name} done{took}: {_shortened(output)}" if output else f"{name} done{took}"


def error_text(error: object) -> str:
    """Returns the message of an error: a text, or a mapping with `message` or `msg`."""
    if isinstance(error, Mapping):
        message = error.get("message") or error.get("msg")
        return message if isinstance(message, str) else value_text(error)
    return value_text(error)


def value_text(value: object) -> str:
    """Returns a text as it is, None as an empty text and any other value as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "(nested too deeply)"


def _took(duration_ms: object) -> str:
    """Returns the duration in parentheses; nothing for 0, which programs report that measure none."""
    if (
        isinstance(duration_ms, bool)
        or not isinstance(duration_ms, int | float)
        or not 0 < duration_ms < 1e12
    ):
        return ""
    return f" ({duration_ms / 1000:.1f} s)" if duration_ms >= 1000 else f" ({max(1, round(duration_ms))} ms)"


def _output_text(output: object) -> str:
    if isinstance(output, Sequence) and not isinstance(output, str | bytes):
        return "\n".join(map(value_text, output))
    if not isinstance(output, Mapping):
        return value_text(output).strip("\n")
    if any(name in output for name in _STREAMS):
        return _command_text(output)
    text = next((output[key] for key in _TEXT_KEYS if isinstance(output.get(key), str)), None)
    return value_text(output if text is None else text).strip("\n")


def _command_text(output: Mapping[str, Any]) -> str:
    """Returns what a command printed, and its exit code unless that is 0."""
    parts = [value_text(output.get(name)).strip("\n") for name in _STREAMS]
    code = output.get("returncode")
    ended = f"exit code {code}" if isinstance(code, int) and code != 0 else ""
    return "\n".join(part for part in (ended, *parts) if part.strip())


def _shortened(text: str) -> str:
    if len(text) <= RESULT_CHARS:
        return text
    start, end = text[: RESULT_CHARS - END_CHARS], text[-END_CHARS:]
    return f"{start}\n… {len(text) - RESULT_CHARS:,} characters are left out …\n{end}"


def _short_values(arguments: object) -> object:
    if not isinstance(arguments, Mapping):
        return _short_value(arguments)
    return {key: _short_value(value) for key, value in arguments.items()}


def _short_value(value: object) -> object:
    text = value_text(value)
    if len(text) <= ARGUMENT_CHARS:
        return value
    return f"{text[:ARGUMENT_CHARS]}… ({len(text) - ARGUMENT_CHARS:,} characters more)"
