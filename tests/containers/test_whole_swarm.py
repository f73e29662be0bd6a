"""The image `amplifier-swarm` runs a whole task file, as any user, on a read-only root; sizes and labels."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from containers.conftest import USER
from containers.engine import BASE, IMAGES, environment, podman, run_once, running
from support.programs import ROOT

LIMITED = ("--read-only", "--user", f"{USER}:0", "--memory", "1g", "--pids-limit", "200", "--shm-size", "64m")
QUICKSTART = ROOT / "examples" / "quickstart"
# Megabytes over the base, for the images in the order of IMAGES; docs/containers.md has what was measured.
ROOM = (150, 250, 300)
DONE = "11 tasks: 11 completed"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def workspace(folder: Path, *, in_git: bool) -> tuple[str, ...]:
    """Puts the quickstart plan into the folder; returns the flags that mount it."""
    shutil.copy(QUICKSTART / "tasks.yaml", folder)
    if in_git:
        os.chown(folder, os.geteuid(), 0)  # git refuses a folder of another user
        git = ("git", "-C", str(folder), "-c", "user.name=me", "-c", "user.email=me@example.invalid")
        for argv in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "start")):
            subprocess.run([*git, *argv], check=True)
    subprocess.run(["chown", "-R", f"{USER}:0", str(folder)], check=True)
    return ("-v", f"{folder}:/workspace")


def test_the_images_stay_small_and_say_what_they_are(images: dict[str, str]) -> None:
    base = json.loads(podman("image", "inspect", BASE).stdout)[0]["Size"]
    for name, room in zip(IMAGES, ROOM, strict=True):
        found = json.loads(podman("image", "inspect", name).stdout)[0]
        print(f"{name}: {(found['Size'] - base) / 1e6:.0f} MB over its base")  # noqa: T201  # the figure
        assert found["Size"] - base < room * 1e6
        labels, config = found["Labels"], found["Config"]
        assert labels["org.opencontainers.image.title"] == name
        assert re.fullmatch(r"\d+\.\d+\.\d+", labels["org.opencontainers.image.version"])
        assert re.fullmatch(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
        assert (config["StopSignal"], config["User"]) == ("SIGTERM", "1000:0")
        assert config["Entrypoint"][0].startswith("/opt/swarm/bin/"), "no shell starts it"


@pytest.mark.parametrize(("home", "in_git"), [("", False), ("/nowhere", True)])
def test_the_quickstart_plan_runs_for_any_user_on_a_root_that_is_read_only(
    folder: Path, volume: str, *, home: str, in_git: bool
) -> None:
    flags = (
        *LIMITED,
        *workspace(folder, in_git=in_git),
        "-v",
        f"{volume}:/data:U",
        "--umask",
        "0077",
        "-e",
        f"HOME={home}",
    )

    done = run_once(
        "amplifier-swarm", "run", "tasks.yaml", "--runner", "embedded", "--workers", "2", flags=flags
    )

    assert (done.returncode, DONE in done.stdout) == (0, True), done.stdout + done.stderr
    made = next((folder / ".git" / "refs").rglob("swarm/main")) if in_git else folder / "README.md"
    assert made.stat().st_uid == USER
    again = run_once("amplifier-swarm", "run", "tasks.yaml", "--runner", "embedded", flags=flags)
    assert (again.returncode, DONE in again.stdout) == (0, True), "the volume remembers the run"


def test_clients_in_the_container_find_its_server_and_a_stop_ends_it(folder: Path) -> None:
    plan = "tasks: [{id: a, name: A, description: Wait.}]"
    (folder / "tasks.yaml").write_text(plan)
    agent = ("--runner", "command", "--builder-command", "sleep 600", "--no-validation")
    flags = (*LIMITED, "-v", f"{folder}:/workspace")

    with running("amplifier-swarm", "swarm-test-whole", "run", "tasks.yaml", *agent, flags=flags) as whole:
        whole.until_said("session started")
        assert "in_progress" in whole.exec("swarmctl", "list").stdout
        podman("kill", "-s", "TERM", whole.name)
        whole.until_said("stopping when the running tasks have ended")
        podman("kill", "-s", "TERM", whole.name)
        assert whole.exit_code() == 1
        assert "emergency stop" in whole.logs()
        assert "1 killed" in whole.logs()


README_BLOCK = r"<!-- no test: tests/containers .*? -->\n```sh\n(.*?)```"
FIRST_BLOCK = r"\A.*?```sh\n(.*?)```"


@pytest.mark.parametrize(
    ("page", "pattern", "done_line"),
    [
        ("README.md", README_BLOCK, "2 tasks: 2 completed"),
        ("docs/containers.md", FIRST_BLOCK, "4 tasks: 4 completed"),
    ],
)
def test_the_commands_of_a_page_run(
    images: dict[str, str], tmp_path: Path, page: str, pattern: str, done_line: str
) -> None:
    readme = (ROOT / "README.md").read_text()
    block = re.findall(pattern, (ROOT / page).read_text(), re.DOTALL)[0]
    block = block.replace("examples/", f"{ROOT}/examples/")
    [tasks] = re.findall(r"cat > tasks\.yaml <<'YAML'\n(.*?)YAML\n", readme, re.DOTALL)
    (tmp_path / "tasks.yaml").write_text(tasks)
    script = f'make() {{ command make -s -C {ROOT} "$@"; }}\n{block}'

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment() | images,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done_line in done.stdout
