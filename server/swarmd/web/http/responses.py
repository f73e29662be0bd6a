"""What goes back: JSON, errors, and the headers that every answer has.

JSON goes out as ASCII: what would steer a terminal or turn text around is an escape in it, whoever prints it.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from amplifier_swarm.documents import Document
from swarmd.domain.errors import SwarmError
from swarmd.web.http.errors import STATUS

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def encode(document: Document) -> str:
    """The document in the one form in which it goes out."""
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


class Json(Response):
    """A document."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content).encode("ascii")


def refusal(error: SwarmError) -> Json:
    """The error as a caller sees it."""
    status = STATUS[type(error)]
    content: dict[str, Any] = {"reason": error.reason, "message": error.message}
    if error.faults:
        content["faults"] = [{"place": fault.place, "message": fault.message} for fault in error.faults]
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return Json({"error": content}, status_code=status, headers=headers)
