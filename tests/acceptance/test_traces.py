"""Traces of the real programs, as a collector receives them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.collector import Collector, collector
from support.programs import Stage, stage
from support.waiting import until

pytestmark = pytest.mark.slow
PLAN = """\
tasks:
  - {id: good, checks: ["true"]}
  - {id: flaky, max_retries: 1}
"""
BUILDER = """\
#!/bin/sh
echo "sk-ant-REDACTED-abcdefghijklmnop"
test "$SWARM_TASK_ID$SWARM_ATTEMPT" != flaky1
"""


@pytest.fixture
def traces() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture
def on(tmp_path: Path, traces: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{traces.port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    builder = tmp_path / "builder.sh"
    builder.write_text(BUILDER)
    builder.chmod(0o755)
    (tmp_path / "plan.yaml").write_text(PLAN)
    with stage(tmp_path) as found:
        yield found


def work(on: Stage) -> None:
    """Runs the plan to its end."""
    on.swarmd("--retry-backoff", "0.1")
    on.ctl("import", "plan.yaml")
    worker = on.worker(
        "w1", "--slots", "2", "--runner", "command", "--builder-command", str(on.folder / "builder.sh"),
        "--validator-command", "echo '{\"verdict\": \"PASS\"}'", "--exit-when-done",
    )  # fmt: skip
    assert worker.process.wait(60) == 0


def test_an_attempt_is_one_trace_across_server_and_worker(on: Stage, traces: Collector) -> None:
    work(on)
    until(lambda: len(traces.named("swarmd", "attempt")) == 3, "three attempts were traced")
    until(lambda: len(traces.named("swarm-worker", "work")) == 3, "and the work on each")

    attempts = {
        (a.attributes["swarm.task"], a.attributes["swarm.attempt"]): a
        for a in traces.named("swarmd", "attempt")
    }
    assert attempts.keys() == {("good", 1), ("flaky", 1), ("flaky", 2)}
    assert len({a.trace for a in attempts.values()}) == 3
    good = attempts["good", 1]
    assert (good.parent, good.error, good.attributes["swarm.outcome"]) == ("", "", "completed")
    assert good.lasted_ns > 0
    assert attempts["flaky", 1].error == "agent_error"

    mine = [span for span in traces.spans if span.trace == good.trace]
    [of_work] = [span for span in mine if span.name == "work"]
    [go] = [span for span in mine if span.name == "claim to go"]
    assert of_work.parent == go.parent == good.id
    assert {(s.service, s.name) for s in mine if s.parent == of_work.id} == {
        ("swarm-worker", "builder session"),
        ("swarm-worker", "checks"),
        ("swarm-worker", "validator session"),
    }
    assert "sk-ant" not in repr(traces.spans)


def test_a_collector_that_hangs_delays_neither_work_nor_the_shutdown(on: Stage, traces: Collector) -> None:
    traces.open.clear()

    work(on)
    until(lambda: traces.callers, "an exporter waits for the collector")

    assert on.programs[0].end() == 0


def test_without_the_variable_nothing_is_traced(
    on: Stage, traces: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    work(on)

    assert on.programs[0].end() == 0
    assert traces.callers == 0
