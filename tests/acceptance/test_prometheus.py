"""A real Prometheus scrapes a real swarmd at work: every expression of the dashboard gives something."""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from contract.repository import ROOT
from support.programs import Stage, stage
from support.prometheus import Prometheus, needs_prometheus, prometheus
from support.waiting import until
from support.webhook import webhook

pytestmark = [pytest.mark.slow, needs_prometheus]
DEPLOY = ROOT / "deploy"
PLAN = """\
defaults: {max_retries: 0}
tasks: [{id: a}, {id: b, dependencies: [a]}, {id: bad}, {id: long, priority: low}, {id: longer, priority: low}]
"""
BUILDER = """\
#!/bin/sh
echo '{"method":"usage","params":{"inputTokens":100,"outputTokens":10,"cost":"0.5"}}' >&2
case $SWARM_TASK_ID in bad) exit 3;; long*) exec sleep 60;; esac
"""
# Nothing is wrong with these if there is nothing: nobody was refused anything in a swarm that is well.
MAY_BE_EMPTY = {"Refused calls", "Alerts"}


def expressions() -> dict[str, list[str]]:
    """Returns the dashboard's queries by panel, with Grafana's variables filled in."""
    dashboard = json.loads((DEPLOY / "grafana" / "swarm.json").read_text())
    found = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in dashboard["panels"]}
    found |= {notes["name"]: [notes["expr"]] for notes in dashboard["annotations"]["list"]}
    variables = {"$instance": ".*", "$__rate_interval": "30s"}
    return {title: [_filled(expr, variables) for expr in exprs] for title, exprs in found.items()}


def _filled(expr: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[Stage, str]]:
    """A swarm with tasks that completed, failed, run and wait; and where its dashboard is."""
    builder = tmp_path / "builder.sh"
    builder.write_text(BUILDER)
    builder.chmod(0o755)
    (tmp_path / "plan.yaml").write_text(PLAN)
    with webhook() as hook, stage(tmp_path) as on:
        server = on.swarmd(
            "--dashboard", "127.0.0.1:0", "--notify", hook.url, "--heartbeat-interval", "0.2", "--day-budget", "50"
        )  # fmt: skip
        on.ctl("import", "plan.yaml")
        worker = on.worker(
            "w1", "--slots", "1", "--runner", "command", "--builder-command", str(builder),
            "--validator-command", "echo '{\"verdict\": \"PASS\"}'",
        )  # fmt: skip
        worker.ready()
        on.until_status("bad", "failed")
        on.until_status("long", "in_progress")
        until(lambda: hook.received, "an alert was sent")
        yield on, server.ready()["dashboard"].removeprefix("http://")


@pytest.fixture
def scraping(busy: tuple[Stage, str], tmp_path: Path) -> Iterator[Prometheus]:
    """The shipped configuration and rules, at a faster pace, with a token of a viewer."""
    on, target = busy
    made = json.loads(on.ctl("token", "create", "--role", "viewer", "-o", "json").stdout)
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "conf")
    (tmp_path / "conf" / "swarm.token").write_text(made["token"])
    config = tmp_path / "conf" / "prometheus.yml"
    shipped = config.read_text()
    assert "127.0.0.1:8765" in shipped
    # One more, without a token.
    anonymous = f"  - {{job_name: anonymous, static_configs: [{{targets: ['{target}']}}]}}\n"
    shipped = shipped.replace("127.0.0.1:8765", target).replace("_interval: 15s", "_interval: 500ms")
    config.write_text(shipped + anonymous)
    with prometheus(tmp_path, config) as found:
        yield found


def test_every_expression_of_the_dashboard_and_of_the_rules_gives_what_it_should(
    busy: tuple[Stage, str], scraping: Prometheus
) -> None:
    on, _ = busy
    until(lambda: scraping.query('up{job="swarm"} == 1'), "Prometheus has scraped")
    # Something has to happen between two scrapes for a rate to be one.
    on.ctl("pause")
    on.ctl("resume")
    until(lambda: scraping.query("rate(swarm_events_total[30s]) > 0"), "there are rates")

    for title, exprs in expressions().items():
        for expr in exprs:
            if title in MAY_BE_EMPTY:
                scraping.query(expr)
            else:
                until(partial(scraping.query, expr), f"{title} shows something: {expr}")

    values = {
        name: float(scraping.query(name)[0]["value"][1]) for name in ("swarm_slots", "swarm_ready_tasks")
    }
    assert values == {"swarm_slots": 1.0, "swarm_ready_tasks": 1.0}
    assert scraping.query('swarm_tasks{status="completed"} == 2')
    assert scraping.query('swarm_cost_dollars_total{role="builder"} == 2')
    [group] = until(lambda: _evaluated(scraping), "the rules have been evaluated")
    assert [rule["lastError"] for rule in group["rules"] if rule["health"] != "ok"] == []
    refused = {t["labels"]["job"]: t["lastError"] for t in scraping.api("targets")["activeTargets"]}
    assert refused.keys() == {"swarm", "anonymous"}
    assert "401 Unauthorized" in refused["anonymous"]
    assert scraping.query('up{job="anonymous"} == 0')


def _evaluated(found: Prometheus) -> list[dict[str, list[dict[str, str]]]]:
    groups: list[dict[str, list[dict[str, str]]]] = found.api("rules")["groups"]
    done = all(rule["health"] != "unknown" for group in groups for rule in group["rules"])
    return groups if done else []
