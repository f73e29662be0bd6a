"""The arguments that several commands take."""

from typing import Annotated

import typer

from swarmctl.cli.completion import complete_task_ids

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
PlanFile = Annotated[str, typer.Argument(metavar="FILE", help="A task file; - is stdin.")]
