"""`swarmctl emergency-stop`."""

from typing import Annotated

import grpc
import typer

from amplifier_swarm.documents.stops import Reach, StopReceipt, ordered, stopped_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import RUN_WORKERS, STOP_FILE, WORKER, project_state, working_folder
from amplifier_swarm.v1.operator_service_pb2 import EmergencyStopRequest
from swarmctl import text_format
from swarmctl.api import stop_wait
from swarmctl.api.errors import explain
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.kills import survivors, survivors_hint
from swarmctl.render.stops import stopped_blocks


def run(
    ctl: CommandContext,
    *,
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the proof.")] = False,
) -> ExitCode:
    """In force, also over restarts, until `swarmctl resume`; `resume --requeue` puts back the tasks that it
    ended.

    Prints for each worker how its sessions were ended, once the worker has proven that none is left. A
    worker that can't be reached is not waited for: it ends its sessions by itself, at the latest at the
    printed time.
    """
    try:
        answer = ctl.stub.EmergencyStop(EmergencyStopRequest(cause=cause), timeout=DEADLINE_S)
    except grpc.RpcError as error:
        raise _with_stop_file(explain(error, server=ctl.server)) from error
    # Printed at once: the stop is in force, whatever the result of the wait.
    print_err("swarmctl: nothing starts until `swarmctl resume`")
    receipt = ordered(answer) if no_wait else stop_wait.wait_for_receipts(ctl.stub, answer)
    ctl.printer.show(receipt, stopped_document, stopped_blocks)
    _raise_unless_proven(receipt)
    return ExitCode.OK


def _with_stop_file(end: ProgramExit) -> ProgramExit:
    """Adds the way to stop workers without a server that answers."""
    if end.code is not ExitCode.UNREACHABLE:
        return end
    state = project_state(working_folder())
    folders = [path for path in (state.folder / RUN_WORKERS, state.folder / WORKER) if path.is_dir()]
    files = " ".join(str(folder / STOP_FILE) for folder in folders)
    way = f"`touch {files}`" if files else f"create a file {STOP_FILE} in the --state-dir of each"
    return ProgramExit(
        end.code, end.message, hint=f"to end the sessions of workers without their server, {way}; {end.hint}"
    )


def _raise_unless_proven(receipt: StopReceipt) -> None:
    """Raises ProgramExit if sessions of a reachable worker did not end."""
    left = survivors([task for worker in receipt.workers for task in worker.tasks])
    if left:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"processes of {', '.join(left)} still run after the stop",
            hint=survivors_hint(left),
        )
    late = [worker.name for worker in receipt.workers if worker.reach is Reach.LATE]
    if late:
        problem = f"no proof within {stop_wait.WITHIN_S:.0f} s from {text_format.plural(len(late), 'worker')}"
        raise ProgramExit(
            ExitCode.NEGATIVE, f"{problem}: {', '.join(late)}", hint="look at their hosts and logs"
        )
