"""The tools that read and write files in the work folder."""

import os
from pathlib import Path
from typing import Any, Final

from amplifier_core import ToolResult

from swarm_worker.embedded.kernel import Json
from swarm_worker.embedded.paths import open_inside, resolve_inside
from swarm_worker.embedded.results import failed_result

# More than a model reads at once; longer content is cut and marked.
READ_LIMIT_BYTES: Final = 256 * 1024
_PATH: Final = {"type": "string", "description": "Relative to the work folder."}


class ReadFile:
    """The tool that reads a text file or lists a folder."""

    name = "read_file"
    description = "Reads a text file, or lists a folder."
    input_schema: Json = {"type": "object", "properties": {"path": _PATH}, "required": ["path"]}  # noqa: RUF012  # read only

    def __init__(self, root: Path) -> None:
        self._root = root

    async def execute(self, input: Json) -> Any:  # noqa: A002  # the kernel's own word
        try:
            place = resolve_inside(self._root, _text(input, "path"))
            return ToolResult(output=_listing(place) if place.is_dir() else _content(place))
        except (OSError, ValueError, TypeError) as error:
            return failed_result(_describe(error))


class WriteFile:
    """The tool that creates or replaces a text file, and creates its parent folders."""

    name = "write_file"
    description = "Creates or replaces a text file, and creates its parent folders."
    input_schema: Json = {  # noqa: RUF012  # read only
        "type": "object",
        "properties": {"path": _PATH, "content": {"type": "string"}},
        "required": ["path", "content"],
    }

    def __init__(self, root: Path) -> None:
        self._root = root

    async def execute(self, input: Json) -> Any:  # noqa: A002  # the kernel's own word
        try:
            place = resolve_inside(self._root, _text(input, "path"))
            content = _text(input, "content").encode()
            created = not place.exists()
            place.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(open_inside(place, os.O_WRONLY | os.O_CREAT), "wb") as file:
                # After the open, which has proven that this is a regular file.
                file.truncate()
                file.write(content)
        except (OSError, ValueError, TypeError) as error:
            return failed_result(_describe(error))
        path = str(place.relative_to(self._root))
        return ToolResult(output={"path": path, "bytes": len(content), "created": created})


def _content(place: Path) -> str:
    with os.fdopen(open_inside(place, os.O_RDONLY), "rb") as file:
        content = file.read(READ_LIMIT_BYTES + 1)
    text = content[:READ_LIMIT_BYTES].decode(errors="replace")
    return text if len(content) <= READ_LIMIT_BYTES else f"{text}\n… cut at {READ_LIMIT_BYTES} bytes"


def _listing(place: Path) -> str:
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in place.iterdir())
    text = "\n".join(names)
    return text if len(text) <= READ_LIMIT_BYTES else f"{text[:READ_LIMIT_BYTES]}\n… cut"


def _text(arguments: Json, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise TypeError(f"the argument {name!r} is missing or not a string")
    return value


def _describe(error: Exception) -> str:
    """Describes an error without the work folder's own path."""
    if isinstance(error, OSError) and error.strerror:
        return f"{Path(error.filename).name}: {error.strerror}" if error.filename else error.strerror
    return str(error)
