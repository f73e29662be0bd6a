"""Mistakes of new users: each gets one line and the exit code of its kind."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.ledger import Ledger
from support.plans import write_plan
from support.programs import BIN, ROOT, Stage


def run(swarm: Stage, *argv: str, **env: str) -> tuple[int, str]:
    """Returns the exit code and the stderr of a program that must fail."""
    done = subprocess.run(
        [str(BIN / argv[0]), *argv[1:]], cwd=swarm.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, env=swarm.environment() | env, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    said = done.stderr.replace(swarm.address or "no address", "ADDRESS").replace(str(swarm.state), "STATE")
    said = said.replace(str(swarm.folder), "FOLDER")
    said = re.sub(r"pid \d+", "pid PID", said)
    return done.returncode, said


@pytest.mark.slow
def test_no_server(swarm: Stage) -> None:
    (swarm.folder / "token").write_text("swt1_operator_000000000000_" + "A" * 43)
    (swarm.folder / "token").chmod(0o600)

    said = run(swarm, "swarmctl", "--server", "127.0.0.1:1", "--token-file", "token", "status")

    assert said == (
        5, "swarmctl: no swarmd answers at 127.0.0.1:1; start one with `swarmd`, or give --server\n",
    )  # fmt: skip


def test_no_token(swarm: Stage) -> None:
    code, line = run(swarm, "swarmctl", "status")

    assert code == 6
    assert line == (
        "swarmctl: no token: neither --token-file nor SWARM_TOKEN is set, and no swarm was started here or"
        " above; run it where swarmd was started, or give --token-file\n"
    )


Case = tuple[tuple[str, ...], int, str]
WITH_SERVER: dict[str, Case] = {
    "no such task": (("swarmctl", "show", "buidl"), 3, "swarmctl: no task 'buidl'; did you mean 'build'?"),
    "kill without a task": (
        ("swarmctl", "kill"), 2, "swarmctl: missing argument 'TASK…'; see swarmctl kill --help",
    ),
    "kill of one that is not there": (
        ("swarmctl", "kill", "ghost"), 3, "swarmctl: no task 'ghost'; `swarmctl list` shows the ids",
    ),
    "unknown flag": (
        ("swarmctl", "list", "--colour"), 2,
        "swarmctl: no such option: --colour (Possible options: --no-color); see swarmctl list --help",
    ),
    "unknown verb": (("swarmctl", "stop"), 2, "swarmctl: no such command 'stop'; see swarmctl --help"),
    "no port": (
        ("swarmctl", "--server", "localhost", "status"), 2,
        "swarmctl: --server 'localhost' is not a HOST:PORT address; for example 127.0.0.1:7433",
    ),
    "port out of range": (
        ("swarmctl", "--server", ":99999", "status"), 2,
        "swarmctl: --server ':99999' is not a HOST:PORT address; for example 127.0.0.1:7433",
    ),
    "a URL": (
        ("swarmctl", "--server", "http://x:1", "status"), 2,
        "swarmctl: --server 'http://x:1' is not a HOST:PORT address; leave out the scheme, for example 127.0.0.1:7433",
    ),
    "no such file": (
        ("swarmctl", "import", "ghost.yaml"), 2,
        "swarmctl: can't read ghost.yaml: No such file or directory; check the path",
    ),
    "a token file that others can read": (
        ("swarmctl", "--token-file", "open-token", "status"), 6,
        ("swarmctl: the token file open-token may be read by others (mode 0644); chmod 600 open-token, or give the "
         "token in the variable SWARM_TOKEN"),
    ),
    "a wrong token": (
        ("swarmctl", "--token-file", "wrong-token", "status"), 6,
        ("swarmctl: the token is missing, unknown or revoked; is it the token of this server?"
        " give --token-file or SWARM_TOKEN"),
    ),
    "a viewer who kills": (
        ("swarmctl", "--token-file", "viewer-token", "kill", "build"), 4,
        "swarmctl: a viewer token may not call KillTask; use a token of another role",
    ),
    "a worker with a wrong token": (
        ("swarm-worker", "--server", "ADDRESS", "--token-file", "wrong-token", "--runner", "command",
         "--builder-command", "true", "--no-validation"), 6,
        ("swarm-worker: the server does not accept the token: the token is missing, unknown or revoked;"
        " give the --token-file of that server"),
    ),
    "a worker without a server": (
        ("swarm-worker",), 2, "swarm-worker: --server is missing; see swarm-worker --help",
    ),
    "a runner binary that is missing": (
        ("swarm-worker", "--server", "ADDRESS", "--runner", "command", "--no-validation",
         "--builder-command", "ghost x"), 2,
        "swarm-worker: --builder-command: 'ghost' is not on PATH; install it or correct the flag",
    ),
    "a runner without its command": (
        ("swarm-worker", "--server", "ADDRESS", "--runner", "command"), 2,
        "swarm-worker: --runner command needs --builder-command 'PROGRAM ARGUMENT…'; see swarm-worker --help",
    ),
    "no project root": (
        ("swarm-worker", "--server", "ADDRESS", "--runner", "embedded", "--project-root", "ghost"), 2,
        "swarm-worker: --project-root FOLDER/ghost is not a directory; create it or pass another path",
    ),
    "no slots": (
        ("swarm-worker", "--server", "ADDRESS", "--slots", "0"), 2,
        "swarm-worker: --slots '0': must be from 1 to 1024",
    ),
    "a port that is taken": (
        ("swarmd", "--db", "other/swarm.db", "--listen", "ADDRESS", "--log-level", "warning"), 1,
        ("swarmd: can't listen on ADDRESS: the address is in use or not this machine's;"
        " give another --listen; port 0 takes a free one"),
    ),
    "a second server": (
        ("swarmd", "--listen", "127.0.0.1:0"), 3,
        ("swarmd: STATE/swarm.db: another swarmd has this database open (pid PID);"
        " use the server that runs, or give another --db"),
    ),
    "an open bind": (
        ("swarmd", "--db", "other/swarm.db", "--listen", "0.0.0.0:7433"), 2,
        ("swarmd: refusing to listen on 0.0.0.0:7433 without TLS; give --tls-auto, or --tls-cert and --tls-key,"
        " or listen on 127.0.0.1"),
    ),
    "a database of something else": (
        ("swarmd", "--db", "plan.yaml", "--listen", "127.0.0.1:0"), 1,
        ("swarmd: FOLDER/plan.yaml: the file is not a sound database (file is not a database);"
         " restore a backup with --restore FILE"),
    ),
    "a flag out of range": (
        ("swarmd", "--lost-after", "0"), 2, "swarmd: --lost-after '0': must be from 1 to 31536000",
    ),
    "a dashboard where another server is": (
        ("swarmd", "--db", "other/swarm.db", "--listen", "127.0.0.1:0", "--dashboard", "ADDRESS"), 1,
        ("swarmd: can't serve the dashboard on ADDRESS: Address already in use; give another --dashboard,"
         " such as 127.0.0.1:0 for a free port, or `--dashboard off`"),
    ),
    "an open dashboard": (
        ("swarmd", "--db", "other/swarm.db", "--listen", "127.0.0.1:0", "--dashboard", "0.0.0.0:8765"), 2,
        ("swarmd: refusing to listen on 0.0.0.0:8765 without TLS; give --tls-auto, or --tls-cert and --tls-key,"
         " or listen on 127.0.0.1"),
    ),
}  # fmt: skip


@pytest.fixture
def served(swarm: Stage) -> Stage:
    write_plan(swarm.folder / "plan.yaml", {"build": []})
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    token = (swarm.state / "token").read_text()
    made = swarm.ctl("token", "create", "--role", "viewer", "-o", "json").stdout
    viewer = re.search(r"swt1_viewer_\w+_[\w-]+", made)
    assert viewer
    for name, text, mode in (
        ("open-token", token, 0o644),
        ("wrong-token", token.strip()[:-1] + ("A" if token.strip()[-1] != "A" else "B"), 0o600),
        ("viewer-token", viewer[0], 0o600),
    ):
        (swarm.folder / name).write_text(text)
        (swarm.folder / name).chmod(mode)
    return swarm


@pytest.mark.slow
def test_each_mistake_gets_its_one_line_and_its_code(served: Stage) -> None:
    wrong = []
    for name, (argv, code, line) in WITH_SERVER.items():
        found = run(
            served, *(served.address if word == "ADDRESS" else word for word in argv),
            **({} if argv[0] != "swarmctl" or "--server" in argv else {"SWARM_SERVER": served.address}),
        )  # fmt: skip
        if found != (code, f"{line}\n"):
            wrong.append((name, found, (code, line)))

    assert wrong == []
    assert served.statuses() == {"build": "not_started"}


@pytest.mark.slow
def test_a_verb_that_does_not_fit_the_status_is_a_conflict(served: Stage) -> None:
    ledger = Ledger(served.folder / "ledger")
    command = ("--runner", "command", "--no-validation", "--builder-command", str(ledger.script()))
    assert served.worker("w", "--exit-when-done", *command).process.wait(30) == 0

    hints = {
        "kill": "`swarmctl show TASK` says how it stands",
        "retry": "--completed runs it again, and --dry-run says what that does",
    }
    for verb, hint in hints.items():
        code, line = run(served, "swarmctl", verb, "build", SWARM_SERVER=served.address)
        assert (code, line) == (7, f"swarmctl: can't {verb} task 'build': it is completed; {hint}\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_project_root_that_can_not_be_read(swarm: Stage) -> None:
    swarm.project.mkdir(mode=0o000)

    code, line = run(swarm, "swarm-worker", "--server", "127.0.0.1:1", "--project-root", "project")

    assert (code, line.startswith("swarm-worker: --project-root")) == (2, True)


def _too_old(copy: Path) -> None:
    """Changes the set-up script so that it sees Python 3.10."""
    text = copy.read_text()
    assert "sys.version_info" in text
    copy.write_text(text.replace("sys.version_info", "(3, 10, 4)"))


@pytest.mark.parametrize("age", [_too_old])
def test_a_python_that_is_too_old(tmp_path: Path, age: Callable[[Path], None]) -> None:
    script = tmp_path / "setup.py"
    script.write_text((ROOT / "scripts" / "setup.py").read_text())
    age(script)

    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "venv")], capture_output=True, text=True, check=False, timeout=60,
        cwd=tmp_path, env={"PATH": "/nonexistent"},
    )  # fmt: skip

    assert done.returncode != 0
    assert "3.11" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "venv").exists()
