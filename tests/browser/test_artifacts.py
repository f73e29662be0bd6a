"""The files that attempts left, on the page of their task."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard

pytestmark = pytest.mark.slow
CONTENT = "<script>document.title = 'hit'</script>"


def test_a_file_is_saved_with_its_name_and_is_not_shown(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    check = f'mkdir -p out && printf "%s" "{CONTENT}" > out/report.html'
    dashboard.plan({"id": "a"}, validate=False, checks=[check], artifacts=["out/*.html"])
    dashboard.worker(parts={"a": {"lines": 1}})
    dashboard.stage.until_status("a", "completed")
    dashboard_page.go("#/task/a")
    title = page.title()
    expect(page.get_by_text("out/report.html", exact=True)).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("region", name="Files").get_by_role("button", name="Save").click()

    assert download.value.suggested_filename == "report.html"
    assert Path(download.value.path()).read_text() == CONTENT
    assert page.title() == title
