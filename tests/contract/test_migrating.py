"""The page for users of the predecessor is true: its commands run, and its endpoints exist."""

import json
import re
import shlex
from pathlib import Path

import pytest

from contract.repository import ROOT
from support.predecessor import make_database
from support.programs import Stage, stage
from swarmctl.cli.registry import COMMANDS

PAGE = (ROOT / "docs" / "migrating.md").read_text()
BLOCKS = re.findall(r"<!-- test -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
NAMES = """
import-tasks export-tasks status list-tasks task-info retry start claim_task start_task complete_task fail_task
update_task_sessions kill_task_sessions add_task_dependency get_blocked_tasks get_task get_tasks_summary get_all_tasks
register_worker heartbeat update_worker_stats set_worker_status get_worker get_all_workers find_dead_workers
find_orphaned_tasks reset_orphaned_tasks log_event get_task_log get_recent_log migrate_yaml_to_db export_db_to_yaml
--builder-agent --validator-agent --workers --no-validation --dashboard-port --no-dashboard --graceful-timeout
SIGUSR1 --clear --verbose
"""
# They start what the test has already, or name no file.
ELSEWHERE = ("swarmctl run", "swarmctl dashboard", "swarmctl drain --all --deadline 300")


def commands() -> list[str]:
    """Returns the whole command lines of swarmctl in the tables, in their order, each once."""
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    found = re.findall(r"`(swarmctl [^`]*)`", "\n".join(row.rsplit("|", 2)[1] for row in rows))
    return [line for line in dict.fromkeys(found) if line not in ELSEWHERE]


def test_every_method_and_command_of_the_predecessor_is_on_the_page() -> None:
    assert [name for name in NAMES.split() if not re.search(rf"{re.escape(name)}\b", PAGE)] == []


def test_its_endpoints_are_those_of_the_page_on_http() -> None:
    http = (ROOT / "docs" / "http.md").read_text()
    named = re.findall(r"`((?:GET|POST|WS) /[^`]*)`", PAGE)

    assert len(named) >= 20
    assert [path for path in named if path not in http and path != "WS /ws"] == []


def test_every_verb_of_its_tables_exists() -> None:
    assert {shlex.split(line)[1] for line in re.findall(r"`(swarmctl [a-z][^`]*)`", PAGE)} <= set(COMMANDS)


@pytest.mark.slow
def test_the_commands_of_the_page_run_in_their_order(tmp_path: Path) -> None:
    make_database(tmp_path / "tasks.db")
    first, second, last = (re.findall(r"^swarmctl .*$", block, re.MULTILINE) for block in BLOCKS)
    # The commands of the tables change the tasks, so that the last block begins with those of the database.
    again = "swarmctl import tasks.db --from predecessor-db"
    with stage(tmp_path) as swarm:
        swarm.swarmd()
        said = {line: run(swarm, line) for line in (*first, *second, *commands(), again, *last[:1])}
        worker = swarm.start("worker", *shlex.split(worker_line(swarm))[1:], program="swarm-worker")
        assert worker.process.wait(60) == 0
        statuses = swarm.statuses()

    assert "2026-01-24 10:20:00 failed worker-2-1737710620" in said["swarmctl show 2.6.2"]
    assert len(json.loads(said["swarmctl list --limit 0 -o json"])) == 6
    assert statuses["2.6.3"] == "completed"
    assert (tmp_path / "done.yaml").read_text().count("- id:") == 1


def run(swarm: Stage, line: str) -> str:
    """Runs a command line of the page; what stands behind `||` says that it may find something."""
    command, sign, _ = line.partition(" || ")
    return swarm.ctl(*shlex.split(command)[1:], check=not sign).stdout


def worker_line(swarm: Stage) -> str:
    line: str
    [line] = re.findall(r"^swarm-worker .*$", BLOCKS[-1], re.MULTILINE)
    return line.replace("127.0.0.1:7433", swarm.address)
