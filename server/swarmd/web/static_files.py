"""The dashboard's files, read once into memory.

Invariant: only these files are served; a request never reaches the file system.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

INDEX: Final = "/index.html"
# File names below it change with the content.
HASHED: Final = "/assets/"
FOREVER: Final = "public, max-age=31536000, immutable"
MISSING: Final = (
    "The dashboard's files are not in this installation; the JSON routes work all the same.\n"
    "In a checkout, `make web` builds them.\n"
)
# Not from `mimetypes`: its tables differ between machines.
_KINDS: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is served."""

    kind: str
    raw: bytes
    # Compressed by gzip; empty if that saves nothing.
    gzipped: bytes


class Files:
    """The handlers of the dashboard's files."""

    def __init__(self, found: Mapping[str, File]) -> None:
        self._files = found

    @property
    def paths(self) -> Sequence[str]:
        """Returns the paths of all files but the page."""
        return [path for path in self._files if path != INDEX]

    async def page(self, request: Request) -> Response:
        """Returns the page."""
        file = self._files.get(INDEX)
        if file is None:
            return PlainTextResponse(MISSING, 503)
        return _response(file, request)

    async def file(self, request: Request) -> Response:
        """Returns another file."""
        path = request.url.path
        response = _response(self._files[path], request)
        if path.startswith(HASHED):
            response.headers["Cache-Control"] = FOREVER
        return response


def load() -> Files:
    """Reads the files of the package into memory."""
    return Files(dict(_below(folder(), "")))


def folder() -> Traversable:
    """Returns the folder of the built dashboard; an installation may lack it."""
    return resources.files("swarmd.web").joinpath("static")


def _below(directory: Traversable, path: str) -> list[tuple[str, File]]:
    found: list[tuple[str, File]] = []
    if not directory.is_dir():
        return found
    for entry in directory.iterdir():
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            found += _below(entry, name)
        elif not entry.name.startswith("."):
            found.append((name, _file(name, entry.read_bytes())))
    return found


def _file(name: str, raw: bytes) -> File:
    kind = _KINDS.get(PurePosixPath(name).suffix, "application/octet-stream")
    gzipped = gzip.compress(raw, mtime=0)
    return File(kind, raw, gzipped if len(gzipped) < len(raw) else b"")


def _response(file: File, request: Request) -> Response:
    headers = {"Vary": "Accept-Encoding"}
    accepted = "gzip" in request.headers.get("accept-encoding", "").replace(" ", "").lower().split(",")
    if file.gzipped and accepted:
        headers["Content-Encoding"] = "gzip"
        return Response(file.gzipped, headers=headers, media_type=file.kind)
    return Response(file.raw, headers=headers, media_type=file.kind)
