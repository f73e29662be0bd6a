"""The settings of a connection: as given, else of the environment, else of this folder's project.

Server and token of a project go together: with a given token, the default server is meant.

Invariant: gRPC is not imported, so that a program can look before it dials.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from amplifier_swarm.credentials import discovered_token_file, find_token, read_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.fingerprint import fingerprint
from amplifier_swarm.state_paths import TOKEN, ProjectState, latest_run, working_folder

DEFAULT_SERVER: Final = "127.0.0.1:7433"
# How tokens of operators begin.
_OPERATOR_TOKEN: Final = "swt1_operator_"  # noqa: S105  # a prefix


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The settings of a connection."""

    # HOST:PORT; empty for the server of the project.
    server: str = ""
    token_file: Path | None = None
    tls_ca: Path | None = None
    # As swarmd --tls-auto prints it; empty if no CA is pinned.
    tls_ca_fingerprint: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    # The token itself; wins over the file.
    token: str = ""

    @classmethod
    def from_environment(cls, **given: Any) -> Self:
        """Returns the settings of the variables that swarmctl reads; what is given and not empty wins.

        Raises:
            ProgramExit: The fingerprint is not one.
        """
        found: dict[str, Any] = {
            name: text
            for name in ("server", "tls_ca_fingerprint")
            if (text := os.environ.get(f"SWARM_{name.upper()}", "").strip())
        }
        for name in ("token_file", "tls_ca", "tls_cert", "tls_key"):
            if text := os.environ.get(f"SWARM_{name.upper()}", ""):
                found[name] = Path(text).expanduser()
        found |= {name: value for name, value in given.items() if value}
        if pin := found.get("tls_ca_fingerprint"):
            try:
                found["tls_ca_fingerprint"] = fingerprint(pin)
            except ValueError as error:
                raise ProgramExit(ExitCode.USAGE, f"tls_ca_fingerprint {pin!r}: {error}") from error
        return cls(**found)

    @property
    def is_discovered(self) -> bool:
        """True if neither a setting nor the environment has a token."""
        return not self.token and self.token_file is None and not os.environ.get("SWARM_TOKEN", "").strip()


def server_of(settings: ConnectionSettings) -> str:
    """Returns the address of the server: as given, else that of the project, else the default."""
    state = dialled_project(settings)
    return settings.server or (None if state is None else state.server_address()) or DEFAULT_SERVER


def ca_of(settings: ConnectionSettings) -> Path | None:
    """Returns the CA file: as given, else the one of the project's server, if that is the server to dial."""
    if settings.tls_ca is not None or settings.tls_ca_fingerprint:
        return settings.tls_ca
    state = dialled_project(settings)
    return None if state is None else state.server_ca()


def dialled_project(settings: ConnectionSettings) -> ProjectState | None:
    """Returns the state of the project whose server is dialled; None if the settings name a server or a token.

    It is that of the latest run in this folder, unless that has ended and the project has a server that runs.
    """
    if settings.server or not settings.is_discovered:
        return None
    run = latest_run(working_folder())
    if run is not None and run.server_address():
        return run
    file = discovered_token_file()
    if file is None:
        return run
    project = ProjectState(project=working_folder(), folder=file.parent)
    return project if run is None or project.served() else run


def ended_project(settings: ConnectionSettings) -> ProjectState | None:
    """Returns the state of the project whose server has ended; None if one runs, or there is none."""
    state = dialled_project(settings)
    if state is None or state.served() or not state.db.is_file():
        return None
    return state if (state.folder / TOKEN).is_file() else None


def refuse_operator_in_session(token: str) -> None:
    """Refuses the operator's token that a session has not been given but found.

    A fence against accidents: whoever means harm reads the file. See docs/guarantees.md.
    """
    session_id = os.environ.get("SWARM_SESSION_ID", "")
    if session_id and token.startswith(_OPERATOR_TOKEN):
        raise ProgramExit(
            ExitCode.DENIED,
            f"session {session_id} may not use the operator's token of its project",
            hint="leave orders to people, or pass a token that was made for this by --token-file",
        )


def token_of(settings: ConnectionSettings) -> str:
    """Returns the token: as given, else that of the project, else as `find_token`."""
    if settings.token:
        return settings.token
    state = dialled_project(settings)
    return find_token(settings.token_file) if state is None else read_token(state.folder / TOKEN)
