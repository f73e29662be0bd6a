"""The private swarmd of one run."""

import os
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import CreateLoginCodeRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.console import print_err
from swarmctl.programs import HELD, NO_TLS, READY, Programs
from swarmctl.run.child_process import Child
from swarmctl.run.messages import Interrupted, MessageQueue, StdoutLine
from swarmctl.run.paths import RunPaths

# swarmd opens a database and two ports; on a slow disk it may first replay a log.
READY_WITHIN_S: Final = 60.0
# swarmd promises to end within five seconds.
STOP_WITHIN_S: Final = 10.0


class ChildFailed(ProgramExit):
    """The unexpected end of a child; the last line of its log gives the reason."""

    def __init__(self, child: Child, code: int) -> None:
        known = code in set(ExitCode) and code != ExitCode.OK
        super().__init__(ExitCode(code) if known else ExitCode.NEGATIVE, child.last_line())
        self._fallback = f"{child.name} ended with exit code {code}; see {child.log}"

    def line(self, program: str) -> str:
        """Returns the child's own line, which names the child."""
        return self.message or f"{program}: {self._fallback}"


class PrivateServer:
    """A swarmd that runs as long as the context."""

    def __init__(
        self,
        programs: Programs,
        paths: RunPaths,
        flags: Sequence[str],
        messages: MessageQueue,
        *,
        notify: Sequence[str] = (),
    ) -> None:
        self.address = ""
        self.dashboard = ""
        self._db = paths.db
        self._token_file = paths.token
        self._argv = (
            *programs.swarmd,
            *("--db", str(paths.db)),
            *("--listen", "127.0.0.1:0"),
            *("--token-file", str(paths.token)),
            *flags,
        )
        # Passed in the environment, not in the arguments: addresses hold secrets.
        self._variables = NO_TLS | ({"SWARMD_NOTIFY": " ".join(notify)} if notify else {})
        self._log = paths.log("swarmd")
        self._messages = messages

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        try:
            self.child = Child("swarmd", self._argv, log=self._log, stdout=writing, variables=self._variables)
        finally:
            os.close(writing)
        self._messages.watch_lines(reading)
        try:
            self._wait_until_ready()
        except BaseException:  # after any error, no child is left behind
            self.child.stop(grace_s=STOP_WITHIN_S)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.stop(grace_s=STOP_WITHIN_S)

    def print_dashboard_link(self, stub: OperatorServiceStub) -> None:
        """Prints a link that is good once, and the command for the next one; nothing without a dashboard."""
        if self.dashboard == "off":
            return
        link = stub.CreateLoginCode(CreateLoginCodeRequest(), timeout=DEADLINE_S)
        lasts = text_format.span(text_format.seconds(link.valid_for))
        print_err(f"swarmctl: dashboard at {link.url} (once, within {lasts})")
        here = f"--server {self.address} --token-file {self._token_file}"
        print_err(f"swarmctl: for another link, `swarmctl dashboard {here}`")

    def _wait_until_ready(self) -> None:
        match self._messages.get(time.monotonic() + READY_WITHIN_S):
            case StdoutLine(line) if found := READY.match(line):
                self.address, self.dashboard = found["grpc"], found["dashboard"]
            case StdoutLine(""):
                code = self.child.wait(STOP_WITHIN_S)
                raise self._failed(1 if code is None else code)
            case Interrupted():
                raise KeyboardInterrupt
            case None:
                problem = f"swarmd did not get ready within {READY_WITHIN_S:.0f} s"
                raise ProgramExit(ExitCode.UNREACHABLE, problem, hint=f"see {self._log}")
            case _:
                raise ProgramExit(
                    ExitCode.NEGATIVE, "swarmd did not say that it is ready", hint=f"see {self._log}"
                )

    def _failed(self, code: int) -> ProgramExit:
        held = HELD.search(self.child.last_line()) if code == ExitCode.NOT_FOUND else None
        if held is None:
            return ChildFailed(self.child, code)
        pid, problem = held["pid"], f"a swarmd that runs already has {self._db} open (pid {held['pid']})"
        hint = f"let that run end, or end its server with `kill {pid}`; or give another --db"
        return ProgramExit(ExitCode.NOT_FOUND, problem, hint=hint)
