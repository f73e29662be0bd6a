"""The state of a scrape as metric families."""

import platform
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from amplifier_swarm import __version__
from swarmd.domain.holds import HoldKind
from swarmd.domain.model import AttemptOutcome, FailureClass, SwarmMode
from swarmd.domain.policy import LANDING_FAILURES
from swarmd.metrics.state import ScrapeState, StoredState
from swarmd.store.file import connections

_NANO: Final = 1e9
_WITH_CLASS: Final = (AttemptOutcome.FAILED, AttemptOutcome.LOST)
# Outcomes that have not happened yet are exposed as 0, so that their first rise is seen.
_NO_ATTEMPTS: Final = {
    **{(str(outcome), ""): 0 for outcome in AttemptOutcome if outcome not in _WITH_CLASS},
    **{(str(AttemptOutcome.FAILED), str(failure)): 0 for failure in FailureClass},
    (str(AttemptOutcome.LOST), str(FailureClass.WORKER_LOST)): 0,
}


def families(state: ScrapeState) -> Iterator[Metric]:
    """Yields all families of the state."""
    yield _build()
    yield from _mode(state)
    yield from _tasks(state)
    yield from _fleet(state)
    yield from _counted(state.stored)
    yield from _budgets(state.stored)
    yield _by("swarm_streams", "Open streams and sockets.", "kind", state.streams)
    yield _by(
        "swarm_feed_lag_events", "Events that the slowest reader has not read yet.", "reader", state.behind
    )
    yield _by(
        "swarm_standbys",
        "Standbys that follow, and those of them whose copy is in sync.",
        "state",
        state.standbys,
    )
    yield _by("swarm_database_bytes", "The size of the database's files.", "file", state.bytes)


def _build() -> Metric:
    versions = {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": connections.sqlite_version(),
    }
    return InfoMetricFamily("swarm_build", "The versions of the server and of what it stands on.", versions)


def _mode(state: ScrapeState) -> Iterator[Metric]:
    now = state.stored.state.mode
    modes = {str(mode): int(mode is now) for mode in SwarmMode}
    yield _by("swarm_mode", "1 for what the swarm may do now.", "mode", modes)
    yield GaugeMetricFamily(
        "swarm_expiry_paused", "1 while most workers are silent and nobody is given up.", state.expiry_paused
    )
    yield GaugeMetricFamily(
        "swarm_paused_runners", "Pauses of runners, half open ones included.", state.stored.paused_runners
    )
    yield CounterMetricFamily(
        "swarm_emergency_stops", "Emergency stops of this database.", state.stored.state.stop_generation
    )


def _tasks(state: ScrapeState) -> Iterator[Metric]:
    found = state.stored.tasks
    yield _by("swarm_tasks", "Tasks by status.", "status", {str(k): v.tasks for k, v in found.items()})
    held = {str(kind): state.stored.held.get(kind, 0) for kind in HoldKind}
    yield _by("swarm_held_tasks", "Tasks that wait for a person.", "kind", held)
    yield GaugeMetricFamily(
        "swarm_ready_tasks",
        "Tasks that could be claimed now: the queue.",
        sum(v.ready for v in found.values()),
    )
    yield GaugeMetricFamily(
        "swarm_oldest_ready_task_seconds",
        "For how long the task at the end of the queue could have been claimed; 0 for an empty queue.",
        state.oldest_ready_s,
    )


def _fleet(state: ScrapeState) -> Iterator[Metric]:
    yield _by(
        "swarm_workers", "Workers that have joined since the start and are not gone.", "status", state.workers
    )
    yield GaugeMetricFamily("swarm_slots", "Slots of the connected workers.", state.slots)
    yield GaugeMetricFamily(
        "swarm_landing_queue", "Attempts that land or wait for their turn to land.", state.stored.landing
    )
    yield _by("swarm_leases", "Leases that stand: slots in use.", "state", state.leases)
    yield GaugeMetricFamily(
        "swarm_oldest_heartbeat_seconds",
        "For how long the most silent worker has not been heard.",
        state.oldest_beat_s,
    )


def _budgets(stored: StoredState) -> Iterator[Metric]:
    """Yields what shared budgets allow, and what is spent and reserved; a cap of tokens alone has no dollars."""
    spent = CounterMetricFamily(
        "swarm_spent_dollars", "What all sessions have cost, those of tasks that are gone included."
    )
    spent.add_metric([], stored.spending.spent.cost_nano / _NANO)
    yield spent
    amounts = GaugeMetricFamily(
        "swarm_budget_dollars",
        "Shared budgets: what they allow (cap), what is spent, and what open attempts may still need (reserved).",
        labels=["kind", "name", "amount"],
    )
    reached = GaugeMetricFamily(
        "swarm_budget_reached",
        "1 while tasks wait for the budget until a person acts.",
        labels=["kind", "name"],
    )
    for budget in stored.spending.budgets:
        labels = [str(budget.kind), budget.name]
        if budget.caps.cost_nano is not None:
            amounts.add_metric([*labels, "cap"], budget.caps.cost_nano / _NANO)
        amounts.add_metric([*labels, "spent"], budget.spent.cost_nano / _NANO)
        amounts.add_metric([*labels, "reserved"], budget.reserved.cost_nano / _NANO)
        reached.add_metric(labels, int(budget.reached))
    yield amounts
    yield reached


def _counted(stored: StoredState) -> Iterator[Metric]:
    yield CounterMetricFamily("swarm_events", "Events of this database.", stored.last_seq)
    attempts = CounterMetricFamily(
        "swarm_attempts", "Attempts that have ended.", labels=["outcome", "failure_class"]
    )
    ended = {(total.outcome, total.failure_class): total.attempts for total in stored.attempts}
    for labels, count in {**_NO_ATTEMPTS, **ended}.items():
        attempts.add_metric(labels, count)
    yield attempts
    yield _landings(stored, ended)
    sessions = CounterMetricFamily("swarm_sessions", "Sessions of the tasks that are there.", labels=["role"])
    tokens = CounterMetricFamily("swarm_tokens", "Tokens that they used.", labels=["role", "direction"])
    cost = CounterMetricFamily(
        "swarm_cost_dollars", "What they cost, as far as prices are known.", labels=["role"]
    )
    for role, used in stored.usage.items():
        sessions.add_metric([role], used.sessions)
        tokens.add_metric([role, "input"], used.input_tokens)
        tokens.add_metric([role, "output"], used.output_tokens)
        cost.add_metric([role], used.cost_nano / _NANO)
    yield from (sessions, tokens, cost)


def _landings(stored: StoredState, ended: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(
        "swarm_landings",
        "Attempts that landed, found their work landed, or failed to land.",
        labels=["result"],
    )
    family.add_metric(["landed"], stored.landings.landed)
    family.add_metric(["found"], stored.landings.found)
    for failure in sorted(LANDING_FAILURES):
        family.add_metric([failure.removeprefix("landing_")], ended.get((AttemptOutcome.FAILED, failure), 0))
    return family


def _by(name: str, about: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
