"""Takes pictures of every page of the dashboard, light and dark, wide and as on a phone, into screenshots/.

Meanwhile a real swarmd with real workers works through the plan of examples/predecessor.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml
from playwright.sync_api import Browser, Page

from support.browser import MISSING, chromium, executable
from support.dashboard import Dashboard
from support.programs import ROOT, stage
from support.waiting import until

TARGET: Final = ROOT / "screenshots"
PLAN: Final = ROOT / "examples" / "predecessor" / "tasks.yaml"
# A busy machine may delay a worker; it must not be given up.
PATIENT: Final = (
    "--heartbeat-interval",
    "1",
    "--suspect-after",
    "15",
    "--lost-after",
    "120",
    "--retry-backoff",
    "0.1",
)
THEMES: Final = ("light", "dark")
SIZES: Final = {"wide": (1440, 900, 1), "phone": (375, 760, 2)}
# Long enough for a running session in every picture.
# Long enough for a running session in every picture.
PARTS: Final[dict[str, dict[str, object]]] = {
    "*": {"seconds": 22, "validator_seconds": 9},
    "2.6.0": {"seconds": 2, "validator_seconds": 1},
    "2.6.1.b": {"seconds": 2, "fails": 9, "error": "mjml: the template has no closing section, line 41"},
    "3.2.1": {"seconds": 2, "validator_seconds": 2, "rejects": 2},
    "3.7.1": {"seconds": 60},
}
KILLED, FAILED, REJECTED = "3.7.1", "2.6.1.b", "3.2.1"


PAGES: Final = {
    "overview": "#/overview",
    "tasks": "#/tasks",
    "tasks-filtered": "#/tasks?status=completed&status=failed&sort=completed_at&order=desc",
    "task": f"#/task/{REJECTED}",
    "task-running": "#/task/RUNNING",
    "task-killed": f"#/task/{KILLED}",
    "graph": "#/graph",
    "timeline": "#/timeline",
    "costs": "#/costs",
    "workers": "#/workers",
}


def main() -> None:
    """Takes them all."""
    if executable() is None:
        raise SystemExit(f"screenshots: {MISSING}")
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    with tempfile.TemporaryDirectory(prefix="swarm-") as folder, stage(Path(folder)) as place:
        dashboard = Dashboard(place)
        begin(dashboard)
        with chromium("--hide-scrollbars") as browser:
            for theme in THEMES:
                for size in SIZES:
                    shoot(browser, dashboard, theme, size)
            stopped(browser, dashboard)
    sys.stdout.write(f"screenshots: {len(list(TARGET.iterdir()))} pictures in {TARGET.name}/\n")


def begin(dashboard: Dashboard) -> None:
    """Starts a swarm in motion: some tasks done, some running, one failed, one killed, one rejected twice."""
    dashboard.start(*PATIENT)
    document = yaml.safe_load(PLAN.read_text())
    tasks = [
        task | {"status": "not_started"} if task["status"] != "completed" else task
        for task in document["tasks"]
    ]
    for task in tasks:
        if task["id"] == REJECTED:
            task["checks"] = ["test -e docs/schema.md || echo 'docs/schema.md is not there yet'"]
    dashboard.plan(*tasks, max_retries=2)
    for number, slots, labels in ((1, 4, ("arch=x86",)), (2, 3, ("arch=x86", "gpu=yes")), (3, 2, ())):
        flags = [word for label in labels for word in ("--label", label)]
        dashboard.worker(f"build-{number}", "--slots", str(slots), *flags, parts=PARTS)
    found = dashboard.stage
    until(lambda: found.statuses()[KILLED] == "in_progress", "there is something to kill", deadline_s=90)
    found.ctl("kill", KILLED, "--cause", "it waits for a lock that nobody holds")
    until(lambda: found.statuses()[FAILED] == "failed", "one has failed", deadline_s=90)
    until(lambda: found.statuses()[REJECTED] == "completed", "one came through", deadline_s=90)


@contextmanager
def opened(browser: Browser, dashboard: Dashboard, theme: str, size: str) -> Iterator[Page]:
    """Opens the page, logged in."""
    width, height, scale = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(dashboard.link())
    page.locator("nav").wait_for()
    yield page
    context.close()


def shoot(browser: Browser, dashboard: Dashboard, theme: str, size: str) -> None:
    """Takes every page in one theme and size."""
    with opened(browser, dashboard, theme, size) as page:
        for name, place in PAGES.items():
            page.goto(f"{dashboard.url}/{place.replace('RUNNING', running(dashboard))}")
            page.reload()
            page.locator("main h1").first.wait_for(state="attached")
            # Charts and layouts are drawn a moment after their data has arrived.
            page.wait_for_timeout(1200)
            page.screenshot(path=TARGET / f"{name}-{theme}-{size}.png")


def running(dashboard: Dashboard) -> str:
    """Returns the task that has run for the longest time."""
    tasks = [task for task in dashboard.stage.tasks().values() if task["status"] == "in_progress"]
    return str(min(tasks, key=lambda task: str(task["started_at"]))["id"])


def stopped(browser: Browser, dashboard: Dashboard) -> None:
    """Takes the emergency stop: its question, and the stop in force."""
    with opened(browser, dashboard, "light", "wide") as page:
        page.get_by_role("button", name="Emergency stop").click()
        page.get_by_label("Cause").fill("the bill is running away")
        page.get_by_label("Type STOP").fill("STOP")
        page.screenshot(path=TARGET / "stop-asked-light-wide.png")
        page.get_by_role("button", name="Stop everything").click()
        page.get_by_text("proven gone").first.wait_for()
        for theme in THEMES:
            for size in SIZES:
                with opened(browser, dashboard, theme, size) as other:
                    other.get_by_text("proven gone").first.wait_for()
                    other.screenshot(path=TARGET / f"stopped-{theme}-{size}.png")


if __name__ == "__main__":
    main()
