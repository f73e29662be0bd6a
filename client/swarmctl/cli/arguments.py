"""The arguments that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from amplifier_swarm.plan.foreign import FormatName
from swarmctl.cli.completion import complete_task_ids
from swarmctl.cli.paths import expanded, expanded_text

TaskId = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="Its id, or a beginning of it that fits no other task.",
        autocompletion=complete_task_ids,
    ),
]
TaskIds = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK…",
        help="Ids, or beginnings of ids that fit no other task.",
        autocompletion=complete_task_ids,
    ),
]
OptionalTaskIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TASK…]",
        help="Ids, or beginnings of ids that fit no other task.",
        autocompletion=complete_task_ids,
    ),
]
PlanFile = Annotated[
    str, typer.Argument(metavar="FILE", help="A task file; - is stdin.", callback=expanded_text)
]
OptionalPlanFile = Annotated[
    str, typer.Argument(metavar="[FILE]", help="A task file; - is stdin.", callback=expanded_text)
]
OptionalTargetFile = Annotated[
    str, typer.Argument(metavar="[FILE]", help="Where to; - is stdout.", callback=expanded_text)
]
BackupFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help="Where to; an older backup is replaced.", callback=expanded_text),
]
MaxCost = Annotated[
    str,
    typer.Option(
        "--max-cost",
        metavar="DOLLARS",
        help="What all tasks of FILE may cost together, in place of its budget.",
    ),
]
ProjectRoot = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Where the work is done.", file_okay=False, callback=expanded),
]
DatabaseFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="The database; whatever else must last lies beside it. <state> is the project's folder in "
        "$XDG_STATE_HOME or ~/.local/state.",
        callback=expanded,
    ),
]
SourceFormat = Annotated[
    FormatName | None,
    typer.Option(
        "--from", metavar="FORMAT", help=f"FILE is of another tool: {', '.join(FormatName)}; see `convert`."
    ),
]
