"""The dashboard's files, read once into memory: what is not among them can't be asked for."""

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
# Their names change with what is in them.
HASHED: Final = "/assets/"
FOREVER: Final = "public, max-age=31536000, immutable"
MISSING: Final = (
    "The dashboard's files are not in this installation; the JSON routes work all the same.\n"
    "In a checkout, `make web` builds them.\n"
)
# Not what the machine's own tables say: they differ.
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
    """One file, as it goes out."""

    kind: str
    raw: bytes
    # The same in fewer bytes; empty where that saves nothing.
    packed: bytes


class Files:
    """Answers with the files of a folder."""

    def __init__(self, found: Mapping[str, File]) -> None:
        self._files = found

    @property
    def paths(self) -> Sequence[str]:
        """Where the files are, but for the page."""
        return [path for path in self._files if path != INDEX]

    async def page(self, request: Request) -> Response:
        """The page itself."""
        file = self._files.get(INDEX)
        if file is None:
            return PlainTextResponse(MISSING, 503)
        return _answer(file, request)

    async def file(self, request: Request) -> Response:
        """Any other of the files."""
        path = request.url.path
        response = _answer(self._files[path], request)
        if path.startswith(HASHED):
            response.headers["Cache-Control"] = FOREVER
        return response


def load() -> Files:
    """Reads the files that the package has."""
    return Files(dict(_below(folder(), "")))


def folder() -> Traversable:
    """Where the built dashboard lies; an installation may be without it."""
    return resources.files("swarmd.web").joinpath("static")


def _below(place: Traversable, path: str) -> list[tuple[str, File]]:
    found: list[tuple[str, File]] = []
    if not place.is_dir():
        return found
    for entry in place.iterdir():
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            found += _below(entry, name)
        elif not entry.name.startswith("."):
            found.append((name, _file(name, entry.read_bytes())))
    return found


def _file(name: str, raw: bytes) -> File:
    kind = _KINDS.get(PurePosixPath(name).suffix, "application/octet-stream")
    packed = gzip.compress(raw, mtime=0)
    return File(kind, raw, packed if len(packed) < len(raw) else b"")


def _answer(file: File, request: Request) -> Response:
    headers = {"Vary": "Accept-Encoding"}
    packs = "gzip" in request.headers.get("accept-encoding", "").replace(" ", "").lower().split(",")
    if file.packed and packs:
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, headers=headers, media_type=file.kind)
    return Response(file.raw, headers=headers, media_type=file.kind)
