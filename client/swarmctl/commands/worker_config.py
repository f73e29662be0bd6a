"""`swarmctl worker-config`."""

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.proxy import is_loopback_host
from amplifier_swarm.v1.operator_service_pb2 import CreateTokenRequest, Role
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.cli.token_flags import TermFlags
from swarmctl.console import print_err
from swarmctl.render.worker_config import WorkerSettings, settings_blocks, settings_document

if TYPE_CHECKING:
    from amplifier_swarm.channel import Endpoint
    from amplifier_swarm.pinning import VerifiedCertificate

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


def run(
    ctl: CommandContext,
    *,
    address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="How the other machine reaches the server; else a name of the server's certificate.",
        ),
    ] = "",
    name: Annotated[
        str, typer.Option(metavar="ID", help="The worker's name; else it takes its host's.")
    ] = "",
    terms: TermFlags,
) -> None:
    """Makes a join token, which is good once and for a day unless --uses and --expires say otherwise.

    Write the output to a file that only its owner may read. It names the command to type on the other machine.
    """
    _check_name(name, terms)
    endpoint = ctl.endpoint
    shown = _certificate(endpoint)
    reached = _address(endpoint, shown, address)
    request = CreateTokenRequest(
        role=Role.ROLE_WORKER, name=name, valid_for=terms.duration, join=terms.join()
    )
    answer = ctl.stub.CreateToken(request, timeout=DEADLINE_S)
    settings = WorkerSettings(
        reached,
        answer.token,
        name,
        "" if shown is None else shown.fingerprint or "",
        needs_ca=shown is not None,
    )
    ctl.printer.show(settings, settings_document, settings_blocks)
    print_err(f"swarmctl: token {answer.info.token_id}; keep the output secret, nobody can show it again")


def _check_name(name: str, terms: TermFlags) -> None:
    if name and not _NAME.fullmatch(name):
        raise ProgramExit(
            ExitCode.USAGE,
            f"--name {name!r} is not a worker's name",
            hint="letters, digits, . _ - only, at most 128, starting with a letter or digit",
        )
    if name and terms.uses not in (None, 1):
        raise ProgramExit(
            ExitCode.USAGE, "--name is for one worker", hint="leave --name out, or leave --uses out"
        )


def _certificate(endpoint: "Endpoint") -> "VerifiedCertificate | None":
    """Returns the verified certificate of the server; None without TLS."""
    if not endpoint.tls:
        return None
    # Imported here: `--help` need not wait for it.
    from amplifier_swarm.pinning import FirstContactFailed, verified_certificate  # noqa: PLC0415

    try:
        authority = endpoint.pinned_ca or (endpoint.tls_ca.read_bytes() if endpoint.tls_ca else b"")
        return verified_certificate(endpoint, authority)
    except FirstContactFailed as error:
        raise ProgramExit(
            ExitCode.UNREACHABLE,
            f"{endpoint.server} shows no certificate that can be verified ({error})",
            hint="check --server and --tls-ca",
        ) from error


def _address(endpoint: "Endpoint", shown: "VerifiedCertificate | None", given: str) -> str:
    """Returns the address for the other machine; raises ProgramExit if a worker there could not use it."""
    from amplifier_swarm.channel import check_address  # noqa: PLC0415  # as above

    address = check_address(given, name="--address") if given else _usual_address(endpoint, shown)
    host = address.rpartition(":")[0].strip("[]").lower()
    if shown is None:
        if not is_loopback_host(host):
            raise ProgramExit(
                ExitCode.USAGE,
                f"the server has no TLS, so a worker that dials {address} would show its token to the network",
                hint="start swarmd with --tls-auto, or pass the loopback address of a tunnel as --address",
            )
    elif not any(_covers(name, host) for name in shown.names):
        raise ProgramExit(
            ExitCode.USAGE,
            f"the certificate of the server names {', '.join(shown.names)}, and not {host}",
            hint=f"start swarmd with --tls-name {host}, or give another --address",
        )
    return address


def _usual_address(endpoint: "Endpoint", shown: "VerifiedCertificate | None") -> str:
    host, _, port = endpoint.server.rpartition(":")
    if not is_loopback_host(host):
        return endpoint.server
    far = [name for name in (shown.names if shown else ()) if not is_loopback_host(name) and "*" not in name]
    if not far:
        raise ProgramExit(
            ExitCode.USAGE,
            f"swarmd at {endpoint.server} has no address for other machines",
            hint="start it with --listen 0.0.0.0:7433 --tls-auto --tls-name HOST, or give --address",
        )
    return f"[{far[0]}]:{port}" if ":" in far[0] else f"{far[0]}:{port}"


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host
