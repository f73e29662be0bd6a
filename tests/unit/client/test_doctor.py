"""`swarmctl doctor`: its checks, their grades, and its exit code."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm import __version__
from amplifier_swarm.errors import WireError
from amplifier_swarm.proxy import BYPASS_VARIABLES, VARIABLES
from amplifier_swarm.state_paths import project_state
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode
from support.operator import TOKEN, FakeOperator
from swarmctl.doctor import database, machine
from swarmctl.doctor.check import Check, Grade
from swarmctl.doctor.server import proxy_check
from swarmctl.doctor.worker import read_line
from swarmctl.programs import Programs
from unit.client.conftest import Ctl

NOW = datetime.now(UTC)
WORKER = """\
#!/bin/sh
echo "$@" > calls
{script}
"""


def worker(script: str) -> None:
    """Writes a program that answers `swarm-worker --check`."""
    Path("swarm-worker").write_text(WORKER.format(script=script))
    Path("swarm-worker").chmod(0o700)


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets up a work tree, room on the disk, and a worker without faults."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    usage = shutil._ntuple_diskusage(10**12, 0, 10**12)
    monkeypatch.setattr("swarmctl.doctor.machine.shutil.disk_usage", lambda _: usage)
    worker('echo "ok    runner: embedded"')
    programs = Programs(("no swarmd is started",), (str(tmp_path / "swarm-worker"),))
    monkeypatch.setattr("swarmctl.commands.doctor.installed", lambda: programs)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


@pytest.fixture
def well(operator: FakeOperator) -> Swarm:
    """A swarm without faults."""
    swarm = Swarm(
        mode=SwarmMode.SWARM_MODE_RUNNING,
        version=__version__,
        last_event_seq=7,
        started_at=stamp(NOW),
    )
    operator.answers |= {
        "GetSwarm": lambda _: wire.GetSwarmResponse(swarm=swarm, now=stamp(datetime.now(UTC))),
        "ListTokens": wire.ListTokensResponse(),
    }
    return swarm


def report(run: Ctl, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Returns the exit code of the doctor, and its checks by name."""
    result = run("doctor", *arguments, "-o", "json")
    document = json.loads(result.out)
    assert document["ok"] == (result.code == 0)
    return result.code, {check["check"]: check for check in document["checks"]}


def test_where_all_is_well_it_ends_with_0(ctl: Ctl, operator: FakeOperator, well: Swarm) -> None:
    result = ctl("doctor")

    assert result.code == 0
    lines = [line.split(None, 2) for line in result.out.splitlines()]
    assert [line[0] for line in lines[1:-1]] == ["ok"] * 13
    assert result.out.splitlines()[-1] == "13 checks: 0 failed, 0 warnings"
    assert f"swarmd {__version__} answers at {operator.address}" in result.out
    assert "its role is operator" in result.out


def test_the_report_is_data_too(ctl: Ctl, well: Swarm) -> None:
    code, checks = report(ctl)

    assert code == 0
    assert checks["worker: runner"] == {
        "check": "worker: runner",
        "grade": "ok",
        "found": "embedded",
        "hint": None,
    }


def test_what_is_not_proven_is_told_and_fails_nothing(ctl: Ctl, well: Swarm) -> None:
    worker('echo "open  model: not asked; --check --ask asks for one word"')

    code, checks = report(ctl)
    assert (code, checks["worker: model"]["grade"], checks["worker: model"]["found"]) == (
        0,
        "open",
        "not asked",
    )
    assert "--ask" in checks["worker: model"]["hint"]
    assert "--ask" not in Path("calls").read_text()
    assert ctl("doctor", "--ask").out.splitlines()[-1].endswith("0 failed, 0 warnings, 1 not proven")
    assert "--ask" in Path("calls").read_text()


def test_without_a_server_that_check_fails_and_the_others_are_made(alone: Ctl) -> None:
    code, checks = report(alone, "--server", "127.0.0.1:1")

    assert code == 1
    assert checks["server"]["grade"] == "fail"
    assert checks["server"]["found"] == "no swarmd answers at 127.0.0.1:1"
    assert checks["server"]["hint"] == "start one with `swarmd`, or give --server"
    assert checks["worker: runner"]["grade"] == "ok"


def test_before_a_run_no_server_is_looked_for(alone: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARM_TOKEN")

    code, checks = report(alone, "--no-server")

    assert code == 0
    assert not {"server", "token", "token file"} & set(checks)
    state = project_state(Path()).folder
    assert checks["state folder"]["found"] == f"{state} is not there yet; the first start makes it"


def test_without_a_token_the_server_can_not_be_asked(alone: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARM_TOKEN")

    code, checks = report(alone)

    assert (code, checks["server"]["grade"]) == (1, "fail")
    assert checks["server"]["found"].startswith("no token: ")


def test_a_wrong_token_is_reported(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_TOKEN", "another")

    code, checks = report(ctl)

    assert (code, checks["server"]["found"]) == (1, "unknown token")


def denied(role: str) -> WireError:
    return WireError(grpc.StatusCode.PERMISSION_DENIED, "no", "ROLE_DENIED", {"role": role, "method": "X"})


@pytest.mark.parametrize(
    ("tls", "found"),
    [
        (False, "far:1 is dialled directly; a proxy of the environment is not used for it"),
        (True, "far:1 is reached through the proxy of $https_proxy; no_proxy excludes hosts"),
    ],
)
def test_the_proxy_before_the_server_is_named(
    monkeypatch: pytest.MonkeyPatch, *, tls: bool, found: str
) -> None:
    for name in (*VARIABLES, *BYPASS_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    assert list(proxy_check("far:1", tls=tls)) == []

    monkeypatch.setenv("https_proxy", "http://proxy:3128")

    [check] = proxy_check("far:1", tls=tls)
    assert (check.name, check.found) == ("proxy", found)


def test_the_role_of_a_viewer_is_reported(ctl: Ctl, operator: FakeOperator, well: Swarm) -> None:
    operator.answers["ListTokens"] = denied("viewer")

    code, checks = report(ctl)

    assert (code, checks["token"]["found"]) == (0, "its role is viewer")


def test_a_token_for_workers_is_good_for_them_alone(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetSwarm"] = denied("worker")

    code, checks = report(ctl)

    assert (code, checks["token"]["grade"]) == (0, "warn")
    assert checks["token"]["found"].endswith("takes this token for a worker's")


def test_versions_that_differ_are_a_warning(ctl: Ctl, well: Swarm) -> None:
    well.version = "9.9.9"

    code, checks = report(ctl)

    assert (code, checks["versions"]["grade"]) == (0, "warn")
    assert checks["versions"]["found"] == f"client {__version__}, server 9.9.9"


def test_a_swarm_that_starts_nothing_is_a_warning_and_a_refusing_provider_a_fault(
    ctl: Ctl, well: Swarm
) -> None:
    well.mode, well.cause = SwarmMode.SWARM_MODE_PAUSED, "lunch"
    well.paused_runners.add(runner="amplifier", cause="401")

    code, checks = report(ctl)

    assert code == 1
    assert (checks["mode"]["grade"], checks["mode"]["found"]) == ("warn", "paused: lunch")
    assert (checks["provider"]["grade"], checks["provider"]["found"]) == ("fail", "amplifier is paused: 401")


@pytest.mark.parametrize(("off_s", "side"), [(600, "600 s ahead of ours"), (-600, "600 s behind ours")])
def test_a_server_s_clock_that_differs_is_a_warning(
    ctl: Ctl, operator: FakeOperator, well: Swarm, off_s: int, side: str
) -> None:
    def answer(_: wire.GetSwarmRequest) -> wire.GetSwarmResponse:
        # Half a second covers the duration of the call.
        there = datetime.now(UTC) + timedelta(seconds=off_s + (0.5 if off_s > 0 else -0.5))
        return wire.GetSwarmResponse(swarm=well, now=stamp(there))

    operator.answers["GetSwarm"] = answer

    code, checks = report(ctl)

    assert (code, checks["clock"]["grade"]) == (0, "warn")
    assert checks["clock"]["found"] == f"the server's clock is {side}"


def test_a_server_of_before_that_sends_no_time_is_a_warning(
    ctl: Ctl, operator: FakeOperator, well: Swarm
) -> None:
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=well)

    code, checks = report(ctl)
    assert (code, checks["clock"]["grade"]) == (0, "warn")


def test_a_token_file_that_others_may_read_fails(alone: Ctl) -> None:
    Path("token").write_text(TOKEN)
    Path("token").chmod(0o644)

    code, checks = report(alone, "--no-server", "--token-file", "token")

    assert (code, checks["token file"]["grade"]) == (1, "fail")
    assert checks["token file"]["hint"] == "chmod 600 token, or give the token in the variable SWARM_TOKEN"


@pytest.mark.parametrize(("mode", "grade"), [(0o700, "ok"), (0o750, "fail"), (0o701, "fail")])
def test_the_state_folder_is_for_its_owner_alone(alone: Ctl, mode: int, grade: str) -> None:
    Path("state").mkdir()
    Path("state").chmod(mode)

    code, checks = report(alone, "--no-server", "--db", "state/swarm.db")

    assert (code, checks["state folder"]["grade"]) == (int(grade == "fail"), grade)
    assert checks["state folder"]["hint"] == ("chmod 700 state" if grade == "fail" else None)


def test_a_state_folder_that_is_a_file_fails(alone: Ctl) -> None:
    Path("state").touch()

    _, checks = report(alone, "--no-server", "--db", "state/swarm.db")

    assert (checks["state folder"]["grade"], checks["state folder"]["found"]) == (
        "fail",
        "state is not a directory",
    )


@pytest.mark.parametrize(("mode", "grade"), [(0o600, "ok"), (0o644, "fail"), (0o660, "fail")])
def test_the_database_is_for_its_owner_alone(alone: Ctl, mode: int, grade: str) -> None:
    Path("state").mkdir(mode=0o700)
    Path("state/swarm.db").write_bytes(b"x" * 1_500_000)
    Path("state/swarm.db").chmod(mode)
    Path("state/swarm.db-wal").write_bytes(b"x" * 500_000)

    code, checks = report(alone, "--no-server", "--db", "state/swarm.db")

    assert (code, checks["database"]["grade"]) == (int(grade == "fail"), grade)
    if grade == "ok":
        assert checks["database"]["found"] == "state/swarm.db has 2.0 MB"
    else:
        assert checks["database"]["hint"] == "`chmod 600 state/swarm.db` if it is yours, or give another --db"


def test_a_large_database_warns_and_names_the_way_to_shrink_it(
    alone: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LARGE_BYTES", 999)
    Path("state").mkdir(mode=0o700)
    Path("state/swarm.db").write_bytes(b"x" * 1_000)
    Path("state/swarm.db").chmod(0o600)

    code, checks = report(alone, "--no-server", "--db", "state/swarm.db")

    assert (code, checks["database"]["grade"]) == (0, "warn")
    assert "`swarmd --db state/swarm.db --compact`" in checks["database"]["hint"]


def test_a_project_that_is_not_a_directory_fails(alone: Ctl) -> None:
    code, checks = report(alone, "--no-server", "--project-root", "nowhere")

    assert (code, checks["project"]["found"]) == (1, "nowhere is not a directory")


def test_a_project_that_is_not_a_work_tree_is_a_warning(alone: Ctl, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / ".git")

    code, checks = report(alone, "--no-server")

    assert (code, checks["git"]["grade"]) == (0, "warn")
    assert checks["git"]["hint"] == "`git init .` lets validators see what changed"


def test_a_machine_without_git_is_a_warning(alone: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmctl.doctor.machine.shutil.which", lambda _: None)

    code, checks = report(alone, "--no-server")

    assert (code, checks["git"]["found"]) == (0, "git is not on PATH")


@pytest.mark.parametrize(
    ("free_bytes", "grade"), [(10**8, Grade.FAIL), (10**9, Grade.WARN), (10**10, Grade.OK)]
)
def test_a_full_disk_fails_and_a_nearly_full_one_warns(free_bytes: int, grade: Grade) -> None:
    assert machine.disk_check("disk", Path(), free_bytes).grade is grade


@pytest.mark.parametrize(
    ("version", "grade"),
    [((3, 10, 9), Grade.FAIL), ((3, 11, 0), Grade.OK), ((3, 13, 9), Grade.OK), ((3, 14, 0), Grade.WARN)],
)
def test_a_python_that_is_not_tested_is_reported(version: tuple[int, ...], grade: Grade) -> None:
    assert machine.python_check(version).grade is grade


def test_the_worker_is_asked_with_the_flags_it_would_be_started_with(alone: Ctl) -> None:
    report(alone, "--no-server", "--runner", "command", "--builder-command", "make it", "--pass-env", "KEY")

    assert Path("calls").read_text() == (
        "--check --project-root . --runner command --builder-command make it --pass-env KEY\n"
    )


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("ok    provider: a key is set; fine", Check("worker: provider", Grade.OK, "a key is set; fine")),
        ("fail  disk: it is full; free some", Check("worker: disk", Grade.FAIL, "it is full", "free some")),
        ("[WARN] odd", Check("worker", Grade.WARN, "odd")),
        ("prepared \x1b[2J", Check("worker", Grade.OK, "prepared \\x1b[2J")),
    ],
)
def test_a_line_of_the_worker_is_read_whatever_it_looks_like(line: str, check: Check) -> None:
    assert read_line(line) == check


@pytest.mark.parametrize(
    ("script", "found", "hint"),
    [
        (
            "echo 'swarm-worker: unrecognized arguments: --check; see it' >&2; exit 2",
            "this swarm-worker knows no --check",
            "install it in the version of swarmctl",
        ),
        (
            "echo noise >&2; echo 'swarm-worker: no runner here; get one' >&2; exit 2",
            "no runner here",
            "get one",
        ),
        ("exit 3", "swarm-worker --check ended with exit code 3", "run it by itself to see why"),
        ("exit 0", "swarm-worker --check said nothing", "install swarmctl and swarm-worker together"),
    ],
)
def test_a_worker_that_makes_no_checks_is_a_failed_one(
    alone: Ctl, script: str, found: str, hint: str
) -> None:
    worker(script)

    code, checks = report(alone, "--no-server")

    assert (code, checks["worker"]["grade"]) == (1, "fail")
    assert (checks["worker"]["found"], checks["worker"]["hint"]) == (found, hint)


def test_a_fault_of_a_worker_is_not_reported_twice(alone: Ctl) -> None:
    worker("echo 'fail  binary: none on PATH; install it'; echo 'swarm-worker: 1 check failed' >&2; exit 1")

    code, checks = report(alone, "--no-server")

    assert (code, checks["worker: binary"]["found"]) == (1, "none on PATH")
    assert "worker" not in checks


def test_a_worker_that_is_not_installed_is_a_failed_check(alone: Ctl) -> None:
    Path("swarm-worker").unlink()

    code, checks = report(alone, "--no-server")

    assert (code, checks["worker"]["found"]) == (1, "can't start swarm-worker: No such file or directory")


def test_a_worker_that_hangs_is_given_up(alone: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmctl.doctor.worker.WITHIN_S", 0.01)
    worker("exec sleep 60")

    code, checks = report(alone, "--no-server")

    assert (code, checks["worker"]["hint"]) == (1, "run it by itself to see where")
