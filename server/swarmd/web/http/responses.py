"""Responses: JSON, errors, and the security headers of every response.

Invariant: JSON is sent as ASCII, so that control characters and text direction marks are escapes in it for
whoever prints it.
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
    """Encodes a document as compact ASCII JSON."""
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


class Json(Response):
    """A JSON response."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content).encode("ascii")


def error_response(error: SwarmError) -> Json:
    """Returns the response for an error, with the status that the table gives it."""
    status = STATUS[type(error)]
    content: dict[str, Any] = {"reason": error.reason, "message": error.message}
    if error.faults:
        content["faults"] = [{"place": fault.place, "message": fault.message} for fault in error.faults]
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return Json({"error": content}, status_code=status, headers=headers)
