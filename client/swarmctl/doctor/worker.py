"""The checks of `swarm-worker --check`: the runner, its credentials, the end of a process tree."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarmctl.cli.worker_flags import WorkerFlags
from swarmctl.console import print_err
from swarmctl.doctor.check import Check, Grade, fail, failed, ok
from swarmctl.programs import Programs

# The first start of a runner on a machine downloads its parts; the worker itself allows 15 minutes.
WITHIN_S: Final = 1_200.0
_NAME: Final = "worker"
_GRADES: Final = {
    "ok": Grade.OK,
    "open": Grade.OPEN,
    "warn": Grade.WARN,
    "warning": Grade.WARN,
    "fail": Grade.FAIL,
}
_LINE_LIMIT: Final = 500


def worker_checks(
    programs: Programs, *, project_root: Path, flags: WorkerFlags, ask: bool = False
) -> Iterator[Check]:
    """Yields the worker's own checks, or the failure that prevented them; `ask` has it ask the model."""
    print_err("swarmctl: asking swarm-worker --check, which may take minutes the first time")
    argv = (*programs.worker, "--check", "--project-root", str(project_root), *flags.argv())
    argv = (*argv, "--ask") if ask else argv
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, timeout=WITHIN_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield fail(
            _NAME, f"swarm-worker --check took more than {WITHIN_S:.0f} s", "run it by itself to see where"
        )
        return
    except OSError as error:
        yield fail(_NAME, f"can't start swarm-worker: {error.strerror}", "is it installed beside swarmctl?")
        return
    found = [read_line(line) for line in done.stdout.splitlines() if line.strip()]
    yield from found
    if done.returncode != 0 and not failed(found):
        yield _broken(done.returncode, done.stderr)
    elif not found:
        yield fail(_NAME, "swarm-worker --check said nothing", "install swarmctl and swarm-worker together")


def read_line(line: str) -> Check:
    """Parses a line of the worker: grade, subject, finding, and a hint if there is one.

    An example is `fail  provider: ANTHROPIC_API_KEY is not set; set it, or give --pass-env`.
    """
    first, _, rest = one_line(line, _LINE_LIMIT).partition(" ")
    grade = _GRADES.get(first.strip("[]:").lower())
    if grade is None:
        return ok(_NAME, one_line(line, _LINE_LIMIT))
    name, colon, finding = rest.strip().partition(": ")
    name, finding = (f"{_NAME}: {name}", finding) if colon else (_NAME, rest.strip())
    found, _, hint = finding.partition("; ") if grade is not Grade.OK else (finding, "", "")
    return Check(name, grade, found, hint)


def _broken(code: int, stderr: str) -> Check:
    lines = stderr.strip().splitlines()
    if not lines:
        return fail(_NAME, f"swarm-worker --check ended with exit code {code}", "run it by itself to see why")
    last = one_line(lines[-1], _LINE_LIMIT).removeprefix("swarm-worker: ")
    if "--check" in last:
        return fail(_NAME, "this swarm-worker knows no --check", "install it in the version of swarmctl")
    found, _, hint = last.partition("; ")
    return fail(_NAME, found, hint)
