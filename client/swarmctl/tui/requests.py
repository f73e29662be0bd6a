"""The requests behind the keys of the screen; each returns the text to show.

Invariant: no request waits for a proof. The screen shows the proof as it arrives.
"""

from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.hold_pb2 import Hold
from amplifier_swarm.v1.operator_service_pb2 import (
    AnswerTaskRequest,
    ApproveTaskRequest,
    DrainWorkerRequest,
    EmergencyStopRequest,
    EmergencyStopResponse,
    KillTaskRequest,
    PauseSwarmRequest,
    RaiseBudgetRequest,
    RejectTaskRequest,
    ResumeSwarmRequest,
    RetryTaskRequest,
    TaskApproval,
    UnholdTaskRequest,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S


def kill(stub: OperatorServiceStub, task_id: str, *, cause: str) -> str:
    """Kills a task."""
    request = KillTaskRequest(task_ids=[task_id], cause=cause)
    [task] = stub.KillTask(request, timeout=DEADLINE_S).tasks
    if task.status == TaskStatus.TASK_STATUS_KILLING:
        return f"{task.task_id} is ordered to end"
    return f"{task.task_id} is killed"


def retry(stub: OperatorServiceStub, task_id: str) -> str:
    """Retries a task."""
    answer = stub.RetryTask(RetryTaskRequest(task_ids=[task_id]), timeout=DEADLINE_S)
    [task] = answer.tasks
    revived = f"; {text_format.plural(answer.revived, 'skipped task')} revived" if answer.revived else ""
    return f"{task.task_id} is {text_format.word(TaskStatus, task.status)}{revived}"


def answer(stub: OperatorServiceStub, task_id: str, hold: Hold, *, typed: str) -> str:
    """Answers the question of a task; if it has options, a number is the number of one."""
    request = AnswerTaskRequest(task_id=task_id, hold_id=hold.hold_id)
    if hold.options and typed.isdecimal():
        # The server refuses a number that names no option; a longer one would not fit into the request.
        request.option = int(typed[:6])
    else:
        request.text = typed
    stub.AnswerTask(request, timeout=DEADLINE_S)
    return f"{task_id} has its answer"


def raise_budget(stub: OperatorServiceStub, task_id: str, *, add: str) -> str:
    """Adds dollars to the cap of a task."""
    task = stub.RaiseBudget(RaiseBudgetRequest(task_id=task_id, add_cost=add), timeout=DEADLINE_S).task
    return f"{task.task_id} may cost {task.max_cost} dollars"


def unhold(stub: OperatorServiceStub, task_id: str) -> str:
    """Ends the hold of an operator."""
    stub.UnholdTask(UnholdTaskRequest(task_ids=[task_id]), timeout=DEADLINE_S)
    return f"{task_id} may start"


def approve(stub: OperatorServiceStub, task_id: str, hold: Hold, *, reason: str) -> str:
    """Approves what the task waits for; rejects it for a reason."""
    if reason:
        stub.RejectTask(
            RejectTaskRequest(task_id=task_id, hold_id=hold.hold_id, text=reason), timeout=DEADLINE_S
        )
        return f"{task_id} is rejected"
    approval = TaskApproval(task_id=task_id, hold_id=hold.hold_id)
    stub.ApproveTask(ApproveTaskRequest(approvals=[approval]), timeout=DEADLINE_S)
    return f"{task_id} is approved"


def pause(stub: OperatorServiceStub, *, cause: str) -> str:
    """Pauses the swarm."""
    stub.PauseSwarm(PauseSwarmRequest(cause=cause), timeout=DEADLINE_S)
    return "paused: what runs goes on, nothing new starts"


def resume(stub: OperatorServiceStub, *, requeue: bool) -> str:
    """Ends every pause and stop."""
    answer = stub.ResumeSwarm(ResumeSwarmRequest(requeue=requeue), timeout=DEADLINE_S)
    put_back = f"; {text_format.plural(len(answer.requeued), 'task')} put back" if requeue else ""
    return f"resumed{put_back}"


def drain(stub: OperatorServiceStub, worker: str, *, deadline: str) -> str:
    """Drains one worker, or all for an empty name."""
    request = DrainWorkerRequest(worker=worker, all=not worker)
    if deadline:
        request.deadline.CopyFrom(_duration(deadline))
    workers = stub.DrainWorker(request, timeout=DEADLINE_S).workers
    names = ", ".join(one.name for one in workers)
    return f"draining {names}" if names else "no worker is connected"


def stop(stub: OperatorServiceStub, *, cause: str) -> EmergencyStopResponse:
    """Stops every session."""
    return stub.EmergencyStop(EmergencyStopRequest(cause=cause), timeout=DEADLINE_S)


def _duration(text: str) -> Duration:
    try:
        length_s = float(text)
    except ValueError:
        length_s = -1.0
    if not 0 <= length_s <= 1e9:
        raise ProgramExit(ExitCode.USAGE, f"{text} is not a number of seconds", hint="nothing was drained")
    made = Duration()
    made.FromMilliseconds(round(length_s * 1000))
    return made
