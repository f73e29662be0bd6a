"""A task file that a session writes from a specification: one task in a private swarm, checked until it has no faults.

Invariant: nothing of it reaches another swarm. Folder, database and state of the run are removed with it.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.read import Plan, read_plan
from amplifier_swarm.plan.write import plan_text
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import TaskDefinition, WorkspaceKind
from swarmctl.console import print_err

# How often faults go back to the session.
TRIES: Final = 3
DRAFT: Final = "tasks.yaml"
SPEC: Final = "SPEC.md"
_SWARMCTL: Final = (sys.executable, "-P", "-c", "from swarmctl.main import main; main()")
PROMPT: Final = """\
Plan the work that SPEC.md asks for. Write the plan as a task file for Amplifier Swarm to tasks.yaml in this folder,
and change nothing else. Do none of the work yourself.
{project}
Each task is done by a builder who knows nothing but its task, and is then judged by a validator. So:
- A task is half an hour to three hours of a person's work, on one to five files.
- `description` says what to do, for whom, and what is out of scope; it names functions, formats and messages that
  other tasks rely on.
- `acceptance_criteria` are conditions on which two people would agree.
- `checks` are shell commands that exit 0 when the work is right: tests of this task, quick, without a network.
- `files` are relative paths that the task creates or changes, each of one owner at a time.
- `dependencies` are the ids of the tasks whose result it needs, and no others, so that much can run at once.
- The last task checks that the parts work together.

The form, as YAML; ids have letters, digits, . _ and -, and stand in quotes:

tasks:
  - id: "1.1"
    name: Read the configuration
    phase: core
    type: implementation
    estimated_hours: 1
    description: |
      Write load(path) in src/config.py. It returns ...
    acceptance_criteria:
      - a missing file raises ConfigError with its path
    files: [src/config.py, tests/test_config.py]
    checks: ["python -m pytest -q tests/test_config.py"]
    dependencies: []

The file is checked by `swarmctl plan tasks.yaml --no-server`. If it has faults you get them, and correct the file.
"""


def plan_from_spec(spec: bytes, project: Path, *, runner: str) -> tuple[Plan, bytes]:
    """Lets a session write a task file; returns the plan and the file.

    The runner and all other settings of the worker are those of the variables SWARM_WORKER_…, except for a `runner`
    that is given. Progress goes to stderr.

    Raises:
        ProgramExit: the session has written no task file without faults; the error has the last faults.
    """
    folder = Path(tempfile.mkdtemp(prefix="swarmctl-plan-"))
    try:
        work = folder / "work"
        work.mkdir()
        (work / SPEC).write_bytes(spec)
        (folder / "plan.yaml").write_text("".join(plan_text([_task(project)])))
        code = _run(folder, work, runner)
        return _result(work / DRAFT, code)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _task(project: Path) -> PlannedTask:
    known = f"\nThe project is in {project}. Read there what you need, and change nothing in it.\n"
    definition = TaskDefinition(
        task_id="plan",
        name="Write a task file from SPEC.md",
        description=PROMPT.format(project=known if (project / ".git").exists() else ""),
        files=[DRAFT],
        checks=[shlex.join([*_SWARMCTL, "plan", DRAFT, "--no-server"])],
        max_retries=TRIES,
        validate=False,
        land=False,
        workspace=WorkspaceKind.WORKSPACE_KIND_SHARED,
    )
    return PlannedTask(definition=definition)


def _run(folder: Path, work: Path, runner: str) -> int:
    arguments = ["run", str(folder / "plan.yaml"), "--workers", "1", "--project-root", str(work)]
    arguments += ["--db", str(folder / "state" / "swarm.db"), "--dashboard", "off"]
    arguments += ["--no-validation", *(["--runner", runner] if runner else [])]
    # The run leaves no trace among those of the user's projects.
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state-home")}
    environment.setdefault("SWARMD_RETRY_BACKOFF", "1")
    with subprocess.Popen(
        [*_SWARMCTL, *arguments],
        cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    ) as run:  # fmt: skip
        for line in run.stdout or ():
            # Lines that name the folder advise what its end makes useless.
            if str(folder) not in line:
                print_err(line.rstrip("\n"))
    return run.returncode


def _result(draft: Path, code: int) -> tuple[Plan, bytes]:
    if not draft.is_file():
        raise ProgramExit(
            ExitCode.NEGATIVE, "the session has written no task file", hint="see what it said above"
        )
    plan = read_plan(str(draft))
    if code:
        raise ProgramExit(ExitCode.NEGATIVE, "the session did not end well", hint="see what it said above")
    return plan, draft.read_bytes()
