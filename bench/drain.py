"""R4 and R9: no-op tasks through the whole protocol on four worker processes, beside other task queues."""

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import peers_run
from measure import Finding, Pairs, Setting, at_least, at_most
from programs import HERE, add_tasks, folder, start_swarmd

from support.programs import Stage, stage
from support.waiting import until

COUNT = 8_000
SLOTS = 64
FANS = 10


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures R4 against Dramatiq and Huey in pairs, and against the others once each per round."""
    peers_run.install()
    dramatiq, huey = Pairs(), Pairs()
    others: dict[str, list[float]] = {}
    for _ in range(setting.pairs):
        ours = drain_per_s()
        if not _absent(peers_run.DRAMATIQ):
            dramatiq.add(ours, peers_run.drain_per_s(peers_run.DRAMATIQ))
            huey.add(ours, peers_run.drain_per_s(peers_run.HUEY))
        for peer in peers_run.OTHERS:
            if not _absent(peer):
                others.setdefault(peer.name, []).append(ours / peers_run.drain_per_s(peer))
    if dramatiq.ours:
        name = f"drain of no-op tasks, 4 × {SLOTS} slots ÷ {peers_run.DRAMATIQ.name}"
        yield Finding(
            "R4", name, dramatiq.ratios, at_least(1.5),
            beside=dramatiq.beside("tasks/s", "theirs/s"),
        )  # fmt: skip
    for name, ratios in others.items():
        yield Finding("R4", f"… ÷ {name}", ratios, at_least(1.5 if name.startswith("Dramatiq") else 1))
    if huey.ours:
        yield Finding(
            "R4", f"… ÷ {peers_run.HUEY.name} (loses a dead worker's task)", huey.ratios, at_least(1),
            beside=huey.beside("tasks/s", "theirs/s"),
        )  # fmt: skip


def fan_findings(setting: Setting) -> Iterator[Finding]:
    """Measures R9."""
    peers_run.install()
    if _absent(peers_run.HUEY):
        return
    pairs = Pairs()
    for _ in range(setting.pairs):
        ours, theirs = sorted(fan_ms(FANS)), sorted(peers_run.fan_ms(peers_run.HUEY, FANS))
        pairs.add(ours[len(ours) // 2], theirs[len(theirs) // 2])
    yield Finding(
        "R9", "finished → last of four dependents runs, p50 ÷ Huey, Redis", pairs.ratios, at_most(3),
        beside=pairs.beside("ms", "theirs ms"),
    )  # fmt: skip


def drain_per_s(*, count: int = COUNT) -> float:
    """Returns tasks per second from the first that ran to the last; all of them were queued before."""
    with folder() as where, stage(where) as found:
        server = start_swarmd(found)
        add_tasks(server, count)
        with workers(found, "--slots", str(SLOTS)) as stamps:
            until(partial(peers_run.has, stamps, count), "all tasks have run", deadline_s=120)
        return peers_run.rate(stamps)


def fan_ms(times: int) -> list[float]:
    """Returns the same figure as peers_run.fan_ms, with the server's own dependencies."""
    with folder() as where, stage(where) as found:
        start_swarmd(found)
        with workers(found, "--slots", "1") as stamps:
            for number in range(times + 1):
                plan = where / "fan.yaml"
                plan.write_text(_fan(number))
                found.ctl("import", "fan.yaml")
                until(partial(peers_run.has, stamps, 5 * (number + 1)), "the fan has run")
                until(lambda: set(found.statuses().values()) == {"completed"}, "all is reported")
        return peers_run.fans_ms(stamps)[1:]


@contextlib.contextmanager
def workers(found: Stage, *flags: str) -> Iterator[Path]:
    """Starts four worker processes and waits until they have joined; returns the file that their tasks
    write to.
    """
    stamps = found.folder / "stamps"
    os.environ["BENCH_STAMPS"] = str(stamps)
    found.project.mkdir()
    argv = (
        str(HERE / "noop_worker.py"), "--server", found.address, "--project-root", str(found.project),
        "--runner", "command", "--builder-command", "true", "--no-validation", "--log-level", "error", *flags,
    )  # fmt: skip
    started = [found.start(f"w{n}", *argv, "--name", f"w{n}", program=sys.executable) for n in range(4)]
    for worker in started:
        worker.ready()
    yield stamps


def _fan(number: int) -> str:
    first = f"  - {{id: end-{number}, name: first}}\n"
    line = "  - {{id: start-{n}-{k}, name: next, dependencies: [end-{n}]}}\n"
    return "tasks:\n" + first + "".join(line.format(n=number, k=k) for k in range(4))


def _absent(peer: peers_run.Peer) -> bool:
    if lack := peers_run.missing(peer):
        print(f"  left out: {peer.name} {lack}")
    return bool(lack)
