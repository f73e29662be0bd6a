"""Errors of the server: each has its exit code, one line and a hint."""

from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import trustme

from amplifier_swarm.errors import Violation, WireError
from amplifier_swarm.exits import ExitCode
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmResponse
from support.operator import FakeOperator, serving
from support.programs import free_port
from swarmctl.api.errors import BY_REASON
from unit.client.conftest import Ctl

Code = grpc.StatusCode

# The reasons that only a worker gets.
CODES = {
    "TASK_NOT_FOUND": (Code.NOT_FOUND, 3),
    "HOLD_REFUSED": (Code.FAILED_PRECONDITION, 7),
    "WORKER_CONNECTED": (Code.FAILED_PRECONDITION, 7),
    "TASK_AMBIGUOUS": (Code.INVALID_ARGUMENT, 2),
    "WORKER_NOT_FOUND": (Code.NOT_FOUND, 3),
    "SESSION_NOT_FOUND": (Code.NOT_FOUND, 3),
    "RESULT_NOT_FOUND": (Code.NOT_FOUND, 3),
    "TOKEN_NOT_FOUND": (Code.NOT_FOUND, 3),
    "BUDGET_NOT_FOUND": (Code.NOT_FOUND, 3),
    "CHANGE_NOT_FOUND": (Code.NOT_FOUND, 3),
    "ARTIFACT_NOT_FOUND": (Code.NOT_FOUND, 3),
    "ARTIFACT_REFUSED": (Code.RESOURCE_EXHAUSTED, 1),
    "INVALID_TASKS": (Code.INVALID_ARGUMENT, 2),
    "INVALID_REQUEST": (Code.INVALID_ARGUMENT, 2),
    "INVALID_STATUS": (Code.FAILED_PRECONDITION, 7),
    "TASKS_ACTIVE": (Code.FAILED_PRECONDITION, 7),
    "WORKER_NAME_TAKEN": (Code.ALREADY_EXISTS, 7),
    "REHEARSAL_REFUSED": (Code.FAILED_PRECONDITION, 7),
    "STREAM_REPLACED": (Code.ABORTED, 7),
    "SERVER_STOPPING": (Code.UNAVAILABLE, 5),
    "TOO_MANY_STREAMS": (Code.RESOURCE_EXHAUSTED, 1),
    "STORAGE_FULL": (Code.RESOURCE_EXHAUSTED, 1),
    "STORAGE_FAILED": (Code.UNAVAILABLE, 5),
    "TOKEN_INVALID": (Code.UNAUTHENTICATED, 6),
    "TOKEN_EXPIRED": (Code.UNAUTHENTICATED, 6),
    "JOIN_REFUSED": (Code.PERMISSION_DENIED, 4),
    "ROLE_DENIED": (Code.PERMISSION_DENIED, 4),
    "DASHBOARD_OFF": (Code.FAILED_PRECONDITION, 7),
    "SESSION_OVER": (Code.UNAUTHENTICATED, 6),
    "FOLLOW_UP_REFUSED": (Code.FAILED_PRECONDITION, 7),
}


def test_every_reason_of_the_contract_has_a_meaning() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name, _ in ErrorReason.items()} - {"UNSPECIFIED"}

    assert set(BY_REASON) == set(CODES) == names


@pytest.mark.parametrize("reason", CODES)
def test_a_reason_gives_its_exit_code_and_its_hint(ctl: Ctl, operator: FakeOperator, reason: str) -> None:
    code, exit_code = CODES[reason]
    operator.answers["GetTask"] = WireError(code, "no such thing", reason)

    result = ctl("show", "x")

    hint = BY_REASON[reason].hint
    assert (result.code, result.out) == (exit_code, "")
    assert result.err == f"swarmctl: no such thing{'; ' if hint else ''}{hint}\n"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (Code.NOT_FOUND, ExitCode.NOT_FOUND),
        (Code.INVALID_ARGUMENT, ExitCode.USAGE),
        (Code.FAILED_PRECONDITION, ExitCode.CONFLICT),
        (Code.UNAUTHENTICATED, ExitCode.UNAUTHENTICATED),
        (Code.PERMISSION_DENIED, ExitCode.DENIED),
        (Code.UNIMPLEMENTED, ExitCode.UNREACHABLE),
        (Code.DEADLINE_EXCEEDED, ExitCode.UNREACHABLE),
        (Code.INTERNAL, ExitCode.NEGATIVE),
    ],
)
def test_an_error_of_another_kind_of_server_goes_by_its_status(
    ctl: Ctl, operator: FakeOperator, code: grpc.StatusCode, exit_code: ExitCode
) -> None:
    operator.answers["GetTask"] = WireError(code, "oh", "A_NEW_REASON" if code is Code.NOT_FOUND else "")

    result = ctl("show", "x")

    assert result.code == exit_code
    assert result.err.count("\n") == 1


def test_the_hint_of_the_server_is_not_followed_by_another(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetTask"] = WireError(
        Code.NOT_FOUND, "no task 'biuld'; did you mean 'build'?", "TASK_NOT_FOUND"
    )

    assert ctl("show", "biuld").err == "swarmctl: no task 'biuld'; did you mean 'build'?\n"


def test_faults_of_a_request_are_reported_by_field(ctl: Ctl, operator: FakeOperator) -> None:
    faults = [Violation("cause", "must be shorter"), Violation("dependency", "dependency cycle: a -> a")]
    operator.answers["EmergencyStop"] = WireError(
        Code.INVALID_ARGUMENT, "2 faults", "INVALID_REQUEST", {}, faults
    )

    result = ctl("emergency-stop", "--cause", "x")

    assert result.code == 2
    assert result.err == "swarmctl: cause: must be shorter; dependency cycle: a -> a\n"


def test_a_message_can_not_forge_a_second_line_or_steer_the_terminal(
    ctl: Ctl, operator: FakeOperator
) -> None:
    operator.answers["GetTask"] = WireError(Code.NOT_FOUND, "no\nroot: \x1b[31mok\u202e", "TASK_NOT_FOUND")

    err = ctl("show", "x").err

    assert err == "swarmctl: no root: \\x1b[31mok\\u202e; `swarmctl list` shows the ids\n"


def test_a_missing_server_is_reported_with_its_address(alone: Ctl) -> None:
    server = f"127.0.0.1:{free_port()}"

    result = alone("--server", server, "kill", "a")

    assert result.code == 5
    assert result.err == (
        f"swarmctl: no swarmd answers at {server}; start one with `swarmd`, or give --server\n"
    )


def test_an_unknown_host_is_reported_as_such(alone: Ctl) -> None:
    result = alone("--server", "nohost.invalid:7433", "status")

    assert result.code == 5
    assert result.err == "swarmctl: no such host: nohost.invalid:7433; check --server\n"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def certificate(
    authority: trustme.CA, host: str, *, not_after: datetime | None = None
) -> grpc.ServerCredentials:
    made = authority.issue_cert(host, not_after=not_after)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    return grpc.ssl_server_credentials([(made.private_key_pem.bytes(), chain)])


def test_tls_is_used_where_a_certificate_is_given(alone: Ctl, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    operator = FakeOperator({"GetSwarm": GetSwarmResponse()})

    with serving(operator, certificate(authority, "127.0.0.1")):
        good = alone("--server", operator.address, "--tls-ca", "ca.pem", "status")
        plain = alone("--server", operator.address, "status")

    assert good.code == 0
    assert (plain.code, plain.err.count("\n")) == (5, 1)


def test_a_certificate_of_somebody_else_is_reported_as_such(
    alone: Ctl, authority: trustme.CA, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    operator = FakeOperator({"GetSwarm": GetSwarmResponse()})

    with serving(operator, certificate(authority, "127.0.0.1")):
        result = alone("--server", operator.address, "--tls-ca", "ca.pem", "status")

    assert result.code == 5
    assert result.err == (
        f"swarmctl: nobody vouches for the certificate of {operator.address}; check --tls-ca\n"
    )


def test_a_certificate_for_another_host_is_reported_as_such(
    alone: Ctl, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    operator = FakeOperator({"GetSwarm": GetSwarmResponse()})

    with serving(operator, certificate(authority, "elsewhere.test")):
        result = alone("--server", operator.address, "--tls-ca", "ca.pem", "status")

    assert result.code == 5
    assert result.err == (
        f"swarmctl: the certificate of {operator.address} names another host; check --server\n"
    )


def test_a_certificate_that_has_expired_is_reported_as_such(
    alone: Ctl, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    operator = FakeOperator({"GetSwarm": GetSwarmResponse()})
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)

    with serving(operator, certificate(authority, "127.0.0.1", not_after=long_ago)):
        result = alone("--server", operator.address, "--tls-ca", "ca.pem", "status")

    assert result.code == 5
    assert result.err == (
        f"swarmctl: the certificate of {operator.address} has expired; give the server a new one\n"
    )


def test_a_server_without_tls_is_reported_as_such(
    alone: Ctl, operator: FakeOperator, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    result = alone("--server", operator.address, "--tls-ca", "ca.pem", "status")

    assert result.code == 5
    assert result.err == f"swarmctl: {operator.address} speaks no TLS; leave --tls-ca out\n"


def test_a_file_without_a_certificate_is_reported_as_such(
    alone: Ctl, operator: FakeOperator, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")

    result = alone("--server", operator.address, "--tls-ca", "ca.pem", "status")

    assert result.code == 5
    assert result.err == "swarmctl: the file of --tls-ca holds no certificate; check --tls-ca\n"


@pytest.fixture
def identity(authority: trustme.CA, tmp_path: Path) -> tuple[str, ...]:
    """Writes a client's certificate; returns the flags for it."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own = authority.issue_cert("client")
    own.private_key_pem.write_to_path(str(tmp_path / "own.key"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "own.pem"))
    return ("--tls-ca", "ca.pem", "--tls-cert", "own.pem", "--tls-key", "own.key")


def test_a_server_that_asks_for_a_certificate_is_shown_ours(
    alone: Ctl, authority: trustme.CA, identity: tuple[str, ...]
) -> None:
    operator = FakeOperator({"GetSwarm": GetSwarmResponse()})
    made = authority.issue_cert("127.0.0.1")
    pair = (made.private_key_pem.bytes(), made.cert_chain_pems[0].bytes())
    strict = grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), require_client_auth=True)

    with serving(operator, strict):
        good = alone("--server", operator.address, *identity, "status")
        bare = alone("--server", operator.address, "--tls-ca", "ca.pem", "status")

    assert good.code == 0
    assert bare.code == 5
    assert bare.err.endswith("--tls-cert and --tls-key if it asks for a certificate\n")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--tls-cert", "own.pem"), "--tls-cert and --tls-key go together; give both or neither"),
        (("--tls-key", "own.key"), "--tls-cert and --tls-key go together; give both or neither"),
        (
            ("--tls-cert", "own.pem", "--tls-key", "own.key"),
            "--tls-cert needs TLS; give --tls-ca or --tls-ca-fingerprint too",
        ),
        (
            ("--tls-ca", "ca.pem", "--tls-cert", "ca.pem", "--tls-key", "own.key"),
            (
                "ca.pem and own.key are not a certificate and its key; check --tls-cert and --tls-key; the key must"
                " not be encrypted"
            ),
        ),
        (
            ("--tls-ca", "ca.pem", "--tls-cert", "own.pem", "--tls-key", "ghost"),
            "can't read own.pem or ghost: No such file or directory; check --tls-cert and --tls-key",
        ),
    ],
)
@pytest.mark.usefixtures("identity")
def test_a_certificate_that_is_not_complete_is_one_line(
    alone: Ctl, flags: tuple[str, ...], line: str
) -> None:
    result = alone("--server", "127.0.0.1:1", *flags, "status")

    assert (result.code, result.err) == (2, f"swarmctl: {line}\n")
