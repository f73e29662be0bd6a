"""`swarmctl schema`."""

from amplifier_swarm.plan.schema import task_file_schema
from swarmctl.cli.context import CommandContext
from swarmctl.render.printer import json_text, write_exact


def run(ctl: CommandContext) -> None:
    """Editors check and complete task files by it; `swarmctl init` puts it beside the file. Needs no server."""
    write_exact(json_text(task_file_schema(), indent=2) + "\n")
