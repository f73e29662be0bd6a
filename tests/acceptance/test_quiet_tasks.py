"""A session that only repeats itself is named by every view, with the time at which it is ended."""

import json

import pytest

from support.programs import QUICK, Stage
from support.waiting import until

pytestmark = pytest.mark.slow


def test_a_session_that_repeats_itself_is_named_with_its_end(swarm: Stage) -> None:
    script = swarm.folder / "b.sh"
    script.write_text(
        "#!/bin/sh\ncat > /dev/null\nwhile true; do date '+still working %T'; sleep 0.2; done\n"
    )
    script.chmod(0o755)
    (swarm.folder / "plan.yaml").write_text("tasks: [{id: '2.1', description: x}]")
    swarm.swarmd(*QUICK, "--quiet-after", "1")
    swarm.ctl("import", "plan.yaml")
    flags = (
        "--runner",
        "command",
        "--builder-command",
        str(script),
        "--no-validation",
        "--stall-timeout",
        "300",
    )
    swarm.worker("w1", *flags)

    status = until(lambda: _quiet(swarm), "the task is quiet")

    assert (status[0]["task"], status[0]["worker"]) == ("2.1", "w1")
    assert swarm.ctl("status").stdout.startswith("2.1: nothing new for ")
    explained = swarm.ctl("explain", "2.1").stdout
    assert "its program has printed nothing new for " in explained
    assert "if it prints nothing new until then" in " ".join(explained.split())
    swarm.ctl("kill", "2.1", "--cause", "it repeats itself")
    swarm.ctl("pause", "--cause", "look at „it“ first")
    told = swarm.ctl("events").stdout
    assert "2.1 task killing (attempt 1, w1, by operator): it repeats itself" in told
    assert "swarm paused (by operator): look at „it“ first" in told
    assert _quiet(swarm) == []


def _quiet(swarm: Stage) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(swarm.ctl("status", "-o", "json").stdout)["quiet_tasks"]
    return found
