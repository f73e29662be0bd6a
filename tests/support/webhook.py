"""A local web server that receives notifications, answers with a set status, and keeps the bodies."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """The port of the server and the notifications that it has received."""

    port: int = 0
    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)
    # While it is clear, callers get no answer.
    open: threading.Event = field(default_factory=threading.Event)
    callers: int = 0

    @property
    def url(self) -> str:
        """The URL for Apprise; its path plays a secret."""
        return f"json://127.0.0.1:{self.port}/s3cret-path"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Runs the server for the duration of the block."""
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
            """Logs nothing."""

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
