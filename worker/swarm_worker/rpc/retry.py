"""Retries of calls to the server: which errors end the worker, the waits in between, and the log of an outage."""

import asyncio
from typing import Final

import grpc
import structlog

from amplifier_swarm.errors import WireError
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import uniform

CALL_TIMEOUT_S: Final = 10.0
# A request that the server finds wrong does not get better by repeating it.
REFUSED: Final = grpc.StatusCode.INVALID_ARGUMENT

_log = structlog.get_logger()


def exit_for(error: WireError) -> ProgramExit | None:
    """Returns the end of the worker if no retry can help; None for every error that may pass."""
    if error.code is grpc.StatusCode.UNAUTHENTICATED:
        return ProgramExit(
            ExitCode.UNAUTHENTICATED,
            f"the server does not accept the token: {error.message}",
            hint="give the --token-file of that server",
        )
    if error.code is grpc.StatusCode.PERMISSION_DENIED:
        return ProgramExit(
            ExitCode.DENIED,
            f"the token is not one for a worker: {error.message}",
            hint="give a worker's or an operator's token",
        )
    return None


def exit_for_settings(error: WireError) -> ProgramExit | None:
    """Returns the end of a worker whose own settings the server refuses; None for every other error."""
    if error.code is not REFUSED:
        return None
    return ProgramExit(
        ExitCode.USAGE, f"the server does not accept this worker: {error.message}", hint="check its flags"
    )


class RetryBackoff:
    """An exponential backoff with full jitter: each wait is random between zero and a bound that doubles to a cap."""

    def __init__(self, *, cap_s: float, base_s: float = 0.2) -> None:
        self._cap_s = cap_s
        self._base_s = base_s
        self._bound_s = base_s

    def next_s(self) -> float:
        """Returns how long to wait before the next try, in seconds."""
        wait_s = uniform(0, self._bound_s)
        self._bound_s = min(self._cap_s, 2 * self._bound_s)
        return wait_s

    def reset(self) -> None:
        """Starts again from the shortest bound, after a try that succeeded."""
        self._bound_s = self._base_s


class OutageLog:
    """The log of one server's outages: one line when calls begin to fail, one when all of them work again."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._failing: set[str] = set()

    def failed(self, call: str, error: WireError) -> None:
        """Notes a try that failed and will be repeated."""
        if not self._failing:
            _log.warning(
                "the server does not answer as it should; retrying until it does",
                server=self._server,
                call=call,
                code=error.code.name,
                error=error.message,
            )
        self._failing.add(call)

    def answered(self, call: str) -> None:
        """Notes a try that succeeded."""
        if call in self._failing:
            self._failing.remove(call)
            if not self._failing:
                _log.info("the server answers again", server=self._server)


class CallRetry:
    """The retries of one kind of call: its backoff, and its share of the outage log."""

    def __init__(self, call: str, outages: OutageLog, *, cap_s: float) -> None:
        self.call = call
        self._outages = outages
        self._backoff = RetryBackoff(cap_s=cap_s)

    def failed(self, error: WireError) -> float:
        """Notes a failure; returns how long to wait before the next try, in seconds."""
        self._outages.failed(self.call, error)
        return self._backoff.next_s()

    def succeeded(self) -> None:
        """Notes a success; the next failure waits for the shortest bound."""
        self._outages.answered(self.call)
        self._backoff.reset()

    async def wait_after(self, error: WireError) -> None:
        """Notes a failure and waits until the next try."""
        await asyncio.sleep(self.failed(error))
