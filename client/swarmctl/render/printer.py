"""Writes the data of a verb to stdout, in the form asked for.

The rule: whatever a task, a session or a model said is made harmless before it gets to a terminal.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from amplifier_swarm.documents import Document
from amplifier_swarm.text import printable
from swarmctl.cli.options import Output
from swarmctl.render import plain
from swarmctl.render.blocks import Blocks

if TYPE_CHECKING:
    from rich.console import Console

Subject = TypeVar("Subject")

# See `write`.
_PIECE: Final = 32_768

# JSON's syntax is ASCII, so that what is not stands inside a string and may be written as an escape.
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7e]+")


class Printer:
    """Prints subjects as tables, JSON or YAML."""

    def __init__(self, output: Output, *, no_color: bool) -> None:
        self.output = output
        self._no_color = no_color or bool(os.environ.get("NO_COLOR"))

    @property
    def live(self) -> bool:
        """Whether a table on stdout may be drawn again and again."""
        return self.output is Output.TABLE and sys.stdout.isatty()

    def console(self, *, stderr: bool = False) -> "Console":
        """A rich console of our kind: text is text, and numbers are not coloured."""
        # Late: rich is slow to load, and pipes need none of it.
        from rich.console import Console  # noqa: PLC0415

        colors: Literal["auto"] | None = None if self._no_color else "auto"
        return Console(stderr=stderr, color_system=colors, markup=False, highlight=False, emoji=False)

    def put(
        self, subject: Subject, document: Callable[[Subject], Document], blocks: Callable[[Subject], Blocks]
    ) -> None:
        """Prints one subject: a whole document, or blocks."""
        if self.output is Output.JSON:
            write(json_text(document(subject), indent=2) + "\n")
        elif self.output is Output.YAML:
            write(yaml_text(document(subject)))
        elif sys.stdout.isatty():
            from swarmctl.render.terminal import print_blocks  # noqa: PLC0415  # as in `console`

            print_blocks(self.console(), blocks(subject))
        else:
            write("".join(line + "\n" for line in plain.lines(blocks(subject))))

    def stream(
        self,
        subjects: Iterable[Subject],
        document: Callable[[Subject], Document],
        line: Callable[[Subject], str],
    ) -> None:
        """Prints each subject as it comes: a line, a line of JSON, or a document of YAML."""
        for subject in subjects:
            if self.output is Output.JSON:
                write(json_text(document(subject)) + "\n")
            elif self.output is Output.YAML:
                write("---\n" + yaml_text(document(subject)))
            else:
                write(printable(line(subject), newlines=True) + "\n")
            sys.stdout.flush()


def write(text: str) -> None:
    """Writes to stdout, whatever its encoding.

    In pieces: of one large write, an unbuffered stdout (PYTHONUNBUFFERED) loses in silence what a reader
    that goes away has not taken.
    """
    encoding = sys.stdout.encoding or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    for begin in range(0, len(shown), _PIECE):
        sys.stdout.write(shown[begin : begin + _PIECE])


def json_text(document: Document, indent: int | None = None) -> str:
    """JSON in which letters are readable and what would steer a terminal is escaped."""
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    return _NOT_ASCII.sub(lambda match: "".join(map(_json_char, match[0])), text)


def _json_char(char: str) -> str:
    return char if printable(char) == char else json.dumps(char)[1:-1]


def yaml_text(document: Document) -> str:
    """YAML in the order of the document; escaped on a terminal, where a letter might steer it."""
    # Late: only this form needs it.
    import yaml  # noqa: PLC0415

    dumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(
        document,
        Dumper=dumper,
        sort_keys=False,
        allow_unicode=not sys.stdout.isatty(),
        default_flow_style=False,
        width=10_000,
    )
