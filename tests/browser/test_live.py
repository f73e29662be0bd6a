"""The page follows the swarm without a reload and without a gap."""

import json
from collections.abc import Sequence

import pytest
from playwright.sync_api import expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard
from support.waiting import until

pytestmark = pytest.mark.slow


def known_events(dashboard: Dashboard) -> list[int]:
    lines = dashboard.stage.ctl("events", "-o", "json").stdout.splitlines()
    return [json.loads(line)["seq"] for line in lines]


def _newest(shown: Sequence[int], known: Sequence[int]) -> bool:
    return bool(shown) and shown == known[::-1][: len(shown)]


def test_the_overview_follows_a_task_from_its_import_to_its_end(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard_page.mark()
    expect(page.get_by_text("Nothing to do yet")).to_be_visible()

    dashboard.plan(
        {"id": "a", "estimated_hours": 2}, {"id": "b", "dependencies": ["a"], "estimated_hours": 6}
    )
    expect(page.get_by_text("No worker takes tasks")).to_be_visible()
    dashboard.worker("w", "--slots", "2", parts={"a": {"hold": True}, "b": {"hold": True}})

    dashboard_page.shows("a", "in progress")
    expect(page.locator(".worker-list")).to_contain_text("w")
    expect(page.get_by_label("1 of 2 slots in use")).to_be_visible()
    dashboard.cue("a", "end")
    dashboard_page.shows("b", "in progress")
    expect(page.get_by_text("2 h of 8 h")).to_be_visible()
    dashboard.cue("b", "end")
    expect(page.get_by_text("All is done")).to_be_visible()
    expect(page.locator(".figure-value").first).to_have_text("100 %")
    assert not dashboard_page.was_reloaded()
    newest = dashboard_page.events()
    assert newest == sorted(newest, reverse=True)


def test_after_a_restart_of_swarmd_no_event_and_no_row_is_lost_or_doubled(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan(*({"id": f"t{number}"} for number in range(6)))
    dashboard.worker("w", "--slots", "3", parts={"*": {"hold": True}})
    expect(page.locator("tr[data-task]")).to_have_count(3)
    dashboard_page.mark()

    dashboard.stop()
    expect(page.get_by_text("No connection to swarmd")).to_be_visible()
    for number in range(3):
        # The results wait at the worker for the server to come back.
        dashboard.cue(f"t{number}", "end")
    dashboard.start()

    expect(page.get_by_text("No connection to swarmd")).to_have_count(0)
    expect(page.locator("tr[data-task]")).to_have_count(3)
    until(
        lambda: _newest(dashboard_page.events(), known_events(dashboard)),
        "the newest events are shown, each once",
    )
    dashboard_page.go("#/tasks")
    expect(page.locator(".trow[data-task]")).to_have_count(6)
    assert dashboard_page.tasks() == [f"t{number}" for number in range(6)]
    assert not dashboard_page.was_reloaded()


def test_a_failure_that_needs_a_person_is_on_top_with_advice(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "bad", "max_retries": 0}, {"id": "next", "dependencies": ["bad"]})
    worker = dashboard.worker("w", parts={"bad": {"fails": 1, "error": "the tool is missing"}})

    needs = page.locator(".needs")
    expect(needs).to_contain_text("bad failed: agent error")
    expect(needs).to_contain_text("the tool is missing")
    needs.get_by_role("link", name="bad failed").click()
    expect(page.locator('.task[data-status="failed"]')).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator('.task[data-status="completed"]')).to_be_visible()
    dashboard_page.go("#/overview")
    expect(page.get_by_text("All is done")).to_be_visible()
    assert worker.process.poll() is None


def test_a_silent_worker_is_reported(dashboard_page: DashboardPage, dashboard: Dashboard) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"})
    worker = dashboard.worker("quiet", parts={"a": {"hold": True}})
    dashboard_page.shows("a", "in progress")

    worker.kill()

    expect(page.locator(".needs")).to_contain_text("Worker quiet is silent")
    dashboard_page.go("#/workers")
    expect(page.locator('tr[data-worker="quiet"] .status')).to_contain_text("suspect")
