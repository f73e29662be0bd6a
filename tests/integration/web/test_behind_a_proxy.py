"""The dashboard behind a proxy: which Host and Origin are its own page, and what a refusal says."""

from pathlib import Path

import pytest

from support.web import web

NAME = "swarm.corp.example"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (NAME, f"https://{NAME}"),
        (NAME, f"http://{NAME}"),
        (f"{NAME}:443", f"https://{NAME}"),
        (f"{NAME}:80", f"http://{NAME}"),
        (f"{NAME}:8443", f"https://{NAME}:8443"),
        (f"{NAME.upper()}:443", f"https://{NAME}"),
        ("[::1]:443", "https://[::1]"),
    ],
)
async def test_behind_a_proxy_the_schemes_own_port_may_be_named_or_not(
    tmp_path: Path, host: str, origin: str
) -> None:
    async with web(tmp_path, dashboard_name=(NAME,)) as found:
        browser = await found.browser()

        await browser.post("/api/pause", Host=host, Origin=origin)


@pytest.mark.parametrize(
    ("host", "origin", "why"),
    [
        (f"{NAME}:443", f"https://{NAME}:8443", f"Origin is 'https://{NAME}:8443' and its Host is '{NAME}:443'"),
        (f"{NAME}:443", f"http://{NAME}", f"Origin is 'http://{NAME}'"),
        (f"{NAME}:80", f"https://{NAME}", "its Host is"),
        (NAME, f"https://{NAME}.evil.test", "its Host is"),
        (NAME, f"https://evil.test:443@{NAME}", "its Host is"),
        (NAME, f"https://{NAME}/", "its Host is"),
        ("127.0.0.1:8765", f"https://{NAME}", "A proxy must forward the Host header of the browser"),
    ],
)  # fmt: skip
async def test_a_refusal_names_origin_and_host_and_what_a_proxy_must_do(
    tmp_path: Path, host: str, origin: str, why: str
) -> None:
    async with web(tmp_path, dashboard_name=(NAME,)) as found:
        browser = await found.browser()

        refused = await browser.post("/api/pause", Host=host, Origin=origin, expect=403)

        assert refused["error"]["reason"] == "ORIGIN_REFUSED"
        assert why in refused["error"]["message"]
