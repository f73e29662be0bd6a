"""The main program of the embedded runner.

Invariant: stdout carries only the envelope, stderr only events. The exit code is 0 with a reply, 1 after a fault of
the engine, 2 after a wrong call; after a signal the process dies by that signal.
"""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NoReturn

from swarm_worker.agent_library.envelope import TURN_ID, Envelope, EnvelopeFault
from swarm_worker.agent_library.ndjson import ErrorLog, NdjsonStream, take_over_logging
from swarm_worker.embedded.request import Refusal, Request, read_request

_NO_KERNEL: Final = EnvelopeFault(
    "agent_not_ready",
    "amplifier-core is not installed",
    remediation="Install it with: pip install 'amplifier-swarm[embedded]'",
)


def main() -> NoReturn:
    """Runs one turn of one session and exits the process."""
    try:
        request = read_request(sys.argv[1:], os.environ, sys.stdin.buffer)
    except Refusal as refusal:
        _exit_with(Envelope("", _engine_version(), fault=refusal.fault))
    _exit_with(_run_turn(request))


def _run_turn(request: Request) -> Envelope:
    stream = NdjsonStream(request.session_id, TURN_ID, sys.stderr)
    take_over_logging(ErrorLog(stream))
    try:
        # Imported here, so that a wrong call is answered at once and a missing kernel with an envelope.
        from swarm_worker.embedded.turn import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "amplifier_core":
            raise
        stream.error(_NO_KERNEL.code, _NO_KERNEL.message, recoverable=False)
        return Envelope(request.session_id, "", fault=_NO_KERNEL)
    return run(request, stream, engine_version=_engine_version())


def _engine_version() -> str:
    try:
        return version("amplifier-core")
    except PackageNotFoundError:
        return ""


def _exit_with(envelope: Envelope) -> NoReturn:
    sys.stdout.write(envelope.line() + "\n")
    sys.stdout.flush()
    # Not sys.exit: threads of amplifier-core 2.0.2 outlive its session, and some of them crash the
    # interpreter at shutdown, which would turn exit 0 into a signal.
    os._exit(envelope.exit_code)
