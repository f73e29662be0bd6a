"""`swarmctl workspaces`."""

import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line
from swarmctl.cli.arguments import ProjectRoot
from swarmctl.cli.context import CommandContext
from swarmctl.programs import installed
from swarmctl.render.workspaces import Workspaces, workspaces_blocks, workspaces_document


def run(
    ctl: CommandContext,
    *,
    project_root: ProjectRoot = Path(),
    repo: Annotated[
        str, typer.Option(metavar="URL", help="The repository of workers that were started with --repo.")
    ] = "",
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove those whose work is on the target or kept by a ref.")
    ] = False,
) -> None:
    """Needs no server. What is in use, or has work that nothing else keeps, is never removed."""
    flag = "--remove-workspaces" if remove else "--list-workspaces"
    argv = [
        *installed().worker,
        flag,
        "--project-root",
        str(project_root),
        *(["--repo", repo] if repo else []),
    ]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        last = one_line(done.stderr.strip().rpartition("\n")[2], 500).removeprefix("swarm-worker: ")
        raise ProgramExit(ExitCode.USAGE, last or f"swarm-worker ended with exit code {done.returncode}")
    found = Workspaces([json.loads(line) for line in done.stdout.splitlines()])
    ctl.printer.show(found, workspaces_document, workspaces_blocks)
