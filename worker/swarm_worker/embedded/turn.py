"""The turn of this process, and the signals that end it.

SIGTERM and SIGINT cancel the session at once; the process then dies by that signal without an envelope, like
amplifier-agent.
"""

import asyncio
import time
from typing import Final

from swarm_worker.agent_library.envelope import Envelope
from swarm_worker.agent_library.ndjson import NdjsonStream
from swarm_worker.agent_library.signal_stop import SignalStop
from swarm_worker.embedded.request import Request
from swarm_worker.embedded.session import EmbeddedSession, SessionFault, modules

# How long a cancelled session may take to end.
CANCEL_S: Final = 1.0


def run(request: Request, stream: NdjsonStream, *, engine_version: str) -> Envelope:
    """Runs the turn and returns its envelope. After a signal, the function does not return."""
    begun_s = time.monotonic()
    reply, fault = "", None
    try:
        reply = asyncio.run(_turn(request, stream))
    except SessionFault as error:
        fault = error.fault
        stream.error(fault.code, fault.message, recoverable=False)
    return Envelope(
        request.session_id,
        engine_version,
        reply=reply,
        fault=fault,
        duration_ms=round((time.monotonic() - begun_s) * 1000),
        mode=request.mode,
    )


async def _turn(request: Request, stream: NdjsonStream) -> str:
    session = EmbeddedSession(request, modules(request, stream))
    stop = SignalStop(session.cancel, asyncio.get_running_loop(), cancel_s=CANCEL_S)
    stop.install()
    try:
        return await session.run(request.prompt)
    finally:
        stop.finish()
