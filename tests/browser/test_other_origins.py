"""Other servers around the page: one on another port of its host, and a proxy that serves it below a path."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard
from support.path_proxy import path_proxy

pytestmark = pytest.mark.slow


@contextmanager
def neighbour() -> Iterator[tuple[str, list[str]]]:
    """Serves on another port of this host; yields its URL and the cookies that browsers send to it."""
    cookies: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cookies.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", cookies
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_on_another_port_gets_the_cookie_and_can_do_nothing_with_it(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    with neighbour() as (url, cookies):
        other = dashboard_page.page.context.new_page()
        other.goto(url)
        stored = other.evaluate("() => Object.keys(localStorage).length")
        other.close()
    stolen = {"Cookie": cookies[0], "Origin": dashboard.url}
    assert "swarm-" in cookies[0], "a cookie has no port"

    me = httpx.get(f"{dashboard.url}/api/me", headers=stolen).json()
    reads = httpx.get(f"{dashboard.url}/api/tasks", headers=stolen)
    acts = httpx.post(f"{dashboard.url}/api/pause", json={}, headers={**stolen, "X-Swarm-CSRF": me["csrf"]})

    assert (stored, me["csrf"]) == (0, "")
    assert (reads.status_code, acts.status_code) == (403, 403)
    expect(dashboard_page.page.locator(".banner.warning")).to_have_count(0)


def test_a_second_tab_and_a_reload_need_no_new_login(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    dashboard_page.page.reload()
    expect(dashboard_page.page.get_by_role("heading", name="Overview")).to_be_attached()

    tab = dashboard_page.page.context.new_page()
    tab.goto(dashboard.url)

    expect(tab.get_by_role("heading", name="Overview")).to_be_attached()
    tab.get_by_role("button", name="Pause").click()
    tab.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(tab.locator(".banner.warning")).to_contain_text("Paused")
    tab.close()


def test_below_a_path_everything_works(browser: Browser, dashboard: Dashboard) -> None:
    dashboard.plan({"id": "a"})
    with path_proxy(dashboard.url) as url:
        context = browser.new_context()
        page = context.new_page()
        missing: list[str] = []
        page.on("response", lambda found: missing.append(found.url) if found.status == 404 else None)

        page.goto(url + dashboard.link().removeprefix(f"{dashboard.url}/"))

        expect(page.get_by_role("heading", name="Overview")).to_be_attached()
        assert page.url.partition("#")[0] == url
        dashboard.worker("w")
        expect(page.get_by_text("All is done")).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        expect(page.locator(".banner.warning")).to_contain_text("Paused")
        page.evaluate("() => { location.hash = '#/graph' }")
        expect(page.locator('[data-key="task a"]')).to_be_visible()
        page.reload()
        expect(page.locator('[data-key="task a"]')).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Token")).to_be_visible()
        page.get_by_label("Token").fill(dashboard.own_token())
        page.get_by_role("button", name="Log in").click()
        expect(page.locator('[data-key="task a"]')).to_be_visible()
        assert missing == []
        context.close()
