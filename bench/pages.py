"""The dashboard's page beside 20,000 tasks and some 200 events a second: frame times, delay, memory.

`MINUTES` sets the time (1, or 10 with FULL=1). Without Chromium nothing is measured.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from measure import Finding, Setting, at_most
from playwright.sync_api import Page
from programs import HERE, add_tasks, folder, start_swarmd

from support.browser import MISSING, chromium, executable
from support.programs import environment, stage

TASKS: Final = 20_000
# The number of concurrent sessions, and the length of each.
WORKERS, SLOTS, HOLD_S = 20, 6, 0.5
PLACES: Final = ("#/overview", "#/tasks", "#/graph", "#/timeline", "#/tasks?status=in_progress")
LOOK_S: Final = 6
REST_S, WARM_S = 30, 10
# The limits of a visible hitch, and of slowness.
HITCH_MS: Final = 100
WATCH: Final = """() => {
  window.gaps = []; window.delays = [];
  let last = performance.now();
  const frame = now => { window.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  const seen = new Set();
  let shown = false;
  new MutationObserver(() => {
    const rows = [...document.querySelectorAll('.latest [data-seq]')];
    const fresh = rows.filter(row => !seen.has(row.dataset.seq));
    for (const row of fresh) seen.add(row.dataset.seq);
    // What stood there when the list was opened had come while another page was shown.
    if (shown) for (const row of fresh) {
      window.delays.push(Date.now() - Date.parse(row.querySelector('time').dateTime));
    }
    shown = rows.length > 0;
  }).observe(document.body, { childList: true, subtree: true });
}"""


@dataclass
class Looks:
    """The observations of one stretch of time."""

    gaps_ms: list[float] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)

    def add(self, page: Page) -> None:
        """Takes what the page has noted."""
        found: dict[str, list[float]] = page.evaluate(
            "() => { const found = { gaps, delays }; window.gaps = []; window.delays = []; return found; }"
        )
        self.gaps_ms += found["gaps"]
        self.delays_ms += found["delays"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The observations of a run."""

    rest: Looks
    busy: Looks
    events_per_s: float
    begin_mib: float
    end_mib: float


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures the page at rest, then under load."""
    if executable() is None:
        print(f"  page: {MISSING}", flush=True)
        return
    minutes = setting.minutes(1, 10)
    seen = _run(minutes)
    gaps_ms = seen.busy.gaps_ms
    p95_ms, rest_ms = _share(gaps_ms, 0.95), _share(seen.rest.gaps_ms, 0.95)
    late_ms = [gap for gap in gaps_ms if gap > HITCH_MS]
    yield Finding(
        "page", f"frame time, p95, beside {seen.events_per_s:,.0f} events/s ÷ at rest", [p95_ms / rest_ms],
        at_most(4), beside={"p95 ms": p95_ms, "at rest ms": rest_ms, "p99 ms": _share(gaps_ms, 0.99),
                            "longest ms": max(gaps_ms)},
    )  # fmt: skip
    yield Finding(
        "page", f"share of time in frames longer than {HITCH_MS} ms", [sum(late_ms) / sum(gaps_ms)], at_most(0.1),
        beside={"frames": len(gaps_ms), "of these longer": len(late_ms)},
    )  # fmt: skip
    yield Finding(
        "page", "from an event to its row on the page, p95", [_share(seen.busy.delays_ms, 0.95)], at_most(1_000),
        unit=" ms", beside={"p50 ms": _share(seen.busy.delays_ms, 0.5), "rows": len(seen.busy.delays_ms)},
    )  # fmt: skip
    yield Finding(
        "page", f"memory of the page after {minutes:g} min ÷ at the beginning", [seen.end_mib / seen.begin_mib],
        at_most(1.5), beside={"MiB": seen.end_mib, "at the beginning": seen.begin_mib},
    )  # fmt: skip


def _run(minutes: float) -> Seen:
    tasks = max(TASKS, round(60 * minutes * WORKERS * SLOTS / HOLD_S) + 5_000)
    with folder() as where, stage(where) as found, chromium("--enable-precise-memory-info") as browser:
        server = start_swarmd(found, "--dashboard", "127.0.0.1:0")
        add_tasks(server, tasks)
        url = server.program.ready()["dashboard"]
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.get_by_label("Token").fill(server.endpoint.token)
        page.get_by_role("button", name="Log in").click()
        page.locator("nav").wait_for()
        page.evaluate(WATCH)
        rest = _look(page, REST_S)
        load = _load(server.endpoint.server, server.endpoint.token, 60 * minutes + REST_S)
        _look(page, WARM_S)
        seq, begin, begin_mib = _seq(page, url), time.monotonic(), _heap_mib(page)
        busy = _look(page, 60 * minutes)
        per_s = (_seq(page, url) - seq) / (time.monotonic() - begin)
        end_mib = _heap_mib(page)
        load.kill()
        load.wait(30)
    return Seen(rest, busy, per_s, begin_mib, end_mib)


def _look(page: Page, seconds: float) -> Looks:
    """Goes round all pages, scrolling, until the time is over."""
    looks, end = Looks(), time.monotonic() + seconds
    while time.monotonic() < end:
        for place in PLACES:
            page.evaluate("place => { location.hash = place }", place)
            until = min(end, time.monotonic() + LOOK_S)
            while time.monotonic() < until:
                page.mouse.move(500, 500)
                page.mouse.wheel(0, 900)
                page.wait_for_timeout(200)
    looks.add(page)
    return looks


def _load(server: str, token: str, seconds: float) -> "subprocess.Popen[bytes]":
    argv = [
        sys.executable,
        str(HERE / "load.py"),
        server,
        token,
        str(WORKERS),
        str(SLOTS),
        str(seconds),
        str(HOLD_S),
    ]
    env = environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL)


def _seq(page: Page, url: str) -> int:
    status: dict[str, Any] = page.evaluate(
        "url => fetch(url + '/api/status', {headers: {'X-Swarm-CSRF': localStorage.getItem('swarm-csrf /')}})"
        ".then(found => found.json())",
        url,
    )
    return int(status["last_event_seq"])


def _heap_mib(page: Page) -> float:
    """Returns the heap of the page's script after a garbage collection, on the overview."""
    page.evaluate("() => { location.hash = '#/overview'; window.gaps = []; }")
    page.locator(".overview").wait_for()
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = float(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return used / 1024 / 1024


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
