"""What browser tests start from: a real swarm, a real Chromium, a page that is logged in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.looking import Looker
from support.browser import MISSING, chromium, executable
from support.dashboard import Dashboard
from support.programs import stage

# The machine may be busy with other tests.
DEADLINE_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the tests of a file: it has an event loop, which other files' tests must not find."""
    if executable() is None:
        pytest.skip(MISSING)
    with chromium() as found:
        yield found


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """A server with its dashboard."""
    with stage(tmp_path) as place:
        found = Dashboard(place)
        found.start()
        yield found


@pytest.fixture
def looker(browser: Browser, dashboard: Dashboard) -> Iterator[Looker]:
    """Someone who is logged in as operator. Whatever the page complains of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    expect.set_options(timeout=DEADLINE_MS)
    context.set_default_timeout(DEADLINE_MS)
    found = Looker(context.new_page(), dashboard)
    answer = context.request.post(
        f"{dashboard.url}/login", data={"token": dashboard.own_token()}, headers={"Origin": dashboard.url}
    )
    assert answer.ok, answer.text()
    found.page.goto(dashboard.url)
    found.page.locator("nav").wait_for()
    yield found
    assert found.complaints == []
    context.close()


@pytest.fixture
def page(looker: Looker) -> Page:
    """The page of that person."""
    return looker.page
