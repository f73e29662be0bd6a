"""R15: the memory of an idle worker, of a slot more, and of the guard of a session."""

import compileall
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Finding, Pairs, Setting, at_most
from programs import HERE, add_tasks, echo, folder, memory_kib, start_swarmd

from support.programs import Stage, stage
from support.waiting import until

SLOTS = 100
SETTLE_S = 1.0


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures all three with compiled code, as installed: compilation at each start would cost 3 MiB on
    both sides.
    """
    for package in ("protos", "worker"):
        compileall.compile_dir(HERE.parent / package, quiet=1)
    idle, slot, guard = Pairs(), [], []
    for _ in range(min(3, setting.pairs)):
        with folder() as where, stage(where) as found, echo() as bare:
            start_swarmd(found)
            reference = found.start(
                "bare", str(HERE / "stream.py"), bare.endpoint.server, program=sys.executable
            )
            reference.ready()
            one, many = (_idle(found, f"w{slots}", slots) for slots in (1, SLOTS))
            time.sleep(SETTLE_S)
            idle.add(memory_kib(one), memory_kib(reference.pid))
            slot.append((memory_kib(many) - memory_kib(one)) / 1024 / (SLOTS - 1))
        guard.append(_guard_mib())
    beside = {"MiB": max(idle.ours) / 1024, "bare MiB": max(idle.reference) / 1024}
    yield Finding(
        "R15", "memory of an idle worker ÷ grpc.aio with a stream", idle.ratios, at_most(1.1), beside=beside
    )
    yield Finding("R15", "memory of a slot more", slot, at_most(0.3), unit=" MiB")
    yield Finding("R15", "memory of a guard, shared pages by their share", guard, at_most(12), unit=" MiB")


def _idle(found: Stage, name: str, slots: int) -> int:
    command = ("--runner", "command", "--builder-command", "sleep 60", "--no-validation")
    worker = found.worker(name, "--slots", str(slots), *command)
    worker.ready()
    return worker.pid


def _guard_mib() -> float:
    """Returns the memory of the guard between a worker and a running session."""
    with folder() as where, stage(where) as found:
        server = start_swarmd(found)
        add_tasks(server, 1)
        worker = _idle(found, "w1", 1)
        until(lambda: _sessions(worker), "the session runs")
        time.sleep(SETTLE_S)
        guard = next(pid for pid in _below(worker) if _sleeping_child(pid))
        return memory_kib(guard, "Pss") / 1024


def _sessions(worker: int) -> list[int]:
    return [pid for pid in _below(worker) if _sleeping_child(pid)]


def _sleeping_child(pid: int) -> bool:
    return any(Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep") for child in _children(pid))


def _below(pid: int) -> list[int]:
    found = _children(pid)
    return [*found, *(each for child in found for each in _below(child))]


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
