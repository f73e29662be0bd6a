"""Every page and dialog is free of the findings of axe-core, in light and dark, on a desk and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard
from support.programs import ROOT, stage
from support.waiting import until

pytestmark = pytest.mark.slow

AXE: Final = ROOT / "server" / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
RUN: Final = """() => axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
    violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 300)}`)))"""
PAGES: Final = (
    "#/overview",
    "#/tasks",
    "#/tasks?status=failed&sort=took",
    "#/task/failed",
    "#/task/rejected",
    "#/task/rejected?view=changes",
    "#/task/asks",
    "#/task/killed",
    "#/task/waits",
    "#/task/runs",
    "#/task/nobody",
    "#/graph",
    "#/graph?task=failed",
    "#/timeline",
    "#/timeline?by=task",
    "#/costs",
    "#/workers",
    "#/nowhere",
)
LONG: Final = "a-task-with-an-id-that-nobody-would-type-but-that-some-program-has-made-0042"
WITHIN_S: Final = 120
SIZES: Final = ((1440, 900), (390, 760))


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """Starts a server that gives no worker up while the machine is busy with axe."""
    with stage(tmp_path) as place:
        found = Dashboard(place)
        found.start("--heartbeat-interval", "1", "--suspect-after", "20", "--lost-after", "120")
        yield found


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser, dashboard: Dashboard) -> Iterator[DashboardPage]:
    """Opens the page of the login in one theme."""
    context = browser.new_context(color_scheme=request.param)
    context.set_default_timeout(30_000)
    found = DashboardPage(context.new_page(), dashboard)
    found.page.goto(dashboard.url)
    yield found
    context.close()


def findings(page: Page) -> list[str]:
    """Runs axe on what the page shows now."""
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(RUN)
    return found


def begin(dashboard: Dashboard) -> None:
    """Runs tasks into every state that a page can show."""
    parts: dict[str, dict[str, Any]] = {
        "failed": {"fails": 9, "error": "the template has no closing section"},
        "rejected": {"rejects": 1, "lines": 30},
        "asks": {"asks": [{"text": "Which port?", "options": ["80", "8080"]}]},
        "killed": {"hold": True},
        "runs": {"hold": True, "lines": 5},
    }
    dashboard.plan(
        {"id": "failed", "phase": "build", "max_retries": 0},
        {"id": "rejected", "phase": "build", "checks": ["true"], "description": "Write it."},
        {"id": "asks", "phase": "design"},
        {"id": "killed", "phase": "build"},
        {"id": "runs", "phase": "release"},
        {"id": "waits", "dependencies": ["runs"], "name": "A name of many words " * 15},
        {"id": LONG, "dependencies": ["waits"]},
        {"id": "gpu", "labels": {"gpu": "yes"}},
    )
    dashboard.worker("w", "--slots", "6", "--label", "arch=x86", parts=parts)
    statuses = dashboard.stage.statuses
    until(lambda: statuses()["killed"] == "in_progress", "killed runs", deadline_s=WITHIN_S)
    dashboard.stage.ctl("kill", "killed", "--cause", "too dear")
    wanted = {"failed": "failed", "rejected": "completed", "asks": "held", "runs": "in_progress"}
    until(lambda: wanted.items() <= statuses().items(), f"they are {wanted}", deadline_s=WITHIN_S)


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: `make web` installs it")
@pytest.mark.timeout(300)
def test_axe_finds_nothing_on_any_page(themed: DashboardPage, dashboard: Dashboard) -> None:
    page = themed.page
    begin(dashboard)
    expect(page.get_by_label("Token")).to_be_visible()
    found = {"login": findings(page)}
    page.get_by_label("Token").fill(dashboard.own_token())
    page.get_by_role("button", name="Log in").click()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for place in PAGES:
            themed.go(place)
            expect(page.locator("main h1").first).to_be_attached()
            page.wait_for_load_state("networkidle")
            found[f"{place} at {width}"] = findings(page)
        themed.go("#/task/runs")
        page.get_by_role("button", name="Prompt of the builder").click()
        expect(page.get_by_role("dialog").locator(".prompt")).to_be_visible()
        found[f"prompt at {width}"] = findings(page)
        page.keyboard.press("Escape")
        for button in ("Help", "Kill…", "Pause", "Emergency stop"):
            page.get_by_role("button", name=button).first.click()
            expect(page.get_by_role("dialog")).to_be_visible()
            found[f"{button} at {width}"] = findings(page)
            page.keyboard.press("Escape")

    assert {place: said for place, said in found.items() if said} == {}


def test_a_phone_has_help_and_the_way_out(dashboard_page: DashboardPage) -> None:
    page = dashboard_page.page
    page.set_viewport_size({"width": 390, "height": 760})
    assert page.locator(".nav").evaluate("nav => nav.scrollWidth <= nav.clientWidth"), (
        "all pages are in sight"
    )

    page.get_by_role("button", name="Help").click()
    expect(page.get_by_role("dialog")).to_contain_text("waits for other tasks")
    page.get_by_role("dialog").get_by_role("button", name="Log out").click()

    expect(page.get_by_text("You are logged out.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
