"""Login, logout, roles and revocation in the page."""

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard

pytestmark = pytest.mark.slow


def log_in(page: Page, dashboard: Dashboard, token: str) -> None:
    page.goto(dashboard.url)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()


def test_a_link_logs_in_once(browser: Browser, dashboard: Dashboard) -> None:
    link = dashboard.link()
    first, second = browser.new_context().new_page(), browser.new_context().new_page()

    first.goto(link)
    second.goto(link)

    expect(first.get_by_role("heading", name="Overview")).to_be_attached()
    assert "code=" not in first.url
    expect(second.get_by_text("That link was used already")).to_be_visible()
    assert first.evaluate("() => document.cookie") == "", "no script can read the login"
    for page in (first, second):
        page.context.close()


def test_a_pasted_token_logs_in_a_wrong_token_is_refused_and_a_logout_ends_the_login(
    browser: Browser, dashboard: Dashboard
) -> None:
    page = browser.new_context().new_page()
    log_in(page, dashboard, "nonsense")
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, dashboard, dashboard.token("operator"))
    expect(page.get_by_role("heading", name="Overview")).to_be_attached()

    page.get_by_role("button", name="Log out").click()

    expect(page.get_by_label("Token")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Token")).to_be_visible()
    page.context.close()


def test_a_viewer_sees_everything_and_has_no_button_that_acts(browser: Browser, dashboard: Dashboard) -> None:
    dashboard.plan({"id": "a"})
    page = browser.new_context().new_page()
    log_in(page, dashboard, dashboard.token("viewer"))

    expect(page.locator('[data-status="not_started"]')).to_contain_text("1")
    seen = []
    for place in ("#/overview", "#/tasks?status=not_started", "#/task/a", "#/graph", "#/workers"):
        page.evaluate("place => { location.hash = place }", place)
        expect(page.locator("main h1").first).to_be_attached()
        seen += [button.inner_text() for button in page.locator("button").all()]

    acting = ("Emergency stop", "Pause", "Resume", "Retry", "Kill", "Drain")
    assert [text for text in seen if text.startswith(acting)] == []
    assert page.locator("input[type=checkbox]").count() == 0
    page.context.close()


def test_a_login_whose_token_is_revoked_ends_at_once(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    token = dashboard.token("viewer")
    token_id = token.split("_")[2]
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_attached()

    dashboard.stage.ctl("token", "revoke", token_id)

    expect(page.get_by_label("Token")).to_be_visible()
