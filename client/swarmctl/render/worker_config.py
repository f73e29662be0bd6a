"""The settings of a worker on another machine, as a file of variables."""

from dataclasses import dataclass

from amplifier_swarm.documents import Document
from amplifier_swarm.text import printable
from swarmctl.render.blocks import Blocks, Prose


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The things that a worker needs to find its server and to be let in."""

    address: str
    token: str
    # Empty for the name of its host.
    name: str
    # Empty without TLS, and if the server does not show the certificate of its CA.
    fingerprint: str
    needs_ca: bool

    @property
    def variables(self) -> dict[str, str]:
        """The variables that swarm-worker reads."""
        found = {
            "SWARM_SERVER": self.address,
            "SWARM_TLS_CA_FINGERPRINT": self.fingerprint,
            "SWARM_TOKEN": self.token,
            "SWARM_WORKER_NAME": self.name,
        }
        return {variable: value for variable, value in found.items() if value}


def settings_document(settings: WorkerSettings) -> Document:
    """Returns the variables."""
    return dict(settings.variables)


def settings_blocks(settings: WorkerSettings) -> Blocks:
    """Returns a file for a shell and for EnvironmentFile= of systemd, with the command to type as a comment."""
    lines = [
        "# Settings of a worker. They hold a secret: keep this file as worker.env, chmod 600, on the worker's machine.",
        "# There type, in the folder of the project:",
        "#   sh -c 'set -a; . ./worker.env; exec swarm-worker'",
        "# With systemd: EnvironmentFile=/etc/swarm/worker.env",
    ]
    if settings.needs_ca and not settings.fingerprint:
        lines.append(
            "# The server does not show the certificate of its CA: copy that file, and set SWARM_TLS_CA."
        )
    lines += [f"{variable}={value}" for variable, value in settings.variables.items()]
    return [Prose(printable(line), indent=0) for line in lines]
