"""R1–R3: steps per second of many workers. A step is a go, or an outcome with the next claim; each is
durable.

The reference is the echo server under the same load program.
"""

import statistics
from collections.abc import Iterator

from measure import Finding, Pairs, Setting, at_least
from programs import Running, add_tasks, echo, run, swarmd

SECONDS = 3
# More than any server completes in one run.
TASKS = 25_000


def single_findings(setting: Setting) -> Iterator[Finding]:
    """Measures R1."""
    pairs = Pairs()
    cost_us: list[float] = []
    bare_us: list[float] = []
    with echo() as bare, swarmd() as server:
        for number in range(setting.pairs):
            add_tasks(server, TASKS, prefix=f"single-{number}")
            (ours, us), (reference, reference_us) = (
                measured_steps(server, 200, 1),
                measured_steps(bare, 200, 1),
            )
            pairs.add(ours, reference)
            cost_us.append(us)
            bare_us.append(reference_us)
    costs = {"server µs": statistics.median(cost_us), "echo µs": statistics.median(bare_us)}
    beside = pairs.beside("steps/s", "echo/s") | costs
    yield Finding("R1", "steps/s of 200 workers ÷ bare echo", pairs.ratios, at_least(0.5), beside=beside)


def gathered_findings(setting: Setting) -> Iterator[Finding]:
    """Measures R2."""
    pairs = Pairs()
    with echo() as bare, swarmd() as server:
        for number in range(setting.pairs):
            add_tasks(server, TASKS, prefix=f"gathered-{number}")
            pairs.add(measured_steps(server, 16, 10)[0], measured_steps(bare, 16, 1)[0])
    yield Finding(
        "R2", "steps/s of 16 workers of 10 slots ÷ bare echo, 16 streams", pairs.ratios, at_least(1.5),
        beside=pairs.beside("steps/s", "echo/s"),
    )  # fmt: skip


def slow_findings(setting: Setting) -> Iterator[Finding]:
    """Measures R3."""
    pairs = Pairs()
    with swarmd() as quick, swarmd(slow_fsync=True) as slow:
        for number in range(setting.pairs):
            for server in (quick, slow):
                add_tasks(server, TASKS, prefix=f"slow-{number}")
            pairs.add(measured_steps(slow, 200, 1)[0], measured_steps(quick, 200, 1)[0])
    yield Finding(
        "R3", "steps/s of 200 workers, +5 ms per fsync ÷ without", pairs.ratios, at_least(0.55),
        beside=pairs.beside("slow/s", "quick/s"),
    )  # fmt: skip


def measured_steps(server: Running, workers: int, slots: int) -> tuple[float, float]:
    """Steps a second, and the processor time of the server for one, in microseconds."""
    before = server.cpu_s()
    endpoint = server.endpoint
    done = run("load.py", endpoint.server, endpoint.token, workers, slots, SECONDS)
    assert not done["refused"], done["refused"]
    return done["per_s"], 1e6 * (server.cpu_s() - before) / (done["per_s"] * (SECONDS + 1))
