"""Runs the quickstart plan into `demo/` and then tries the result.

Two of its tasks wait for a person here: one asks, and the work of one has to be approved. This program settles both
with the commands that a person would use, so the demo needs nobody.

Invariant: `demo/` is emptied only if this program made the folder, and every failure gives an exit code
other than 0.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import yaml

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
PROJECT = DEMO / "project"
# The mark of a folder that this program may empty.
MARK = DEMO / ".swarm-demo"
QUICKSTART = ROOT / "examples" / "quickstart" / "tasks.yaml"
PLAN = DEMO / "tasks.yaml"
# The tasks that wait for a person.
ASKS: Final = "1.3"
WAITS: Final = "2.6"
QUESTION: Final = "Are `my` and `your` among the words that say little?"
# The pause before the inbox is read again.
LOOK_EVERY_S: Final = 0.2
SAMPLE = "samples/harbour.txt"


def main() -> None:
    """Makes the folder, runs the swarm, tries the package, says where it is."""
    # swarmctl handles Ctrl-C and stops in order; this program then exits with its code.
    signal.signal(signal.SIGINT, lambda _signum, _frame: None)
    tools = Path(sys.executable).parent
    environment = clean_environment(tools)
    make_folder()
    git = make_repository(environment)
    write_plan("before-landing" if git else "after")
    say(f"a swarm of three workers builds a Python package in {PROJECT.relative_to(ROOT)}/")
    swarmctl = str(tools / "swarmctl")
    with person(swarmctl, environment):
        run([swarmctl, *swarm_arguments()], folder=ROOT, environment=environment)
    if git:
        say("the tasks worked in clones and landed on swarm/main; the checkout takes that branch")
        run([git, "merge", "-q", "--ff-only", "swarm/main"], folder=PROJECT, environment=environment)
        run([git, "--no-pager", "log", "--oneline"], folder=PROJECT, environment=environment)
    say("the package's own tests")
    run([sys.executable, "-m", "pytest", "-q"], folder=PROJECT, environment=environment)
    say(f"the package at work: textstat {SAMPLE}")
    with_sources = environment | {"PYTHONPATH": "src"}
    run([sys.executable, "-m", "textstat", SAMPLE], folder=PROJECT, environment=with_sources)
    say(f"what was built, in {PROJECT.relative_to(ROOT)}/")
    for line in inventory():
        sys.stdout.write(f"  {line}\n")


def swarm_arguments() -> Sequence[str]:
    """Returns the one command of the demo: a private swarmd, three workers, the plan, the progress."""
    plan, project = str(PLAN.relative_to(ROOT)), str(PROJECT.relative_to(ROOT))
    return ("run", plan, "--wait", "--workers", "3", "--runner", "embedded", "--project-root", project)


def write_plan(point: str) -> None:
    """Writes the quickstart plan with a question of one builder, and an approval of other work at that point."""
    plan = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    tasks = {task["id"]: task for task in plan["tasks"]}
    asked = {"status": "blocked", "questions": [{"text": QUESTION, "options": ["yes", "no"]}]}
    tasks[ASKS]["rehearsal"]["builder"].insert(0, {"reply": json.dumps(asked)})
    tasks[WAITS]["approve"] = point
    PLAN.write_text(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True), encoding="utf-8")


@contextlib.contextmanager
def person(swarmctl: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Settles what waits for a person while the swarm runs, as a person would: reads the inbox, answers, approves."""
    over = threading.Event()
    thread = threading.Thread(target=settle, args=(swarmctl, environment, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def settle(swarmctl: str, environment: Mapping[str, str], over: threading.Event) -> None:
    """Answers the question and approves the work, each once it waits."""
    verbs = {"question": ("answer", "--option", "1"), "approval": ("approve",)}
    while verbs and not over.wait(LOOK_EVERY_S):
        shown = subprocess.run(
            [swarmctl, "inbox", "-o", "json"], cwd=PROJECT, env=environment, capture_output=True, check=False
        )
        # The inbox can be read once the server of the run is up.
        entries = json.loads(shown.stdout)["entries"] if shown.returncode == 0 else []
        for task in [entry["task"] for entry in entries if entry["task"]["hold"]["kind"] in verbs]:
            verb, *rest = verbs.pop(task["hold"]["kind"])
            say(f"swarmctl {verb} {task['id']} {' '.join(rest)}".rstrip())
            subprocess.run([swarmctl, verb, task["id"], *rest], cwd=PROJECT, env=environment, check=False)


def clean_environment(tools: Path) -> dict[str, str]:
    """Returns an environment with our programs first on PATH, all state in `demo/`, and no settings of a swarm."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SWARM", "PYTEST", "PYTHON"))
    }
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return kept | {"PATH": path, "XDG_STATE_HOME": str(DEMO / "state")}


def make_folder() -> None:
    """Empties and makes `demo/`; refuses a folder that something else has made."""
    if DEMO.is_symlink() or (DEMO.exists() and not MARK.is_file()):
        stop(f"{DEMO.name}/ is not a folder that `make demo` made; move it away, then run it again")
    if DEMO.exists():
        shutil.rmtree(DEMO)
    PROJECT.mkdir(parents=True)
    MARK.write_text("Made by `make demo`, which empties this folder when it runs again.\n")


def make_repository(environment: Mapping[str, str]) -> str:
    """Makes the project a git repository with one commit; returns the path of git, empty without one that fits."""
    git = shutil.which("git", path=environment["PATH"])
    if git is None:
        return ""
    who = ("-c", "user.name=demo", "-c", "user.email=demo@example.invalid")
    found = subprocess.run(
        [git, "merge-tree", "-h"], capture_output=True, text=True, check=False, env=environment
    )
    if "--write-tree" not in found.stdout + found.stderr:  # older than clones need
        return ""
    run([git, "init", "-q", "-b", "main"], folder=PROJECT, environment=environment)
    commit = ("commit", "-q", "--allow-empty", "-m", "start")
    run([git, *who, *commit], folder=PROJECT, environment=environment)
    return git


def run(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
    """Runs a program to its end; its failure is the end of this one too."""
    sys.stdout.flush()
    try:
        code = subprocess.call(command, cwd=folder, env=environment)
    except OSError as error:
        stop(f"{command[0]} can't be started: {error.strerror}; run `make setup`")
    if code != 0:
        stop(f"{Path(command[0]).name} ended with {code}", code=code if 0 < code < 126 else 1)


def inventory() -> Sequence[str]:
    """Returns the files of the built package with their lengths."""
    files = sorted(
        path
        for path in PROJECT.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and not {".git", ".swarm"}.intersection(path.relative_to(PROJECT).parts)
    )
    return [f"{line_count(path):>5} lines  {path.relative_to(PROJECT)}" for path in files]


def line_count(path: Path) -> int:
    """Returns the number of lines of a file."""
    return path.read_bytes().count(b"\n")


def say(text: str) -> None:
    """Heads what comes next."""
    sys.stdout.write(f"\n== {text}\n")
    sys.stdout.flush()


def stop(text: str, *, code: int = 1) -> NoReturn:
    """Ends with a line."""
    sys.stderr.write(f"demo: {text}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
