"""A long run in small: stand-ins of Amplifier's programs on real workers, with most faults injected."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.standin.faults import Fault
from fakes.standin.ledger import Ledger
from fakes.standin.script import TRIAL
from support.plans import Plan, random_plan
from support.programs import ROOT, Stage
from support.standins import install, install_library
from support.waiting import until

pytestmark = pytest.mark.slow
EXAMPLES = ROOT / "examples"
TASKS, RETRIES = {"amplifier-agent": 100, "library": 60}, 1
RATES = {
    "builder": {
        "rate_limit": 0.07, "overload": 0.04, "context": 0.02, "crash": 0.05, "exit": 0.03,
        "stall": 0.02, "silent": 0.01, "lie": 0.04, "error_reply": 0.03, "tool_failures": 0.05,
        "slow_start": 0.04, "orphan": 0.05, "noisy": 0.05, "delegate": 0.06,
    },
    "validator": {
        "rate_limit": 0.05, "overload": 0.03, "crash": 0.04, "exit": 0.02, "stall": 0.02, "lie": 0.03,
        "missing_verdict": 0.05, "verdict_prose_then_json_on_repair": 0.06, "broken_json": 0.04, "reject": 0.07,
        "slow_start": 0.03, "orphan": 0.03, "noisy": 0.03, "delegate": 0.04,
    },
}  # fmt: skip
# The failure class of an attempt whose last run had this fault, and a word that its error must contain.
REASONS: Mapping[Fault, tuple[str, str]] = {
    Fault.RATE_LIMIT: ("provider_limited", "RateLimitError"),
    Fault.OVERLOAD: ("provider_limited", "ProviderUnavailableError"),
    Fault.NETWORK: ("provider_limited", "NetworkError"),
    Fault.CONTEXT: ("agent_error", "ContextLengthError"),
    Fault.CRASH: ("crashed", "SIGKILL"),
    Fault.EXIT: ("agent_error", "exited with 1"),
    Fault.STALL: ("stalled", "silent"),
    Fault.SILENT: ("stalled", "silent"),
    Fault.LIE: ("agent_error", "No providers available"),
    Fault.ERROR_REPLY: ("agent_error", "Error: "),
    Fault.TOOL_FAILURES: ("agent_error", "not there"),
    Fault.MISSING_VERDICT: ("no_verdict", "it seems fine to me"),
    Fault.BROKEN_JSON: ("no_verdict", "verdict"),
    Fault.REJECT: ("validation_failed", "one defect"),
}
# The library ends a turn for these, and the session goes on.
TRAPS = {"bad_arguments": 0.05, "unoffered_tool": 0.05, "unknown_outcome": 0.05, "no_numbers": 0.03}
NIGHTS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "amplifier-agent": RATES,
    "library": {
        role: {name: rate for name, rate in rates.items() if name != "delegate"} | TRAPS
        for role, rates in RATES.items()
    },
}
REASONS_OF_LIBRARY: Mapping[Fault, tuple[str, str]] = {
    **{fault: reason for fault, reason in REASONS.items() if fault not in (Fault.OVERLOAD, Fault.NETWORK)},
    Fault.RATE_LIMIT: ("provider_limited", "rate limit exceeded"),
    Fault.CONTEXT: ("agent_error", "context_exceeded"),
    Fault.LIE: ("agent_error", "the reply is empty"),
}
# Failures that end a task at once; a validator that fails by itself ends in one of them, whatever its last fault.
JUDGE_FAILED = ("no_verdict", "validator_failed")
FINAL = ("builder_blocked", *JUDGE_FAILED)
FREE = ("provider_limited", "worker_lost", *FINAL)
Play = Callable[..., None]
QUICK = ("--retry-backoff", "0.05", "--retry-backoff-max", "0.5")


@pytest.fixture
def ledger(swarm: Stage, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Puts the stand-ins on PATH, with homes of their own, and returns their ledger of real runs."""
    programs = install(swarm.folder / "bin")
    path = swarm.folder / "ledger.jsonl"
    home = swarm.folder / "home"
    home.mkdir()
    swarm.project.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    for name, value in {
        "HOME": home,
        "AMPLIFIER_AGENT_HOME": home / ".amplifier-agent",
        "AMPLIFIER_STANDIN_LEDGER": path,
        "ANTHROPIC_API_KEY": "a-key-of-nobody",
    }.items():
        monkeypatch.setenv(name, str(value))
    return Ledger(path)


@pytest.fixture
def play(swarm: Stage, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Configures the faults of the stand-ins; `shape` is the version of the amplifier command."""

    def configure(*, shape: str = "", **faults: object) -> None:
        path = swarm.folder / "faults.json"
        path.write_text(json.dumps(faults))
        monkeypatch.setenv("AMPLIFIER_STANDIN_CLI", shape)
        monkeypatch.setenv("AMPLIFIER_STANDIN_FAULTS", str(path))

    return configure


def _write(path: Path, plan: Plan, policies: Mapping[str, str]) -> None:
    tasks = [
        {
            "id": task, "name": task, "dependencies": list(wanted), "files": [f"out/{task}.txt"],
            "max_retries": RETRIES, "on_dependency_failure": policies[task],
        }
        for task, wanted in plan.items()
    ]  # fmt: skip
    path.write_text(yaml.safe_dump({"tasks": tasks}))


class Night:
    """The results of a run: the tasks as the swarm shows them, and the faults in the ledger."""

    def __init__(
        self, swarm: Stage, ledger: Ledger, reasons: Mapping[Fault, tuple[str, str]] = REASONS
    ) -> None:
        self._reasons = reasons
        self.tasks = {
            task: json.loads(swarm.ctl("show", task, "-o", "json").stdout) for task in swarm.tasks()
        }
        self.last: dict[tuple[str, int], tuple[str, Fault]] = {}
        self.drawn: dict[str, set[str]] = defaultdict(set)
        for line in ledger.lines("start"):
            if line["role"] == TRIAL:
                continue  # a trial belongs to the run before it, which explains the outcome
            self.last[line["task"], line["attempt"]] = (line["role"], Fault(line["fault"]))
            self.drawn[line["role"]].add(line["fault"])

    def surprises(self) -> list[object]:
        """Returns the attempts whose outcome their last run does not explain."""
        return [
            (task, attempt["number"], fault, attempt["outcome"], attempt["failure_class"], attempt["error"])
            for task, shown in self.tasks.items()
            for attempt in shown["attempts"]
            if not _is_explained(attempt, fault := self.last.get((task, attempt["number"])), self._reasons)
        ]

    def charged(self, task: str) -> int:
        """Returns the number of the task's attempts that counted against its retries."""
        classes = [attempt["failure_class"] for attempt in self.tasks[task]["attempts"]]
        return sum(kind is not None and kind not in FREE for kind in classes)


def _is_explained(
    attempt: Mapping[str, str],
    last: tuple[str, Fault] | None,
    reasons: Mapping[Fault, tuple[str, str]],
) -> bool:
    if last is None:
        return False
    role, fault = last
    if fault not in reasons:
        return attempt["outcome"] == "completed"
    kind, word = reasons[fault]
    judged = role == "builder" or fault is Fault.REJECT
    kinds = (kind,) if judged else JUDGE_FAILED
    return attempt["outcome"] == "failed" and attempt["failure_class"] in kinds and word in attempt["error"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("runner", "seed"), [("amplifier-agent", 4), ("library", 4)])
def test_every_task_of_a_night_ends_for_the_reason_that_is_stated(
    swarm: Stage, ledger: Ledger, play: Play, runner: str, seed: int
) -> None:
    rates = NIGHTS[runner]
    play(seed=seed, rates=rates, retry_after_s=0.1, slow_start_s=0.5)
    plan, rng = random_plan(TASKS[runner], seed), random.Random(seed)
    policies = {task: rng.choice(("run", "run", "skip")) for task in sorted(plan)}
    _write(swarm.folder / "plan.yaml", plan, policies)
    swarm.swarmd(*QUICK)
    swarm.ctl("import", "plan.yaml")

    # The library's sessions wait silently for 5 s before they ask a provider again.
    stall_s = "8" if runner == "library" else "3"
    flags = (
        "--slots",
        "4",
        "--stall-timeout",
        stall_s,
        "--kill-grace",
        "0.5",
        "--pass-env",
        "ANTHROPIC_API_KEY",
    )
    workers = [swarm.worker(f"w{n}", *_runner(swarm, runner), "--exit-when-done", *flags) for n in range(2)]
    assert [worker.process.wait(360) for worker in workers] == [0, 0], [worker.said() for worker in workers]

    night = Night(swarm, ledger, REASONS_OF_LIBRARY if runner == "library" else REASONS)
    assert night.surprises() == []
    statuses = {task: shown["status"] for task, shown in night.tasks.items()}
    assert set(statuses.values()) == {"completed", "failed", "skipped"}
    for task, shown in night.tasks.items():
        dead = [wanted for wanted in plan[task] if statuses[wanted] != "completed"]
        assert (shown["status"] == "skipped") is bool(dead and policies[task] == "skip"), task
        if shown["status"] == "failed":
            last = shown["attempts"][-1]
            assert (shown["failure_class"], shown["last_error"]) == (last["failure_class"], last["error"])
            final = shown["failure_class"] in FINAL
            assert night.charged(task) <= RETRIES if final else night.charged(task) == RETRIES + 1, task
        else:
            assert night.charged(task) <= RETRIES, task
    _check_waits(night)
    _check_usage(swarm, ledger)
    drawn = {(role, name) for role, names in night.drawn.items() for name in names}
    missing = {(role, name) for role, names in rates.items() for name in names} - drawn
    assert len(missing) <= 2, "most things happen in a night of this seed"
    assert ledger.alive() == []


def _runner(swarm: Stage, name: str) -> tuple[str, ...]:
    """Returns the flags of a runner; `library` is amplifier-agent over the library."""
    if name != "library":
        return ("--runner", name)
    return ("--runner", "amplifier-agent", "--agent-python", str(install_library(swarm.folder / "library")))


def _check_waits(night: Night) -> None:
    """Checks that a provider's request to wait never cost a retry."""
    attempts = [attempt for shown in night.tasks.values() for attempt in shown["attempts"]]
    kinds = Counter(attempt["failure_class"] for attempt in attempts)
    assert kinds["provider_limited"] > 0
    assert kinds["worker_lost"] == 0
    for task, shown in night.tasks.items():
        waits = sum(attempt["failure_class"] == "provider_limited" for attempt in shown["attempts"])
        ended = shown["status"] == "completed" or shown["failure_class"] in FINAL
        assert len(shown["attempts"]) == waits + night.charged(task) + ended


def _check_usage(swarm: Stage, ledger: Ledger) -> None:
    """Checks that the swarm counted all reported tokens and costs, children's included, and none twice."""
    lines = list(ledger.lines("usage"))
    counted = [task["usage"] for task in swarm.tasks().values()]
    for ours, theirs in (("input_tokens", "input"), ("output_tokens", "output")):
        assert sum(usage[ours] for usage in counted) == sum(line[theirs] for line in lines) > 0
    reported = sum((Decimal(line["cost"]) for line in lines if line["cost"]), Decimal())
    assert sum((Decimal(usage["cost"] or 0) for usage in counted), Decimal()) == reported > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("example", "runner"),
    [
        *(("quickstart", runner) for runner in ("amplifier-agent", "library", "amplifier", "amplifier, new")),
        # The runners meet the same in the longer example, so two of them are enough.
        *(("predecessor", runner) for runner in ("library", "amplifier, new")),
    ],
)
def test_an_example_runs_to_its_end_and_its_sessions_are_known_while_they_run(
    swarm: Stage, ledger: Ledger, play: Play, example: str, runner: str
) -> None:
    kind, _, shape = runner.partition(", ")
    name = "amplifier-agent" if kind == "library" else kind
    swarm.swarmd("--retry-backoff", "0.1")
    swarm.ctl("import", str(EXAMPLES / example / "tasks.yaml"))
    watched = next(task for task, status in swarm.statuses().items() if status == "not_started")
    slow = {f"{watched}/builder": ["slow_start"], f"{watched}/validator": ["slow_start"]}
    play(shape=shape, runs=slow, slow_start_s=6)

    flags = ("--slots", "2", "--exit-when-done", "--pass-env", "ANTHROPIC_API_KEY")
    worker = swarm.worker("w", *_runner(swarm, kind), *flags)

    for role in ("builder", "validator"):
        known = partial(_is_known, swarm, ledger, watched, role)
        until(known, f"the {role} runs and is shown", deadline_s=200)
    assert worker.process.wait(240) == 0, worker.said()
    assert {shown["status"] for shown in swarm.tasks().values()} == {"completed"}
    assert {line["program"] for line in ledger.lines("start")} == {name}
    _check_usage(swarm, ledger)
    assert ledger.alive() == []


def _is_known(swarm: Stage, ledger: Ledger, task: str, role: str) -> object:
    """Returns True if the role's session is shown with its id while its process is alive."""
    running = [line for line in ledger.lines("start") if (line["task"], line["role"]) == (task, role)]
    if not running:
        return False
    shown = json.loads(swarm.ctl("show", task, "-o", "json").stdout)
    ended = {line["session"] for line in ledger.lines("end")}
    name = running[-1]["session"]
    # In `amplifier` the swarm's id follows the session's.
    return name not in ended and shown[f"{role}_session_id"] in (name, name.rpartition("-")[0])


def test_a_provider_that_refuses_pauses_its_runner_until_it_is_mended_and_costs_no_retry(
    swarm: Stage, ledger: Ledger, play: Play
) -> None:
    tasks = [{"id": task, "files": [f"{task}.txt"], "max_retries": 0} for task in "abc"]
    (swarm.folder / "plan.yaml").write_text(yaml.safe_dump({"tasks": tasks}))
    swarm.swarmd(*QUICK)
    swarm.ctl("import", "plan.yaml")
    play(rates={"builder": {"auth": 1.0}})
    flags = ("--runner", "amplifier-agent", "--pass-env", "ANTHROPIC_API_KEY", "--exit-when-done")
    worker = swarm.worker("w", *flags)

    (paused,) = until(lambda: _status(swarm)["paused_runners"], "the runner is paused")
    assert paused["runner"] == "amplifier-agent"
    assert "give the sessions a valid key" in paused["cause"]
    assert "swarmctl resume" in paused["cause"]
    until(lambda: ledger.alive() == [], "no session runs")
    asked = len(list(ledger.lines("start")))
    assert asked == 1, "one refusal is enough"
    assert "no runner may start sessions: amplifier-agent" in swarm.ctl("explain", "c").stdout

    play()
    swarm.ctl("resume")
    assert worker.process.wait(120) == 0, worker.said()

    night = Night(swarm, ledger)
    assert {shown["status"] for shown in night.tasks.values()} == {"completed"}
    classes = Counter(a["failure_class"] for shown in night.tasks.values() for a in shown["attempts"])
    assert classes["provider_denied"] == 1
    assert _status(swarm)["paused_runners"] == []


def _status(swarm: Stage) -> Mapping[str, Any]:
    status: Mapping[str, Any] = json.loads(swarm.ctl("status", "-o", "json").stdout)
    return status
