"""The page of a task: live log, reasons, kill, attempts."""

from functools import partial

import pytest
from playwright.sync_api import expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard
from support.programs import alive
from support.waiting import until

pytestmark = pytest.mark.slow


def test_the_log_follows_as_lines_come_unless_someone_reads_further_up(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, validate=False)
    dashboard.worker(parts={"a": {"lines": 300, "hold": True}})
    dashboard_page.go("#/task/a")
    expect(page.get_by_text("line 299 of what the session printed")).to_be_visible()

    dashboard.cue("a", "something new")
    expect(page.get_by_text("something new")).to_be_visible()
    page.locator(".log-rows").hover()
    page.mouse.wheel(0, -4_000)
    expect(page.get_by_role("button", name="To the end")).to_be_visible()
    dashboard.cue("a", "while nobody looks")
    until(lambda: "while nobody looks" in dashboard.stage.ctl("logs", "a").stdout, "the line is stored")
    expect(page.get_by_text("while nobody looks")).to_have_count(0)
    page.get_by_role("button", name="To the end").click()
    expect(page.get_by_text("while nobody looks")).to_be_visible()
    dashboard.cue("a", "end")
    expect(page.locator("[data-log='ended']")).to_be_visible()
    page.get_by_label("Only lines with").fill("something")
    expect(page.get_by_text("line 299 of what the session printed")).to_have_count(0)
    expect(page.get_by_text("something new")).to_be_visible()


def test_a_long_log_begins_with_its_end_and_draws_only_what_is_in_view(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, validate=False)
    dashboard.worker(parts={"a": {"lines": 6_000}})
    dashboard.stage.until_status("a", "completed")
    dashboard_page.go("#/task/a")
    expect(page.get_by_text("line 5999 of what the session printed")).to_be_visible()

    assert page.locator(".log-row").count() < 120
    page.get_by_role("button", name="Load all").click()
    until(
        lambda: int(page.locator("[data-entries]").get_attribute("data-entries") or 0) > 4_000,
        "all of it is read",
    )
    page.locator(".log-rows").evaluate("rows => { rows.scrollTop = 0 }")
    expect(page.locator(".log-row.heading").first).to_be_visible()
    assert page.locator(".log-row").count() < 120


def test_a_search_finds_what_was_not_loaded_and_a_link_leads_to_a_line(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, validate=False)
    dashboard.worker(parts={"a": {"lines": 6_000}})
    dashboard.stage.until_status("a", "completed")
    dashboard_page.go("#/task/a")
    expect(page.get_by_text("line 5999 of what the session printed")).to_be_visible()

    page.get_by_label("Only lines with").fill("LINE 2012 of")
    line = page.locator(".log-row", has_text="line 2012 of what the session printed")
    expect(line).to_be_visible()
    expect(page.locator("[data-entries]")).to_have_attribute("data-entries", "1")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save", exact=True).first.click()
    assert saved.value.suggested_filename == "a-attempt-1.log"
    assert saved.value.path().read_text().endswith("builder output: line 2012 of what the session printed\n")

    line.locator("button.log-time").click()
    linked = page.evaluate("location.hash").replace("q=LINE+2012+of&", "")
    page.goto("about:blank")
    page.goto(f"{dashboard.url}/{linked}")
    expect(page.locator(".log-row.linked")).to_contain_text("line 2012 of what the session printed")
    expect(page.locator(".log-row.linked")).to_be_in_viewport()


def test_the_log_shows_calls_on_demand_replies_as_text_and_the_prompt(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a", "description": "Keep <b>every</b> scan."}, validate=False)
    dashboard.worker(parts={"a": {"seconds": 2}})
    dashboard_page.go("#/task/a")
    expect(page.locator("[data-log='ended']")).to_be_visible()

    expect(page.locator(".log-text strong", has_text="queue")).to_be_visible()
    expect(page.locator(".log-row.l-code", has_text="queue.put(scan)")).to_be_visible()
    expect(page.get_by_text("```")).to_have_count(0)
    call = page.get_by_role("button", name="bash done (400 ms): ... ▸ 1 more line")
    expect(page.get_by_text("3 passed in 0.41s")).to_have_count(0)
    call.click()
    expect(page.get_by_text("3 passed in 0.41s")).to_be_visible()
    page.get_by_role("button", name="Open all").click()
    page.reload()
    expect(page.get_by_text("3 passed in 0.41s")).to_be_visible()
    expect(page.get_by_role("button", name="Close all")).to_be_visible()

    page.get_by_role("button", name="Prompt of the builder").click()
    prompt = page.get_by_role("dialog").locator(".prompt")
    expect(prompt).to_contain_text("Keep <b>every</b> scan.")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the prompt").click()
    copied = dashboard.stage.ctl("logs", "a", "--prompt").stdout.split("\n", 1)[1]
    until(lambda: page.evaluate("navigator.clipboard.readText()").strip() == copied.strip(), "it is copied")


def test_a_kill_shows_its_receipt_and_a_retry_starts_again(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, validate=False)
    dashboard.worker(parts={"a": {"hold": True}})
    dashboard_page.go("#/task/a")
    expect(page.locator(".task[data-status='in_progress']")).to_be_visible()

    page.get_by_role("button", name="Kill…").click()
    page.get_by_label("Cause").fill("too dear")
    page.get_by_role("dialog").get_by_role("button", name="Kill").click()

    receipt = page.locator(".receipt-panel")
    expect(receipt).to_contain_text("0: proven gone")
    expect(receipt).to_contain_text("Cause: too dear")
    expect(page.locator(".task[data-status='killed']")).to_be_visible()
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("[data-attempt='2']")).to_contain_text("running")
    dashboard.cue("a", "end")
    expect(page.locator(".task[data-status='completed']")).to_be_visible()


def test_a_rejected_task_shows_findings_answers_checks_and_usage(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a", "checks": ["echo all fine"], "max_retries": 2})
    dashboard.worker(parts={"a": {"rejects": 1}})
    dashboard_page.go("#/task/a")

    expect(page.locator(".task[data-status='completed']")).to_be_visible()
    first = page.locator("[data-attempt='1']")
    first.locator("summary").first.click()
    expect(first.locator(".finding").first).to_contain_text("Two scans within one frame")
    expect(first.locator(".answer").first).to_contain_text("fixed: scans go through a queue now")
    expect(page.locator("[data-attempt='2']")).to_contain_text("✓ PASS")
    checks = page.locator("[data-attempt='2'] .checks")
    checks.locator("summary").click()
    expect(checks.locator(".output")).to_have_text("all fine\n")
    expect(page.locator(".facts").first).to_contain_text("2 → 0")
    expect(page.locator("[data-attempt='2'] .sessions tbody tr")).to_have_count(2)


def test_the_reasons_why_a_task_waits_change_with_their_cause(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, {"id": "b", "dependencies": ["a"], "labels": {"gpu": "yes"}})
    dashboard_page.go("#/task/b")
    why = page.locator(".why")
    expect(why.locator("[data-reason='dependency']")).to_contain_text("it waits for a")
    expect(why.locator("[data-reason='no_worker']")).to_be_visible()

    dashboard.worker()

    expect(why.locator("[data-reason='no_label']")).to_contain_text("gpu=yes")
    expect(why.locator("[data-reason='dependency']")).to_have_count(0)


def _has_printed(dashboard: Dashboard, task: str) -> bool:
    return "what the session printed" in dashboard.stage.ctl("logs", task).stdout


def test_an_emergency_stop_is_typed_shows_receipts_holds_and_is_resumed(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, {"id": "b"}, validate=False)
    for name in ("w1", "w2"):
        dashboard.worker(name, parts={"*": {"hold": True, "lines": 1}})
    expect(page.locator("tr[data-task]")).to_have_count(2)
    for task in ("a", "b"):  # a session that has not begun has no receipt
        until(partial(_has_printed, dashboard, task), f"the session of {task} has begun")
    pids = [worker.pid for worker in dashboard.stage.programs[1:]]

    page.get_by_role("button", name="Emergency stop").click()
    act = page.get_by_role("button", name="Stop everything")
    expect(act).to_be_disabled()
    page.get_by_label("Cause").fill("fire")
    page.get_by_label("Type STOP").fill("STOP")
    act.click()

    banner = page.locator("[data-stop]")
    expect(banner).to_contain_text("Cause: fire")
    for name in ("w1", "w2"):
        expect(banner.locator(f"tr[data-worker='{name}']")).to_contain_text("proven gone")
    page.reload()
    expect(banner.locator("tr[data-worker='w2']")).to_contain_text("proven gone")
    assert sorted(dashboard.stage.statuses().values()) == ["killed", "killed"]
    assert all(map(alive, pids)), "the workers live; their sessions do not"
    banner.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.get_by_text("2 tasks put back")).to_be_visible()
    expect(banner).to_have_count(0)
    expect(page.locator("tr[data-task]")).to_have_count(2)


def test_pause_and_drain_are_given_from_the_page(dashboard_page: DashboardPage, dashboard: Dashboard) -> None:
    page = dashboard_page.page
    worker = dashboard.worker("w", "--label", "arch=x86")
    dashboard_page.go("#/workers")
    row = page.locator("tr[data-worker='w']")
    expect(row).to_contain_text("arch=x86")
    expect(row).to_contain_text("command")

    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator(".banner.warning")).to_contain_text("Paused")
    row.get_by_role("button", name="Drain…").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()

    assert worker.process.wait(30) == 0
    expect(row).to_have_count(0)
