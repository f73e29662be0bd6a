"""A worker does not start where /proc does not show every process, since nothing could be proven there."""

import shutil
import subprocess
import sys

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.guard.procfs import blind_spot
from swarm_worker.preflight import process_tree
from swarm_worker.supervision import supervisor

_PRINT = "from swarm_worker.guard.procfs import blind_spot; print(blind_spot())"
# The interpreter of a test may lie where only root can read.
_AS_NOBODY = (
    "exec setpriv --reuid nobody --regid 65534 --clear-groups --inh-caps=+dac_read_search"
    " --ambient-caps=+dac_read_search"
)


def test_an_ordinary_proc_shows_everything() -> None:
    assert blind_spot() == ""


@pytest.mark.parametrize(
    ("within", "reason"),
    [
        ('mount -t tmpfs none /proc; exec "$@"', "/proc is not mounted here"),
        (f'mount -t proc -o hidepid=2 proc /proc; {_AS_NOBODY} "$@"', "/proc hides processes of other users"),
    ],
)
def test_a_proc_that_is_absent_or_hides_processes_is_noticed(within: str, reason: str) -> None:
    assert _blind_spot_of(["unshare", "--mount"], within).startswith(reason)


def test_the_proc_of_another_namespace_is_noticed() -> None:
    assert _blind_spot_of(["unshare", "--pid", "--fork"], 'exec "$@"').startswith(
        "/proc here belongs to another"
    )


def _blind_spot_of(unshare: list[str], within: str) -> str:
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode != 0:
        pytest.skip("no namespaces here")
    argv = [*unshare, "/bin/sh", "-c", within, "sh", sys.executable, "-c", _PRINT]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"not to be had here: {done.stderr.strip()[-200:]}")
    return done.stdout


def test_a_worker_refuses_to_start_and_the_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (supervisor, process_tree):
        monkeypatch.setattr(module, "blind_spot", lambda: "/proc is not mounted here")

    with pytest.raises(
        ProgramExit, match="/proc is not mounted here, so no end of a session could be proven"
    ) as refused:
        supervisor.require_proc()
    probe = process_tree.probe_kill()

    assert refused.value.code is ExitCode.USAGE
    assert (probe.ok, probe.text) == (False, "/proc is not mounted here, so no end could be proven")
