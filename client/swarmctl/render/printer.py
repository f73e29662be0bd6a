"""The printer of a command's data on stdout, in the form asked for.

Invariant: text of tasks, sessions and models is made safe before it reaches a terminal.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from amplifier_swarm.documents import Document
from amplifier_swarm.text import printable
from swarmctl.render.align import GAP, aligned
from swarmctl.render.blocks import Block, Blocks, Heading, Table

if TYPE_CHECKING:
    from rich.console import Console

Subject = TypeVar("Subject")

# The size of one write, in characters; see `write`.
_PIECE: Final = 32_768

# JSON's syntax is ASCII: other characters occur only in strings, where an escape may replace them.
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7e]+")


class Output(StrEnum):
    """The forms of output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Printer:
    """A printer of subjects as tables, JSON or YAML."""

    def __init__(self, output: Output, *, no_color: bool) -> None:
        self.output = output
        self._no_color = no_color or bool(os.environ.get("NO_COLOR"))

    @property
    def live(self) -> bool:
        """True if stdout can show a table that is redrawn."""
        return self.output is Output.TABLE and sys.stdout.isatty()

    def console(self, *, stderr: bool = False) -> "Console":
        """Returns a rich console without markup and highlighting."""
        # Imported here: rich is slow to load, and pipes do not need it.
        from rich.console import Console  # noqa: PLC0415

        colors: Literal["auto"] | None = None if self._no_color else "auto"
        return Console(stderr=stderr, color_system=colors, markup=False, highlight=False, emoji=False)

    def show(
        self, subject: Subject, document: Callable[[Subject], Document], blocks: Callable[[Subject], Blocks]
    ) -> None:
        """Prints one subject as a whole: a document, or blocks."""
        if self.output is Output.JSON:
            write(json_text(document(subject), indent=2) + "\n")
        elif self.output is Output.YAML:
            write(yaml_text(document(subject)))
        elif sys.stdout.isatty():
            from swarmctl.render.terminal import print_blocks  # noqa: PLC0415  # as in `console`

            print_blocks(self.console(), blocks(subject))
        else:
            write("".join(line + "\n" for line in plain_lines(blocks(subject))))

    def stream(
        self,
        subjects: Iterable[Subject],
        document: Callable[[Subject], Document],
        line: Callable[[Subject], str],
    ) -> None:
        """Prints each subject as it arrives: a line, a line of JSON, or a YAML document."""
        for subject in subjects:
            if self.output is Output.JSON:
                write(json_text(document(subject)) + "\n")
            elif self.output is Output.YAML:
                write("---\n" + yaml_text(document(subject)))
            else:
                write(printable(line(subject), newlines=True) + "\n")
            sys.stdout.flush()


def plain_lines(blocks: Blocks) -> Iterator[str]:
    """Returns blocks as plain text for pipes and files: aligned, never coloured, wrapped or cut."""
    for block in blocks:
        yield from _block_lines(block)


def _block_lines(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        for row in aligned(block, room=None):
            yield (" " * GAP).join(one.text for one in row).rstrip()
    elif isinstance(block, Heading):
        yield ""
        yield block.text
    else:
        yield from (" " * block.indent + line for line in block.text.splitlines())


def write_exact(text: str) -> None:
    """Writes to stdout in UTF-8, whatever its encoding: the text is a file that is read back."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():
        write(text)
        return
    data = text.encode()
    for begin in range(0, len(data), _PIECE):
        buffer.write(data[begin : begin + _PIECE])
    buffer.flush()


def write(text: str) -> None:
    """Writes to stdout in pieces, whatever its encoding.

    An unbuffered stdout (PYTHONUNBUFFERED) loses the rest of one large write silently when the reader goes
    away.
    """
    encoding = sys.stdout.encoding or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    for begin in range(0, len(shown), _PIECE):
        sys.stdout.write(shown[begin : begin + _PIECE])


def json_text(document: Document, indent: int | None = None) -> str:
    """Returns JSON with readable letters, in which control sequences of terminals are escaped.

    Letters that stdout can't encode are escaped too: JSON has no other escape than its own.
    """
    text = json.dumps(document, indent=indent, ensure_ascii=not _stdout_takes_unicode(), allow_nan=False)
    return _NOT_ASCII.sub(lambda match: "".join(map(_json_char, match[0])), text)


def _stdout_takes_unicode() -> bool:
    return (sys.stdout.encoding or "utf-8").lower().replace("-", "").startswith("utf")


def _json_char(char: str) -> str:
    return char if printable(char) == char else json.dumps(char)[1:-1]


def yaml_text(document: Document) -> str:
    """Returns YAML in the order of the document; on a terminal, other than ASCII is escaped."""
    # Imported here: only this form needs it.
    import yaml  # noqa: PLC0415

    dumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(
        document,
        Dumper=dumper,
        sort_keys=False,
        allow_unicode=not sys.stdout.isatty() and _stdout_takes_unicode(),
        default_flow_style=False,
        width=10_000,
    )
