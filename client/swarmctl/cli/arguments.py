"""The arguments that several verbs take."""

from typing import Annotated

import typer

from swarmctl.cli.completion import task_ids

TaskId = Annotated[
    str,
    typer.Argument(
        metavar="TASK", help="Its id, or a beginning of it that fits no other task.", autocompletion=task_ids
    ),
]
TaskIds = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK…", help="Ids, or beginnings of ids that fit no other task.", autocompletion=task_ids
    ),
]
OptionalTaskIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TASK…]", help="Ids, or beginnings of ids that fit no other task.", autocompletion=task_ids
    ),
]
PlanFile = Annotated[str, typer.Argument(metavar="FILE", help="A task file; - is stdin.")]
