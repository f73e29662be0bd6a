"""`python -m swarmd.notify.child`: the process in which Apprise runs, one for a server.

The rule: a plugin that hangs, crashes or prints is this process's trouble alone. It reads lines of JSON, first the
addresses, then messages; it answers each with a line; and it ends with its stdin, whatever still hangs.
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
    # Its plugins bring deprecated modules, which is no news for an operator; what it logs may hold addresses.
    warnings.simplefilter("ignore")
    logging.disable()
    services = _services(json.loads(sys.stdin.readline()))
    _answer(answers, {"unknown": [number for number, service in enumerate(services) if service is None]})
    for line in sys.stdin:
        order = json.loads(line)
        threading.Thread(target=_send, args=(services, order, answers), daemon=True).start()
    # Not by return: the interpreter would wait for Apprise's own threads.
    os._exit(0)


def _private_stdout() -> TextIO:
    """What was stdout, for answers alone; whatever else is printed goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


def _services(urls: Sequence[str]) -> Sequence[Any]:
    """What sends to each address; None for one that Apprise does not know."""
    import apprise  # noqa: PLC0415  # an extra, and slow to load

    found = []
    for url in urls:
        service = apprise.Apprise()
        found.append(service if service.add(url) else None)
    return found


def _send(services: Sequence[Any], order: dict[str, Any], answers: TextIO) -> None:
    try:
        sent = services[order["target"]].notify(
            title=order["title"], body=order["body"], notify_type=order["kind"], body_format="text"
        )
    except Exception:  # noqa: BLE001  # whatever a plugin does, the message was not taken
        sent = False
    _answer(answers, {"id": order["id"], "sent": bool(sent)})


def _answer(answers: TextIO, document: dict[str, Any]) -> None:
    # One write a line, so that threads need no lock.
    answers.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
