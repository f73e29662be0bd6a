"""`swarmctl slurm submit`: the job script, what sbatch gets, and what is refused before anything is submitted."""

import json
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode
from amplifier_swarm.v1 import operator_service_pb2 as wire
from contract.repository import ROOT
from support.operator import FakeOperator
from swarmctl.slurm.job import WorkerArray
from unit.client.conftest import Ctl

SUBMIT = ("slurm", "submit", "--workers", "20", "--partition", "gpu")


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An sbatch that keeps the script and gives a job number; alone on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "sbatch"
    program.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/script\necho '42;cluster'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return program


def test_the_script_of_deploy_is_what_the_command_prints() -> None:
    array = WorkerArray(
        workers=20,
        argv=("swarm-worker", "--server", "swarm.example:7433", "--token-file", "/srv/swarm/worker-token",
              "--tls-ca", "/srv/swarm/ca.pem", "--repo", "https://git.example/project.git", "--exit-when-idle", "300",
              "--slots", "2"),
        log=Path("/srv/swarm/logs/slurm-%A_%a.log"),
        partition="gpu",
        time="8:00:00",
        options=("--gres=gpu:1",),
    )  # fmt: skip

    assert (ROOT / "deploy" / "slurm" / "swarm-worker.sbatch").read_text() == array.script()


def test_sbatch_gets_the_script_and_the_job_is_told(ctl: Ctl, operator: FakeOperator, sbatch: Path) -> None:
    operator.answers["ListTokens"] = wire.ListTokensResponse()
    operator.answers["CreateToken"] = wire.CreateTokenResponse(token="swt1_worker_000000000000_secret")

    result = ctl(*SUBMIT, "--slots", "2", "--sbatch=--gres=gpu:1", "--time", "8:00:00", "-o", "json")

    assert result.code == ExitCode.OK, result.err
    document = json.loads(result.out)
    assert (document["job"], document["workers"]) == ("42", 20)
    assert "workers on other nodes can't reach it" in result.err, "the server is on loopback"
    [created] = operator.asked("CreateToken")
    assert created.role == wire.Role.ROLE_WORKER
    script = (sbatch.parent.parent / "script").read_text()
    directives = {
        line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")
    }
    wanted = {
        "--array=1-20",
        "--partition=gpu",
        "--time=8:00:00",
        "--gres=gpu:1",
        "--signal=B:USR1@300",
        "--requeue",
    }
    assert wanted <= directives
    [call] = [line for line in script.splitlines() if line.startswith("set -- ")]
    words = shlex.split(call)
    token = Path(words[words.index("--token-file") + 1])
    assert token.read_text() == "swt1_worker_000000000000_secret\n"
    assert token.stat().st_mode & 0o777 == 0o600
    assert ("--slots", "2") in pairwise(words)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--sbatch", "--x\nrm -rf /"), "is not an option of sbatch; for example --sbatch=--gres"),
        (("--sbatch", "gres"), "'gres' is not an option of sbatch"),
        (("--time", "1\n2"), "is not an option of sbatch"),
        (("--workers", "0"), "--workers"),
    ],
)
def test_what_can_not_work_is_refused_and_nothing_is_submitted(
    ctl: Ctl, operator: FakeOperator, sbatch: Path, flags: tuple[str, ...], line: str
) -> None:
    result = ctl(*SUBMIT, *flags)

    assert (result.code, result.out) == (ExitCode.USAGE, "")
    assert line in result.err
    assert operator.requests == []
    assert not (sbatch.parent.parent / "script").exists()


def test_a_refusal_of_sbatch_is_one_line(ctl: Ctl, sbatch: Path, tmp_path: Path) -> None:
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition\nsbatch: error: more' >&2\nexit 1\n")
    (tmp_path / "token").write_text("swt1_worker_000000000000_secret\n")

    result = ctl(*SUBMIT, "--worker-token-file", str(tmp_path / "token"))

    assert result.code == ExitCode.NEGATIVE
    assert result.err.splitlines()[-1] == (
        "swarmctl: sbatch refuses the job: sbatch: error: invalid partition sbatch: error: more;"
        " nothing was submitted"
    )


def test_without_slurm_the_script_can_be_printed(ctl: Ctl, sbatch: Path, operator: FakeOperator) -> None:
    sbatch.unlink()

    missing, printed = ctl(*SUBMIT, "--worker-token-file", "token"), ctl(*SUBMIT, "--print")

    assert (missing.code, printed.code) == (ExitCode.NEGATIVE, ExitCode.OK)
    assert "sbatch is not on PATH; run this where jobs are submitted, or add --print" in missing.err
    assert printed.out.startswith("#!/bin/sh\n#SBATCH ")
    assert operator.requests == []


def test_workers_know_the_server_by_what_the_command_was_given(ctl: Ctl, tmp_path: Path) -> None:
    fingerprint = f"sha256:{'ab' * 32}"

    pinned = ctl(*SUBMIT, "--print", "--tls-ca-fingerprint", fingerprint)
    named = ctl(*SUBMIT, "--print", "--tls-ca", str(tmp_path / "ca.pem"))

    assert f"--tls-ca-fingerprint {fingerprint}" in pinned.out
    assert f"--tls-ca {tmp_path}/ca.pem" in named.out
