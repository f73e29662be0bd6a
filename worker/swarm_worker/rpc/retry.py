"""What calls to the server have in common: how they fail, for how long they are tried again, what is logged."""

import os
from typing import Final

import grpc
import structlog

from amplifier_swarm.errors import WireError
from amplifier_swarm.exits import ExitCode, ProgramExit

CALL_TIMEOUT_S: Final = 10.0
# A request that the server finds wrong does not get better by repeating it.
REFUSED: Final = grpc.StatusCode.INVALID_ARGUMENT

_log = structlog.get_logger()


def exit_for(error: WireError) -> ProgramExit | None:
    """The end of the worker, if the error means that; everything else may pass."""
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


def uniform(low: float, high: float) -> float:
    """Any number from one to the other: what spreads load. The module `random` would be 170 KiB for it."""
    return low + (high - low) * int.from_bytes(os.urandom(4), "big") / 2**32


class RetryBackoff:
    """Full jitter: the next wait is anything from nothing to a bound that doubles up to the cap."""

    def __init__(self, *, cap_s: float, base_s: float = 0.2) -> None:
        self._cap_s = cap_s
        self._base_s = base_s
        self._bound_s = base_s

    def next_s(self) -> float:
        """How long to wait before the next try."""
        wait_s = uniform(0, self._bound_s)
        self._bound_s = min(self._cap_s, 2 * self._bound_s)
        return wait_s

    def reset(self) -> None:
        """The last try went well."""
        self._bound_s = self._base_s


class OutageLog:
    """Says once when calls begin to fail, and once when all of them work again."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._failing: set[str] = set()

    def failed(self, call: str, error: WireError) -> None:
        """A try failed and will be repeated."""
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
        """A try went well."""
        if call in self._failing:
            self._failing.remove(call)
            if not self._failing:
                _log.info("the server answers again", server=self._server)
