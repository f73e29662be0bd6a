"""Text of sessions, files and people stays text in the page."""

from itertools import product

import pytest
from playwright.sync_api import expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard

pytestmark = pytest.mark.slow

CORPUS = (
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg/onload=window.hit=1>',
    "</pre></textarea><iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "javascript:window.hit=1//",
    "{{constructor.constructor('window.hit=1')()}}",
    "' onmouseover='window.hit=1' x='",
    "\u202egnp.exe \u200b\u2066",
)
PAGES = ("#/overview", "#/tasks", "#/graph", "#/timeline", "#/costs", "#/workers", "#/task/xss")


def test_d13_an_xss_corpus_in_every_field_does_nothing(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    text = " ".join(CORPUS)
    finding = [{"file": "a.py", "issue": text, "severity": text[:60]}]
    part = {
        "rejects": 9,
        "line": "{} " + text,
        "lines": 2,
        "notes": text,
        "summary": text,
        "findings": finding,
    }
    label = CORPUS[0]
    task = {
        "id": "xss", "name": text[:400], "phase": text[:100], "type": text[:100], "description": text,
        "acceptance_criteria": [text], "checks": [f"echo {text!r} #"[:900].replace("\n", " ")], "max_retries": 0,
    }  # fmt: skip
    dashboard.plan(task, {"id": "next", "phase": text[:100], "dependencies": ["xss"]})
    dashboard.worker("w", "--label", f"note={label}", parts={"xss": part})
    dashboard.stage.until_status("xss", "failed")
    dashboard.stage.ctl("kill", "next", "--cause", text[:400])
    page.evaluate(
        "() => document.addEventListener('securitypolicyviolation', e => { window.broke = e.violatedDirective })"
    )

    for place in PAGES:
        dashboard_page.go(place)
        expect(page.locator("main h1").first).to_be_attached()
        if place not in ("#/graph", "#/timeline"):  # these cut their names short
            page.locator("main").get_by_text("window.hit=1").first.wait_for(state="attached")
        for summary in page.locator("details:not([open]) > summary").all():
            summary.click()
        assert page.locator("main :is(script, iframe, img)").count() == 0, place
        assert page.evaluate("() => window.hit") is None, place
    assert page.evaluate("() => window.broke") is None
    assert "\u202e" not in page.locator("body").inner_text(), "marks that reorder text are shown, not obeyed"


def test_no_page_breaks_its_policy_or_is_wider_than_the_screen(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    name, phase = "a-task-with-a-long-name", "a phase with a long name"
    dashboard.plan(*({"id": f"{name}-{n}", "phase": phase} for n in range(20)))

    for theme, width in product(("light", "dark"), (1280, 375)):
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 760})
        for place in (*PAGES[:-1], f"#/task/{name}-1"):
            dashboard_page.go(place)
            expect(page.locator("main h1").first).to_be_attached()
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (place, width)
            assert page.evaluate("() => document.documentElement.dataset.theme") == theme
