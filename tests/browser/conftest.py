"""Fixtures of browser tests: a real swarm, a real Chromium, a page that is logged in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.dashboard_page import DashboardPage
from support.browser import MISSING, chromium, executable
from support.dashboard import Dashboard
from support.programs import stage

# Long, because the machine may be busy with other tests.
DEADLINE_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Starts a browser for the tests of a file; it has an event loop, which other files must not see."""
    if executable() is None:
        pytest.skip(MISSING)
    with chromium() as found:
        yield found


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """Starts a server with its dashboard."""
    with stage(tmp_path) as place:
        found = Dashboard(place)
        found.start()
        yield found


@pytest.fixture
def dashboard_page(browser: Browser, dashboard: Dashboard) -> Iterator[DashboardPage]:
    """Logs a page in as operator; any error of the browser's console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    expect.set_options(timeout=DEADLINE_MS)
    context.set_default_timeout(DEADLINE_MS)
    found = DashboardPage(context.new_page(), dashboard)
    found.page.goto(dashboard.link())
    found.page.locator("nav").wait_for()
    yield found
    assert found.errors == []
    context.close()


@pytest.fixture
def page(dashboard_page: DashboardPage) -> Page:
    """Returns the bare page."""
    return dashboard_page.page
