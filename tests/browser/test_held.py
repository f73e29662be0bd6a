"""Held tasks: questions and holds on the overview and on the page of the task."""

import pytest
from playwright.sync_api import Route, expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard

pytestmark = pytest.mark.slow

QUESTION = 'Which port?\n<b onclick="window.hit=1">80</b> is "taken".'


def test_a_question_is_on_top_and_its_answer_starts_the_next_attempt(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, {"id": "b", "dependencies": ["a"]}, {"id": "c", "dependencies": ["b"]})
    dashboard.worker(parts={"a": {"asks": [{"text": QUESTION}, {"text": "Sure?", "options": ["yes", "no"]}]}})

    need = page.locator(".need").first
    expect(need).to_contain_text("a asks")
    expect(need).to_contain_text("2 tasks wait behind it")
    expect(page.locator("nav .badge")).to_contain_text("1")
    need.get_by_role("link", name="a asks").click()
    held = page.locator(".held-panel")
    expect(held.locator(".question")).to_have_text(QUESTION)
    assert held.locator("b").count() == 0
    held.get_by_role("textbox", name="Answer").fill('80,\nelse "8080"')
    held.get_by_role("button", name="Answer").click()

    expect(page.locator("main")).to_be_focused()
    expect(held.locator(".question")).to_have_text("Sure?")
    expect(held.get_by_role("button", name="Answer")).to_have_count(0)
    held.get_by_role("button", name="yes").click()
    expect(page.locator('.task[data-status="completed"]')).to_be_visible()
    said = page.locator(".panel.said [data-hold]")
    expect(said.locator("pre").nth(1)).to_have_text('80,\nelse "8080"')
    expect(said.locator("pre").nth(3)).to_have_text("yes")
    expect(page.locator(".latest, .events").first).to_contain_text("task unheld")
    expect(held).to_have_count(0)
    expect(page.locator("[data-attempt='3']")).to_be_visible()
    dashboard_page.go("#/overview")
    expect(page.get_by_text("nothing needs attention")).to_be_visible()


def test_a_task_is_held_noted_and_let_go(dashboard_page: DashboardPage, dashboard: Dashboard) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"})
    dashboard_page.go("#/task/a")

    page.get_by_role("button", name="Hold…").click()
    page.get_by_label("Cause").fill("after the fair")
    page.get_by_role("dialog").get_by_role("button", name="Hold").click()

    held = page.locator(".held-panel")
    expect(held).to_contain_text("after the fair")
    expect(page.get_by_role("button", name="Hold…")).to_be_disabled()
    held.get_by_label("Note for the next attempt").fill("use\nthe cache")
    held.get_by_role("button", name="Leave the note").click()
    expect(page.locator("[data-note] pre")).to_have_text("use\nthe cache")
    dashboard_page.go("#/overview")
    expect(page.locator(".need").first).to_contain_text("after the fair")
    dashboard_page.go("#/tasks?status=held")
    dashboard_page.shows("a", "held")
    dashboard_page.go("#/task/a")
    held.get_by_role("button", name="Let it start").click()
    expect(page.locator('.task[data-status="not_started"]')).to_be_visible()
    expect(held).to_have_count(0)
    expect(page.locator("[data-hold]")).to_contain_text("Ended by")


def test_an_answer_that_comes_second_names_the_first(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"})
    dashboard.worker(parts={"a": {"asks": [{"text": "Which port?"}]}})

    def second(route: Route) -> None:
        dashboard.stage.ctl("answer", "a", "80")
        route.continue_()

    page.route("**/api/tasks/a/answer", second)
    dashboard_page.go("#/task/a")
    page.get_by_role("textbox", name="Answer").fill("8080")
    page.get_by_role("button", name="Answer").click()

    expect(page.get_by_role("alert")).to_contain_text("already: '80'")
    expect(page.locator(".panel.said [data-hold] pre").nth(1)).to_have_text("80")
    expect(page.locator(".held-panel")).to_have_count(0)
    # The browser tells of each refusal; the page has shown this one.
    dashboard_page.errors[:] = [error for error in dashboard_page.errors if "status of 409" not in error]
