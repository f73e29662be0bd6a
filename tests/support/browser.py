"""The browser of the browser tests: the first Chromium on PATH."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
MISSING: Final = "no Chromium here: the browser tests are left out (Debian: apt-get install chromium)"
# No sandbox inside containers; no call to outside servers.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    """Returns the path of Chromium, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """Runs a headless Chromium. Playwright keeps an event loop in this thread until it ends."""
    path = executable()
    assert path is not None, MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *more])
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__" and executable() is None:
    sys.stdout.write(f"{MISSING}\n")
