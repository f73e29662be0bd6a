"""The way of sessions to the server: the program `swarm-session`, and a socket and a token for each session.

Invariant: what a session gets here, its sandbox shows too: the socket, the program, its Python and its package.
"""

import contextlib
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import swarm_session
from swarm_worker.domain.ports import Notes, SessionGateway
from swarm_worker.execution.person_wait import PersonWait
from swarm_worker.execution.session_socket import SessionSocket
from swarm_worker.storage.files import write_private
from swarm_worker.storage.state_dir import StateFolder

PROGRAM: Final = "swarm-session"
PACKAGE: Final = Path(swarm_session.__file__).parent
# The worker's own Python first: an image of a container may not have it, or can't run it.
SCRIPT: Final = """\
#!/bin/sh
for python in {python} python3 python; do
  if "$python" -I -c '' 2> /dev/null; then exec "$python" -I {package} "$@"; fi
done
echo "swarm-session: no Python is here that can run it" >&2
exit 127
"""


@dataclass(frozen=True, slots=True)
class SessionReach:
    """The things that a session needs to reach the server: variables, the folder of its program, files, a Python."""

    variables: Mapping[str, str]
    path: str = ""
    reads: Sequence[Path] = ()
    python: str = ""

    def added_to(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the environment with the variables; the program comes last on PATH, so it hides no other."""
        if not self.path:
            return env
        return {**env, **self.variables, "PATH": f"{env.get('PATH', os.defpath)}{os.pathsep}{self.path}"}


NO_REACH: Final = SessionReach({})


class SessionAccess:
    """The maker of the sockets of a worker's sessions."""

    def __init__(self, gateway: SessionGateway, folder: StateFolder) -> None:
        """Writes the program into the state folder; raises OSError."""
        self._gateway = gateway
        self._folder = folder
        self._program = folder.path / "programs" / PROGRAM
        self._program.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(
            self._program,
            SCRIPT.format(python=shlex.quote(sys.executable), package=shlex.quote(str(PACKAGE))),
        )
        self._program.chmod(0o700)

    @contextlib.asynccontextmanager
    async def opened(
        self, session_id: str, token: str, waits: PersonWait, log: Notes
    ) -> AsyncIterator[SessionReach]:
        """Offers a socket while the block runs; without one, the session goes on and the log says so."""
        path = self._folder.session_file(session_id, "socket")
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(SessionSocket(self._gateway, token, waits).listening(path))
            except OSError as error:
                log.note(f"the session can't reach the server: {error.strerror or error}")
                yield NO_REACH
                return
            variables = {"SWARM_SESSION_SOCKET": str(path), "SWARM_SESSION_TOKEN": token}
            if find_spec("mcp") is not None:
                variables["SWARM_MCP"] = json.dumps([str(self._program), "mcp"])
            yield SessionReach(variables, str(self._program.parent), (path, PACKAGE), sys.executable)
