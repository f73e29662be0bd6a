"""A web server of this machine that takes notifications, answers as told, and keeps what it got."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """Where it is and what came."""

    port: int = 0
    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)
    # While it is clear, callers get no answer.
    open: threading.Event = field(default_factory=threading.Event)
    callers: int = 0

    @property
    def url(self) -> str:
        """As Apprise takes it; the path plays a secret."""
        return f"json://127.0.0.1:{self.port}/s3cret-path"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A server that answers for as long as the block lasts."""
    found = Webhook()
    found.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.callers += 1
            found.open.wait(60)
            if found.status == 200:
                found.received.append(json.loads(body))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        found.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
