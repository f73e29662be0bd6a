"""The main program.

Invariant: stdout carries only the answer, stderr only events, whatever the library prints. The exit code is 0 with a
reply, 1 after a fault, 2 after a wrong call; after a signal the process dies by that signal.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from .check import check_role, describe_library, missing_library
from .envelope import TURN_ID, Envelope, EnvelopeFault
from .errors import NO_LIBRARY
from .log_events import ProviderLog
from .ndjson import NdjsonStream, take_over_logging
from .options import EFFORT_FIELD, MissingLibrary, capability, clean_environment, import_library
from .request import ABOUT, CHECK, TurnRequest, read_arguments
from .session import LibrarySession

Answer = TypeVar("Answer")


def main() -> NoReturn:
    """Answers one call and exits the process."""
    request = read_arguments(sys.argv[1:])
    answer = os.dup(1)
    os.dup2(2, 1)
    if request.command in (ABOUT, CHECK):
        _exit_with(answer, json.dumps(_inspect(request)), 0)
    envelope = _run(request)
    _exit_with(answer, envelope.line(), envelope.exit_code)


def _inspect(request: TurnRequest) -> dict[str, Any]:
    """Returns the answer to `about` or `check`."""
    here: dict[str, Any] = {"python": ".".join(map(str, sys.version_info[:3]))}
    try:
        library = _library(request)
    except MissingLibrary as error:
        return here | missing_library(str(error))
    here |= describe_library(library)
    return here if request.command == ABOUT else here | _await(check_role(library, request))


def _run(request: TurnRequest) -> Envelope:
    begun_s = time.monotonic()
    prompt = sys.stdin.buffer.read().decode(errors="replace")
    stream = NdjsonStream(request.session_id, TURN_ID, sys.stderr)
    log = ProviderLog(stream)
    take_over_logging(log)
    try:
        library = _library(request)
    except MissingLibrary as error:
        return Envelope(request.session_id, "", fault=EnvelopeFault(NO_LIBRARY, str(error)))
    session = LibrarySession(library, request, stream, log)
    fault = _await(session.run(prompt))
    return session.envelope(fault, version=capability(library).version, begun_s=begun_s)


def _library(request: TurnRequest) -> Any:
    """Imports the library and prepares the environment that it reads when an agent is created."""
    library = import_library()
    has_effort = EFFORT_FIELD in capability(library).fields
    clean_environment(os.environ, config=request.config, has_effort=has_effort)
    return library


def _await(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    # Not asyncio.run: at its end it waits for tasks of the library, and one that hangs would hang the process.
    return asyncio.new_event_loop().run_until_complete(coroutine)


def _exit_with(descriptor: int, line: str, code: int) -> NoReturn:
    left = memoryview(line.encode() + b"\n")
    while left:
        left = left[os.write(descriptor, left) :]
    sys.stderr.flush()
    # Not sys.exit: threads of the library's kernel outlive its session, and some of them crash the interpreter
    # when it ends, which would turn exit 0 into a signal.
    os._exit(code)
