"""R1–R3: steps a second of many workers. A step is a go, or an outcome with the next claim; each is durable.

The reference is the echo server under the same load program.
"""

from collections.abc import Iterator

from measure import Finding, Pairs, Setting, at_least
from programs import Running, add_tasks, echo, run, swarmd

SECONDS = 3
# More than any server does in the time of one run.
TASKS = 14_000


def findings(setting: Setting) -> Iterator[Finding]:
    """All three, in rounds."""
    single, gathered, slow = Pairs(), Pairs(), Pairs()
    cost_us = []
    with echo() as bare, swarmd() as quick, swarmd(slow_fsync=True) as disk:
        for number in range(setting.pairs):
            for server in (quick, disk):
                add_tasks(server, TASKS, prefix=f"single-{number}")
            ours, us = _steps(quick, 200, 1)
            cost_us.append(us)
            single.add(ours, _steps(bare, 200, 1)[0])
            slow.add(_steps(disk, 200, 1)[0], ours)
            add_tasks(quick, TASKS, prefix=f"gathered-{number}")
            gathered.add(_steps(quick, 16, 10)[0], _steps(bare, 16, 1)[0])
    yield Finding(
        "R1", "steps/s of 200 workers ÷ bare echo", single.ratios, at_least(0.5),
        beside=single.beside("steps/s", "echo/s") | {"server µs a step": sorted(cost_us)[len(cost_us) // 2]},
    )  # fmt: skip
    yield Finding(
        "R2", "steps/s of 16 workers of 10 slots ÷ bare echo, 16 streams", gathered.ratios, at_least(1.5),
        beside=gathered.beside("steps/s", "echo/s"),
    )  # fmt: skip
    yield Finding(
        "R3", "steps/s of 200 workers, +5 ms per fsync ÷ without", slow.ratios, at_least(0.55),
        beside=slow.beside("slow/s", "quick/s"),
    )  # fmt: skip


def _steps(server: Running, workers: int, slots: int) -> tuple[float, float]:
    """Steps a second, and the processor time of the server for one, in microseconds."""
    before = server.cpu_s()
    endpoint = server.endpoint
    done = run("load.py", endpoint.server, endpoint.token, workers, slots, SECONDS)
    assert not done["refused"], done["refused"]
    return done["per_s"], 1e6 * (server.cpu_s() - before) / (done["per_s"] * (SECONDS + 1))
