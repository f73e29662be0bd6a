"""The dashboard's port of real programs: its login link, and a shutdown that does not wait for viewers."""

import contextlib
import re
import signal
from functools import partial

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.plans import write_plan
from support.programs import Stage
from support.waiting import until

LINK = re.compile(r"http://\S+/login\?code=\w+")


def redirect_of(link: str) -> str:
    """Returns the location to which the link redirects a browser."""
    return httpx.get(link).headers["location"]


@pytest.mark.slow
def test_a_link_opens_the_dashboard_once_and_sigterm_ends_it_under_open_viewers(swarm: Stage) -> None:
    server = swarm.swarmd("--dashboard", "127.0.0.1:0")
    dashboard = server.ready()["dashboard"]
    token = (swarm.state / "token").read_text().strip()

    done = swarm.ctl("dashboard")
    link = done.stdout.strip()
    feed = partial(connect, dashboard.replace("http", "ws") + "/ws")
    with contextlib.ExitStack() as stack:
        headers = {"Authorization": f"Bearer {token}"}
        viewers = [stack.enter_context(feed(additional_headers=headers)) for _ in range(20)]
        for viewer in viewers:
            assert viewer.recv(30)

        assert link.startswith(f"{dashboard}/login?code=")
        assert "good once" in done.stderr
        assert [redirect_of(link), redirect_of(link)] == ["./?login=new", "./?login=expired"]
        assert server.end(signal.SIGTERM) == 0
        for viewer in viewers:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    viewer.recv(30)
            assert viewer.protocol.close_code == 1012


@pytest.mark.slow
def test_the_command_says_how_to_start_a_dashboard_if_there_is_none(swarm: Stage) -> None:
    swarm.swarmd("--dashboard", "off")

    done = swarm.ctl("dashboard", check=False)

    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == (
        "swarmctl: this server serves no dashboard; start swarmd with --dashboard HOST:PORT\n"
    )


@pytest.mark.slow
def test_a_run_serves_a_dashboard_of_its_own_and_prints_its_link(swarm: Stage) -> None:
    write_plan(swarm.folder / "plan.yaml", {"a": []})
    waits = "sh -c 'until test -e go; do sleep 0.05; done; echo {}'"
    argv = ("run", "plan.yaml", "--workers", "1", "--runner", "command", "--no-validation")
    run = swarm.start("run", *argv, "--builder-command", waits, program="swarmctl")

    [link] = until(lambda: LINK.findall(run.said()), "the link is printed")
    location = redirect_of(link)
    (swarm.folder / "go").touch()

    assert location == "./?login=new"
    assert run.process.wait(60) == 0
