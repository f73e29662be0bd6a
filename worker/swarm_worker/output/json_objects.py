"""JSON objects among arbitrary other text, with their positions.

Invariant: an object inside malformed JSON is never mistaken for the whole; `stray` finds its keys.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# Malformed text can make decoding quadratic. It stops after this many characters for each one of the text, and some
# more. Each object and each failure counts for as many characters as could be decoded in its time.
BUDGET_PER_CHAR: Final = 8
BUDGET_CHARS: Final = 1_000_000
FAILURE_COST_CHARS: Final = 400
OBJECT_COST_CHARS: Final = 200
# Performance: an error of the decoder counts the lines of all text before it, so most attempts see a window only.
WINDOW_CHARS: Final = (1_024, 16 * 1_024)
# Control sequences of terminals, and the glyphs of spinners and progress bars.
_TERMINAL: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]|[\u2500-\u259f\u2800-\u28ff\ufeff]"
)
# A brace with anything else after it can't open an object.
_OBJECT_START: Final = re.compile(r"\{(?=\s*(?:[\"}]|\Z))")
LONGEST_TOKEN_CHARS: Final = 16
_FENCE_OPENING: Final = re.compile(r"\s*(?:(?:`{3,}|~{3,})[\w-]*\s*)?")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A decoded object and its place in the text: `text[start:end]`."""

    value: Json
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DecodeFailure:
    """A `{` at which no object could be decoded, and the place and text of the error."""

    start: int
    position: int
    error: str


@dataclass(slots=True)
class JsonScan:
    """The objects and the failures of a text, both in order; `gave_up` means that the text has more of them."""

    text: str
    found: list[FoundObject] = field(default_factory=list)
    failures: list[DecodeFailure] = field(default_factory=list)
    gave_up: bool = False

    def stray(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Yields the matches of the pattern outside of every decoded object."""
        spans = iter([*self.found, FoundObject({}, len(self.text), len(self.text))])
        span = next(spans)
        for match in pattern.finditer(self.text):
            while span.end <= match.start() and span.end < len(self.text):
                span = next(spans)
            if match.start() < span.start:
                yield match

    def failure_before(self, position: int) -> DecodeFailure | None:
        """Returns the last failure that starts at or before the position."""
        return next((failure for failure in reversed(self.failures) if failure.start <= position), None)

    def place(self, position: int) -> str:
        """Returns the position as line and column, both from 1."""
        line_start = self.text.rfind("\n", 0, position) + 1
        return f"line {self.text.count(chr(10), 0, position) + 1}, column {position - line_start + 1}"

    def starts_line(self, found: FoundObject) -> bool:
        """Returns True if nothing but the opening of a code fence precedes the object on its line."""
        line_start = self.text.rfind("\n", 0, found.start) + 1
        return _FENCE_OPENING.fullmatch(self.text, line_start, found.start) is not None


def plain_text(text: str) -> str:
    """Returns the text as a terminal would leave it: without control sequences and spinners, with `\\n` alone."""
    return _TERMINAL.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def scan(text: str, *, strict: bool = True) -> JsonScan:
    """Returns the top-level objects of a text; `strict` refuses control characters in strings."""
    result, decoder = JsonScan(text), json.JSONDecoder(strict=strict, object_pairs_hook=_unique_keys)
    budget = BUDGET_PER_CHAR * len(text) + BUDGET_CHARS
    brace = _OBJECT_START.search(text)
    while brace:
        decoded = _decode_at(decoder, text, brace.start())
        if isinstance(decoded, FoundObject):
            result.found.append(decoded)
            budget -= decoded.end - decoded.start + OBJECT_COST_CHARS
            brace = _OBJECT_START.search(text, decoded.end)
        else:
            result.failures.append(decoded)
            budget -= decoded.position - decoded.start + FAILURE_COST_CHARS
            brace = _OBJECT_START.search(text, decoded.start + 1)
        if budget < 0:
            result.gave_up = True
            break
    return result


def objects(text: str) -> Sequence[Json]:
    """Returns every top-level object of a text; an empty list if the last object is doubtful."""
    result = scan(text)
    if result.gave_up or not result.found:
        return []
    # A delimiter after the last object means that it was part of something malformed.
    after = text[result.found[-1].end :].lstrip()[:1]
    return [] if after in (",", "]", "}", '"') and after else [found.value for found in result.found]


def _decode_at(decoder: json.JSONDecoder, text: str, start: int) -> FoundObject | DecodeFailure:
    """Decodes the object that starts there, first in small windows of the text and then in all of it."""
    for size in WINDOW_CHARS:
        end = start + size
        decoded = _decode(decoder, text[start:end], start)
        if isinstance(decoded, FoundObject) or end >= len(text) or not _may_end_later(decoded, end):
            return decoded
    return _decode(decoder, text[start:], start)


def _decode(decoder: json.JSONDecoder, text: str, offset: int) -> FoundObject | DecodeFailure:
    try:
        value, end = decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        return DecodeFailure(offset, offset + error.pos, error.msg.removesuffix(" at"))
    except RecursionError:
        return DecodeFailure(offset, offset + len(text), "nested too deeply")
    except ValueError as error:  # a duplicate key, or a number of thousands of digits
        return DecodeFailure(offset, offset + len(text), str(error).partition(":")[0])
    return FoundObject(value, offset, offset + end)


def _may_end_later(failure: DecodeFailure, window_end: int) -> bool:
    """Returns True if the end of the window may be the reason of the failure."""
    # A token that the window cuts is reported at its start; no token but a string is longer than this.
    return failure.position >= window_end - LONGEST_TOKEN_CHARS or failure.error.startswith(
        "Unterminated string"
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> Json:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return value
