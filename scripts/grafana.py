"""Makes deploy/grafana/swarm.json: the panels are a table here, and the rest of the format is common to
all.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "swarm.json"
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
# A panel takes a third of the width; a figure at the top takes an eighth.
WIDE, NARROW, TALL, LOW = 8, 3, 8, 4


@dataclass(frozen=True)
class Panel:
    """A panel: its queries with the legend of each, and the unit of its values."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    about: str = ""
    stacked: bool = False


def rate(metric: str, by: str = "") -> str:
    """Returns the query for the growth of a counter, by that label."""
    return (
        f"sum by ({by}) (rate({metric}[$__rate_interval]))"
        if by
        else f"sum(rate({metric}[$__rate_interval]))"
    )


def quantile(share: float, metric: str, by: str = "") -> str:
    """Returns the query for the value below which that percentage stays."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[$__rate_interval])))"


def quantiles(metric: str) -> Sequence[tuple[str, str]]:
    """Returns the queries for the median and the slow end."""
    return [(quantile(share, metric), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)]


ONE: Final = 'instance=~"$instance"'
FIGURES: Final = (
    Panel("Mode", [(f"swarm_mode{{{ONE}}} == 1", "{{mode}}")], about="What the swarm may do now."),
    Panel("Running", [(f'sum(swarm_tasks{{status="in_progress",{ONE}}})', "")]),
    Panel("Queue", [(f"sum(swarm_ready_tasks{{{ONE}}})", "")], about="Tasks that could be claimed now."),
    Panel("Oldest in the queue", [(f"max(swarm_oldest_ready_task_seconds{{{ONE}}})", "")], "s"),
    Panel("Failed for good", [(f'sum(swarm_tasks{{status="failed",{ONE}}})', "")]),
    Panel("Workers online", [(f'sum(swarm_workers{{status="online",{ONE}}})', "")]),
    Panel("Free slots", [(f"sum(swarm_slots{{{ONE}}}) - sum(swarm_leases{{{ONE}}})", "")]),
    Panel("Spent", [(f"sum(swarm_cost_dollars_total{{{ONE}}})", "")], "currencyUSD"),
)
GRAPHS: Final = (
    Panel("Tasks by status", [(f"sum by (status) (swarm_tasks{{{ONE}}})", "{{status}}")], stacked=True),
    Panel("Queue", [(f"sum(swarm_ready_tasks{{{ONE}}})", "tasks that could be claimed")]),
    Panel("Waiting for a person", [(f"sum by (kind) (swarm_held_tasks{{{ONE}}})", "{{kind}}")]),
    Panel("Slots", [
        (f"sum(swarm_slots{{{ONE}}})", "all"),
        (f"sum by (state) (swarm_leases{{{ONE}}})", "{{state}}"),
    ]),
    Panel("Attempts that ended", [
        (rate(f"swarm_attempts_total{{{ONE}}}", "outcome"), "{{outcome}}"),
    ], "ops", stacked=True),
    Panel("Why attempts failed", [
        (rate(f'swarm_attempts_total{{failure_class!="",{ONE}}}', "failure_class"), "{{failure_class}}"),
    ], "ops", stacked=True),
    Panel("How long sessions last", [
        (quantile(0.5, "swarm_session_duration_seconds", "role"), "{{role}} p50"),
        (quantile(0.95, "swarm_session_duration_seconds", "role"), "{{role}} p95"),
    ], "s"),
    Panel("From ready to claimed", quantiles("swarm_dispatch_latency_seconds"), "s",
          "Long without a free slot; with one, see `swarmctl explain`."),
    Panel("From claimed to the first session", quantiles("swarm_claim_latency_seconds"), "s"),
    Panel("Shared budgets", [
        (f"sum by (kind, name, amount) (swarm_budget_dollars{{{ONE}}})", "{{kind}} {{name}}: {{amount}}"),
        (f"sum by (kind, name) (swarm_budget_reached{{{ONE}}})", "{{kind}} {{name}}: 1 if a person has to act"),
    ], "currencyUSD"),
    Panel("Spent, tasks that are gone included", [
        (f"sum(swarm_spent_dollars_total{{{ONE}}})", "dollars"),
    ], "currencyUSD"),
    Panel("Spending in an hour", [
        (f"sum by (role) (increase(swarm_cost_dollars_total{{{ONE}}}[1h]))", "{{role}}"),
    ], "currencyUSD", stacked=True),
    Panel("Tokens", [
        (rate(f"swarm_tokens_total{{{ONE}}}", "role, direction"), "{{role}} {{direction}}"),
    ], "ops", stacked=True),
    Panel("Workers", [(f"sum by (status) (swarm_workers{{{ONE}}})", "{{status}}")], stacked=True),
    Panel("Heartbeats", [
        (quantile(0.99, "swarm_heartbeat_gap_seconds"), "gap p99"),
        (f"max(swarm_oldest_heartbeat_seconds{{{ONE}}})", "most silent worker"),
    ], "s"),
    Panel("Commits", quantiles("swarm_commit_duration_seconds"), "s",
          "How long the disk takes; every claim and result waits for it."),
    Panel("Writes in a commit", [
        (f"{rate(f'swarm_commit_writes_sum{{{ONE}}}')} / {rate(f'swarm_commit_writes_count{{{ONE}}}')}", "mean"),
    ]),
    Panel("Database", [(f"sum by (file) (swarm_database_bytes{{{ONE}}})", "{{file}}")], "bytes"),
    Panel("Slow calls (p95)", [(quantile(0.95, "swarm_rpc_duration_seconds", "method"), "{{method}}")], "s"),
    Panel("Calls", [(rate(f"swarm_rpc_duration_seconds_count{{{ONE}}}", "method"), "{{method}}")], "ops"),
    Panel("Refused calls", [
        (rate(f"swarm_rpc_refusals_total{{{ONE}}}", "method, reason"), "{{method}} {{reason}}"),
    ], "ops"),
    Panel("Events", [(rate(f"swarm_events_total{{{ONE}}}"), "events")], "ops"),
    Panel("Streams", [(f"sum by (kind) (swarm_streams{{{ONE}}})", "{{kind}}")]),
    Panel("Readers behind the events", [
        (f"max by (reader) (swarm_feed_lag_events{{{ONE}}})", "{{reader}}"),
    ]),
    Panel("Standbys", [(f"max by (state) (swarm_standbys{{{ONE}}})", "{{state}}")]),
    Panel("Notifications", [(f"sum by (result) (increase(swarm_notifications_total{{{ONE}}}[1h]))", "{{result}}")]),
    Panel("Processor time of swarmd", [(rate(f'process_cpu_seconds_total{{job="swarm",{ONE}}}'), "cores")]),
    Panel("Memory of swarmd", [(f'sum(process_resident_memory_bytes{{job="swarm",{ONE}}})', "resident")], "bytes"),
    Panel("Landings in an hour", [(f"sum by (result) (increase(swarm_landings_total{{{ONE}}}[1h]))", "{{result}}")]),
    Panel("Attempts that land or wait for it", [(f"sum(swarm_landing_queue{{{ONE}}})", "attempts")]),
)  # fmt: skip


def main() -> None:
    """Writes the file."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text())


def text() -> str:
    """Returns the content of the file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def dashboard() -> dict[str, Any]:
    """Returns the dashboard as Grafana imports it."""
    return {
        "title": "Amplifier Swarm",
        "uid": "amplifier-swarm",
        "tags": ["amplifier-swarm"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), _instance()]},
        "annotations": {"list": [_alerts()]},
        "panels": list(_panels()),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _instance() -> dict[str, Any]:
    return {
        "name": "instance", "label": "Swarm", "type": "query", "datasource": SOURCE,
        "query": "label_values(swarm_build_info, instance)", "refresh": 2, "includeAll": True, "multi": True,
        "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts", "datasource": SOURCE, "enable": True, "iconColor": "red", "titleFormat": "{{alertname}}",
        "expr": f'ALERTS{{alertname=~"Swarm.*",alertstate="firing",{ONE}}}',
    }  # fmt: skip


def _panels() -> Iterator[dict[str, Any]]:
    for number, panel in enumerate(FIGURES):
        place = {"x": number * NARROW, "y": 0, "w": NARROW, "h": LOW}
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "name" if not number else "value"}
        yield {**_panel(panel, number), "type": "stat", "gridPos": place, "options": options}
    for number, panel in enumerate(GRAPHS):
        across = 24 // WIDE
        place = {"x": number % across * WIDE, "y": LOW + number // across * TALL, "w": WIDE, "h": TALL}
        found = {**_panel(panel, len(FIGURES) + number), "type": "timeseries", "gridPos": place}
        if panel.stacked:
            custom = {"stacking": {"mode": "normal"}, "fillOpacity": 40}
            found["fieldConfig"]["defaults"]["custom"] = custom
        yield found


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "expr": _here(expr),
                "legendFormat": legend,
                "datasource": SOURCE,
            }
            for index, (expr, legend) in enumerate(panel.queries)
        ],
    }


def _here(expr: str) -> str:
    """Histograms are asked for without labels above; the choice of a swarm holds for them too."""
    return expr.replace("_bucket[", f"_bucket{{{ONE}}}[")


if __name__ == "__main__":
    main()
