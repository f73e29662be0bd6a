"""The list of tasks: found, sorted, ticked, retried, killed; and the graph of them."""

import re

import pytest
from playwright.sync_api import expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard

pytestmark = pytest.mark.slow


def test_d19_all_of_many_tasks_can_be_reached_and_only_a_page_is_fetched(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan(*({"id": f"t{number:04}", "phase": f"p{number % 7}"} for number in range(1_300)))
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    dashboard_page.go("#/tasks")
    expect(page.locator("[data-total='1300']")).to_be_visible()

    assert len(dashboard_page.tasks()) < 120, "only what is in view is drawn"
    assert len([url for url in fetched if "/api/tasks?" in url]) == 1
    page.locator(".grid-body").evaluate("list => { list.scrollTop = list.scrollHeight }")
    expect(dashboard_page.row("t1299")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("t0042")
    expect(page.locator("[data-total='1']")).to_be_visible()
    expect(dashboard_page.row("t0042")).to_be_visible()


def test_a_filter_stands_in_the_address_and_follows_the_swarm(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a", "phase": "build"}, {"id": "b", "phase": "test", "dependencies": ["a"]})
    dashboard_page.go("#/tasks")
    page.get_by_role("button", name="completed").click()
    expect(page.get_by_text("No task is like that")).to_be_visible()
    assert "status=completed" in page.url

    dashboard.worker()

    expect(dashboard_page.row("a")).to_be_visible()
    expect(dashboard_page.row("b")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="completed")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Phase").fill("test")
    expect(dashboard_page.row("a")).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    for order in ("ascending", "descending"):
        page.get_by_role("button", name="Task", exact=True).click()
        expect(page.locator(f"[aria-sort='{order}']")).to_have_text(
            "Task ↑" if order == "ascending" else "Task ↓"
        )
    expect(page.locator(".trow[data-task]").first).to_have_attribute("data-task", "b")


def test_many_are_killed_and_retried_at_once_after_their_number_was_shown(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan(*({"id": f"x{number}"} for number in range(30)), {"id": "other"})
    dashboard_page.go("#/tasks?q=x")
    page.get_by_role("button", name="Kill all 30 tasks found").click()
    expect(page.locator("[data-preview='30']")).to_be_visible()
    page.get_by_label("Cause").fill("not needed")
    page.get_by_role("button", name="Kill 30 tasks").click()

    expect(page.get_by_text("30 tasks told to end")).to_be_visible()
    dashboard_page.shows("x3", "killed")
    assert dashboard.stage.statuses()["other"] == "not_started"
    dashboard_page.row("x1").get_by_role("checkbox").check()
    dashboard_page.row("x2").get_by_role("checkbox").check()
    page.get_by_role("button", name="Retry 2 ticked tasks").click()
    page.get_by_role("button", name="Retry 2 tasks").click()
    dashboard_page.shows("x2", "ready")
    dashboard_page.shows("x3", "killed")


def test_the_keys_move_open_and_go_back(dashboard_page: DashboardPage, dashboard: Dashboard) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, {"id": "b"}, {"id": "c"})
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(dashboard_page.row("c")).to_be_visible()

    for key in ("j", "j", "k", "Enter"):
        page.keyboard.press(key)

    expect(page.locator(".task[data-task='b']")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".task[data-task='b']")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator(".grid")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_escape_leaves_a_field_with_its_text_and_the_list_as_it_was(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a1"}, {"id": "a2"}, {"id": "b"})
    dashboard_page.go("#/tasks")
    page.get_by_label("Search id and name").fill("a")
    expect(dashboard_page.row("b")).to_have_count(0)
    expect(dashboard_page.row("a2")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.get_by_label("Search id and name")).to_have_value("a")
    assert page.evaluate("location.hash") == "#/tasks?q=a"
    expect(dashboard_page.row("a2")).to_be_visible()
    assert dashboard_page.tasks() == ["a1", "a2"]


@pytest.mark.timeout(240)
def test_find_opens_and_centres_its_task_among_more_than_five_thousand(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    size, phases = 500, 11
    dashboard.plan(
        *(
            {"id": f"p{phase}-{number}", "phase": f"phase {phase}", "name": f"Task {number}"}
            for phase in range(phases)
            for number in range(size)
        )
    )
    dashboard_page.go("#/graph")
    expect(page.locator(".gnode.phase")).to_have_count(phases)

    page.get_by_label("Find a task").fill("p7-321")

    hit = page.locator('[data-key="task p7-321"]')
    expect(hit).to_be_visible(timeout=60_000)
    expect(page.locator(".card")).to_contain_text("p7-321")
    frame, box = page.locator("svg.graph").bounding_box(), hit.bounding_box()
    assert frame is not None
    assert box is not None
    assert abs(box["x"] + box["width"] / 2 - frame["x"] - frame["width"] / 2) < 20
    assert abs(box["y"] + box["height"] / 2 - frame["y"] - frame["height"] / 2) < 20
    assert page.evaluate("location.hash") == "#/graph?task=p7-321"
    page.get_by_label("Find a task").fill("")
    expect(page.locator(".gnode.phase")).to_have_count(phases)
    page.locator('[data-key="phase phase 3"]').dblclick()
    expect(page.locator('[data-key="task p3-0"]')).to_be_in_viewport(timeout=60_000)
    assert page.evaluate("location.hash") == "#/graph?open=phase+3"


def test_the_graph_shows_statuses_as_they_change_and_leads_to_a_task(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, {"id": "b", "dependencies": ["a"]}, {"id": "c", "dependencies": ["a"]})
    dashboard_page.go("#/graph")
    expect(page.locator('[data-key="task b"][data-status="blocked"]')).to_be_visible()
    assert page.locator(".gedges > path").count() == 2

    dashboard.worker("w", "--slots", "2", parts={"b": {"hold": True}})

    expect(page.locator('[data-key="task b"][data-status="in_progress"]')).to_be_visible()
    expect(page.locator('[data-key="task c"][data-status="completed"]')).to_be_visible()
    page.locator('[data-key="task b"]').click()
    page.get_by_label("Selected").get_by_role("link", name="Open").click()
    expect(page.locator(".task[data-task='b']")).to_be_visible()
    dashboard_page.go("#/timeline")
    expect(page.locator(".gantt-bar[data-task='a']").first).to_be_visible()


def test_the_timeline_zooms_to_what_is_dragged_and_keeps_it_in_the_address(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, {"id": "b"}, validate=False)
    dashboard.worker("w", "--slots", "2", parts={"b": {"hold": True}})
    dashboard.stage.until_status("a", "completed")
    dashboard_page.go("#/timeline")
    first, held = (page.locator(f".gantt-bar[data-task='{task}']") for task in "ab")
    expect(held).to_be_visible()
    held.hover()
    expect(page.get_by_role("tooltip")).to_contain_text(re.compile(r"builder, attempt \d+, in progress"))

    frame = page.locator("svg.gantt").bounding_box()
    assert frame is not None
    right, y = frame["x"] + frame["width"] - 10, frame["y"] + frame["height"] - 8
    page.mouse.move(right - 200, y)
    page.mouse.down()
    page.mouse.move(right - 20, y, steps=3)
    page.mouse.up()
    page.wait_for_function("location.hash.includes('from=')")
    assert page.evaluate("location.hash").startswith("#/timeline?"), "a drag over a bar opens no task"
    page.get_by_role("button", name="Earlier").click(click_count=2)
    moved = page.evaluate("location.hash")
    page.reload()
    expect(page.get_by_role("button", name="follow the present")).to_be_visible()
    assert page.evaluate("location.hash") == moved
    page.keyboard.press("0")
    expect(first).to_be_visible()
    assert page.evaluate("location.hash") == "#/timeline"


def test_a_large_graph_is_collapsed_by_phase_and_opens(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    dashboard.plan(
        *(
            {"id": f"t{n:03}", "phase": f"p{n // 100}", "dependencies": [f"t{n - 1:03}"] if n else []}
            for n in range(500)
        )
    )
    dashboard_page.go("#/graph")
    expect(page.locator(".graph[data-nodes='5']")).to_be_visible()

    page.locator('[data-key="phase p2"]').dblclick()

    expect(page.locator(".graph[data-nodes='104']")).to_be_visible()
    page.get_by_label("Find a task").fill("t250")
    expect(page.locator('[data-key="task t250"]')).to_be_visible()
