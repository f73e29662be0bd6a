"""Attempts in containers: a real worker and real podman in front of a fake server."""

import signal
from pathlib import Path

import pytest

from amplifier_swarm.v1 import task_pb2
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, outcome_of, write_script
from support.git_repositories import COMMIT, new_repository, show
from support.sandbox_images import IMAGE, RUNTIME, containers, missing
from swarm_worker.guard.procfs import descendants, send_signal

pytestmark = pytest.mark.slow

CONTAINER = task_pb2.SANDBOX_KIND_CONTAINER
FLAGS = ("--sandbox", "container", "--sandbox-image", IMAGE, "--sandbox-runtime", RUNTIME)
needs_podman = pytest.mark.skipif(bool(missing()), reason=f"no container here: {missing()}")


@needs_podman
async def test_builder_setup_and_checks_run_in_containers_and_the_work_lands(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    build = write_script(
        tmp_path,
        "build",
        f'hostname > built && test -s "$SWARM_PROMPT_FILE" && test ! -e {worker.state}/w1/lock'
        f" && git add built && {COMMIT} -m one && touch ~/only-mine",
    )
    worker.start("--workspace", "clone", *FLAGS, builder=build)
    checks = ["test $(hostname) = sandbox", "test ! -e ~/only-mine", "grep -q set-up set-up.txt"]
    task = claim(
        "t1",
        sandbox=CONTAINER,
        network=task_pb2.NETWORK_ACCESS_NONE,
        limits=task_pb2.ResourceLimits(memory_bytes=256 * 1024**2),
        checks=checks,
        setup=["hostname | sed s/sandbox/set-up/ > set-up.txt"],
    )

    outcome = await outcome_of(fake, worker, task)

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert show(worker.project, "swarm/main", "built").splitlines() == ["sandbox"]
    announced = fake.registered[0].enforcement
    assert (list(announced.sandboxes), announced.no_network) == ([CONTAINER], True)
    assert announced.limits.memory_bytes > 256 * 1024**2
    assert containers(_label(worker)) == ""


@needs_podman
async def test_a_worker_that_is_killed_with_its_guards_leaves_no_container_after_its_next_start(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    build = write_script(tmp_path, "build", "touch running; sleep 600\n")
    worker.start(*FLAGS, builder=build)
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("t1")])
    await worker.until((worker.project / "running").exists, what="the session runs")
    label = _label(worker)
    assert containers(label)

    _kill_with_guards(worker)
    worker.start(*FLAGS, builder=build)
    await worker.until(lambda: len(fake.registered) > 1, what="the next process registers")

    assert containers(label) == ""


async def test_an_image_that_is_not_there_is_named_and_nothing_is_downloaded(worker: WorkerProcess) -> None:
    if missing().startswith("no podman"):
        pytest.skip(missing())
    worker.start("--sandbox", "container", "--sandbox-image", "localhost/no-such-image", builder="/bin/true")

    assert await worker.exit_code() == 2
    assert (
        "--sandbox container is refused here: the image localhost/no-such-image is not on this" in worker.err
    )
    assert "podman pull localhost/no-such-image" in worker.err


@needs_podman
async def test_check_starts_a_container_with_the_program_of_each_role(worker: WorkerProcess) -> None:
    worker.start("--check", *FLAGS, builder="/bin/true")

    assert await worker.exit_code() == 0, worker.out + worker.err
    lines = worker.out.splitlines()
    assert (
        f"ok    sandbox: podman with {IMAGE} makes one for every session, with and without a network" in lines
    )
    assert [line for line in lines if line.startswith("ok    limits: can be set")]


@needs_podman
async def test_check_fails_if_the_image_lacks_the_program(worker: WorkerProcess) -> None:
    worker.start("--check", *FLAGS, builder="/usr/bin/podman")

    assert await worker.exit_code() == 1
    assert "the builder can't be started in it: /usr/bin/podman is not there" in worker.out


def _label(worker: WorkerProcess) -> str:
    instance = (worker.state / "w1" / "instance").read_text(encoding="ascii")
    return f"swarm.state={instance[:12]}"


def _kill_with_guards(worker: WorkerProcess) -> None:
    """Kills the worker, its fork server and its guards at once, so that none of them can end the session."""
    own = [each for each in descendants(worker.pid) if _name(each.pid).startswith("python")]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        worker.signal(number)
        for process in own:
            send_signal(process, number)
    worker.end()


def _name(pid: int) -> str:
    return Path("/proc", str(pid), "comm").read_text(encoding="utf-8")
