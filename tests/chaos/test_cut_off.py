"""Workers that can't be reached or don't run: they stop by themselves in time, and their late results are archived."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.arena import Arena, arena
from chaos.proxy import CLEAN, Toxics, Way
from support.ledger import Ledger
from support.plans import write_plan
from support.programs import alive
from support.waiting import until

pytestmark = pytest.mark.slow
GONE = Toxics(hole=Way.BOTH)

# Signs of life from one clock for all (the machine's uptime), until the test lets the session end.
LIVING = """\
while [ ! -e {folder}/release-$SWARM_ATTEMPT ]; do
  read up idle < /proc/uptime
  echo "lives $SWARM_TASK_ID $SWARM_ATTEMPT $up" >> {path}
  sleep 0.02
done
"""


class Scene:
    """A server, workers behind lanes, and one task whose sessions run until they are released."""

    def __init__(self, found: Arena, ledger: Ledger) -> None:
        self.arena = found
        self.ledger = ledger

    @property
    def task(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.arena.stage.ctl("show", "a", "-o", "json").stdout)
        return shown

    def start(self, workers: int = 1) -> None:
        """Starts the workers; the first one runs the task."""
        self.arena.enlist(1)
        until(lambda: self.lives(1), "the session lives")
        self.arena.enlist(workers - 1)
        for worker in self.arena.workers[1:]:
            worker.ready()

    def release(self, attempt: int) -> None:
        """Lets the session of that attempt end."""
        (self.arena.stage.folder / f"release-{attempt}").touch()

    def lives(self, attempt: int) -> list[float]:
        """Returns the moments at which the session of that attempt lived, in seconds of uptime."""
        return [
            float(line[3]) for line in self.ledger.lines() if line[0] == "lives" and line[2] == str(attempt)
        ]

    def until_suspect(self) -> None:
        """Waits until the server has noticed that the first worker is silent."""
        workers = self.arena.stage.workers
        until(lambda: workers()["w0"]["status"] == "suspect", "the server notices the silence")

    def gone(self) -> bool:
        """Returns whether no session is alive."""
        return not any(map(alive, self.ledger.pids()))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    ledger = Ledger(tmp_path / "ledger")
    script = ledger.script(middle=LIVING.format(folder=tmp_path, path=ledger.path))
    with arena(tmp_path, script) as found:
        write_plan(tmp_path / "plan.yaml", {"a": []})
        found.stage.ctl("import", "plan.yaml")
        yield Scene(found, ledger)


@pytest.mark.parametrize("hole", [Way.BOTH, Way.UP], ids=["both ways", "up"])
def test_a_worker_that_is_cut_off_fences_itself_before_its_task_is_given_away(
    scene: Scene, hole: Way
) -> None:
    scene.start(workers=2)

    scene.arena.lanes[0].set(Toxics(hole=hole))

    until(lambda: scene.lives(2), "the task runs elsewhere")
    assert scene.lives(1)[-1] < scene.lives(2)[0]
    assert not alive(scene.ledger.pids()[0])
    scene.arena.lanes[0].set(CLEAN)
    scene.release(2)
    scene.arena.stage.until_status("a", "completed")
    assert scene.ledger.starts("a") == 2


def test_a_late_result_of_a_worker_that_stood_still_is_archived_and_changes_nothing(scene: Scene) -> None:
    scene.start(workers=2)
    zombie = scene.arena.workers[0]

    zombie.send(signal.SIGSTOP)
    scene.release(1)  # its session does its work and ends; the worker does not notice
    until(lambda: scene.lives(2), "another worker runs the task")
    assert scene.lives(1)[-1] < scene.lives(2)[0]
    zombie.send(signal.SIGCONT)

    late = until(lambda: scene.task["attempts"][0].get("late_results"), "the late result is in the archive")
    assert [result["outcome"] for result in late] == ["completed"]
    shown = scene.task
    assert (shown["status"], shown["attempt"], shown["worker"]) == ("in_progress", 2, "w1")
    until(lambda: not scene.arena.outbox(0), "the worker has its answer")
    scene.release(2)
    scene.arena.stage.until_status("a", "completed")
    attempts = scene.task["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["lost", "completed"]
    assert scene.ledger.starts("a") == 2


def test_the_session_of_a_worker_that_stands_still_is_fenced_by_its_guard(scene: Scene) -> None:
    scene.start(workers=2)

    scene.arena.workers[0].send(signal.SIGSTOP)

    until(lambda: scene.lives(2), "another worker runs the task")
    assert scene.lives(1)[-1] < scene.lives(2)[0]
    assert not alive(scene.ledger.pids()[0])
    scene.arena.workers[0].send(signal.SIGCONT)
    scene.release(2)
    scene.arena.stage.until_status("a", "completed")


def test_a_kill_reaches_a_worker_without_a_stream_by_its_heartbeats(scene: Scene) -> None:
    scene.start()
    # A worker that takes no more claims opens no stream again.
    scene.arena.workers[0].send(signal.SIGTERM)
    until(lambda: "draining" in scene.arena.stage.ctl("workers").stdout, "the server knows that it drains")
    scene.arena.lanes[0].reset()
    until(scene.arena.lanes[0].connections, "its heartbeats make a new connection")

    scene.arena.stage.ctl("kill", "a")

    assert scene.gone()
    assert scene.task["status"] == "killed"
    assert scene.task["attempts"][0]["kill_receipt"]["survivors"] == 0


def test_a_kill_in_a_black_hole_is_obeyed_when_the_hole_closes(scene: Scene) -> None:
    scene.start()
    scene.arena.lanes[0].set(GONE)

    scene.arena.stage.ctl("kill", "a", "--no-wait")
    assert scene.task["status"] == "killing"
    scene.arena.lanes[0].set(CLEAN)

    scene.arena.stage.until_status("a", "killed")
    assert scene.gone()
    assert scene.ledger.starts("a") == 1


def test_a_kill_says_who_is_silent_and_by_when_the_wait_has_an_end(scene: Scene) -> None:
    scene.start()
    scene.arena.lanes[0].set(GONE)
    scene.until_suspect()

    done = scene.arena.stage.ctl("kill", "a")

    assert "a is held by w0, silent since 20" in done.stderr
    assert "its processes end by themselves by 20" in done.stderr
    assert "its worker is lost and its lease has ended" in done.stdout
    assert scene.gone(), "before the server gave it up"


def test_an_emergency_stop_of_an_unreachable_worker_says_so_and_the_worker_ends_its_sessions_itself(
    scene: Scene,
) -> None:
    scene.start(workers=2)
    scene.arena.lanes[0].set(GONE)
    scene.until_suspect()

    stopped = json.loads(scene.arena.stage.ctl("emergency-stop", "--cause", "fire", "-o", "json").stdout)

    [receipt] = stopped["receipts"]
    assert (receipt["worker"], receipt["reach"]) == ("w0", "unreachable")
    assert receipt["stopped_by"] is not None
    # The hole stays: whatever ends the session, it is not the order.
    until(scene.gone, "the session is gone")
    scene.arena.lanes[0].set(CLEAN)
    scene.arena.stage.until_status("a", "killed")
    assert scene.ledger.starts("a") == 1
    assert scene.task["cause"] == "fire"
