"""`python -m swarmd.notify.apprise_process`: the process in which Apprise runs, one for each server.

The process reads lines of JSON from stdin, first the addresses, then messages; it answers each with one line.

Invariant: a plugin that hangs, crashes or prints harms this process alone, which exits when its stdin ends.
"""

import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any, TextIO


def main() -> None:
    """Serves until stdin ends."""
    answers = _private_stdout()
    # Plugins import deprecated modules, which operators need not know; their log lines may contain addresses.
    warnings.simplefilter("ignore")
    logging.disable()
    services = _services(json.loads(sys.stdin.readline()))
    _answer(answers, {"unknown": [number for number, service in enumerate(services) if service is None]})
    for line in sys.stdin:
        message = json.loads(line)
        threading.Thread(target=_send, args=(services, message, answers), daemon=True).start()
    # Not a return: the interpreter would wait for Apprise's threads.
    os._exit(0)


def _private_stdout() -> TextIO:
    """Returns a stream to the old stdout, for answers; redirects stdout and stderr to /dev/null."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    return answers


def _services(urls: Sequence[str]) -> Sequence[Any]:
    """Returns a sender for each address; None for an address that Apprise does not know."""
    import apprise  # noqa: PLC0415  # an extra, and slow to load

    found = []
    for url in urls:
        service = apprise.Apprise()
        found.append(service if service.add(url) else None)
    return found


def _send(services: Sequence[Any], message: dict[str, Any], answers: TextIO) -> None:
    try:
        sent = services[message["target"]].notify(
            title=message["title"], body=message["body"], notify_type=message["kind"], body_format="text"
        )
    except Exception:  # noqa: BLE001  # plugins raise anything; the message was not taken
        sent = False
    _answer(answers, {"id": message["id"], "sent": bool(sent)})


def _answer(answers: TextIO, document: dict[str, Any]) -> None:
    # One write per line, so that threads need no lock.
    answers.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
