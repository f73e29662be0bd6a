"""The document of a task in lists. Other programs rely on its keys."""

from collections.abc import Iterable

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.budgets import budget_name_document
from amplifier_swarm.documents.changes import landing_document
from amplifier_swarm.documents.receipts import receipt_document
from amplifier_swarm.v1.hold_pb2 import ApprovalPoint, Hold, HoldKind
from amplifier_swarm.v1.session_pb2 import Progress, Usage
from amplifier_swarm.v1.task_pb2 import FailureClass, ProgramSigns, StartPoint, Task, TaskStatus


def usage_document(usage: Usage) -> Document:
    """Returns the usage of sessions; the cost is decimal text, exact to the cent."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost": usage.cost or None,
    }


def progress_document(progress: Progress) -> Document:
    """Returns what a session has said about its progress."""
    return {
        "text": progress.text,
        "percent": progress.percent if progress.HasField("percent") else None,
        "reported_at": words.iso(progress, "reported_at"),
    }


def hold_document(hold: Hold) -> Document:
    """Returns what a task waits for, or has waited for."""
    return {
        "hold_id": hold.hold_id,
        "kind": words.word(HoldKind, hold.kind),
        "text": hold.text,
        "options": list(hold.options),
        "attempt": hold.attempt or None,
        "held_by": hold.held_by or None,
        "since": words.iso(hold, "since"),
        "ended_at": words.iso(hold, "ended_at"),
        "ended_by": hold.ended_by or None,
        "answer": hold.answer or None,
        "point": words.word(ApprovalPoint, hold.point),
        "approved": hold.approved,
        "budget": budget_name_document(hold.budget) if hold.HasField("budget") else None,
    }


def signs_document(signs: ProgramSigns) -> Document:
    """Returns the last sign of a program that runs, and when it is ended."""
    return {
        "new_at": words.iso(signs, "new_at"),
        "times_out_at": words.iso(signs, "times_out_at"),
        "stalls_at": words.iso(signs, "stalls_at"),
    }


def task_document(task: Task) -> Document:
    """Returns a task without its attempts."""
    return {
        "id": task.task_id,
        "name": task.name or task.task_id,
        "status": words.word(TaskStatus, task.status),
        "phase": task.phase or None,
        "type": task.type or None,
        "priority": task.priority,
        "attempt": task.attempt,
        "max_retries": task.max_retries,
        "dependencies": list(task.dependencies),
        "blocked_by": list(task.blocked_by),
        "worker": task.worker or None,
        "builder_session_id": task.builder_session_id or None,
        "validator_session_id": task.validator_session_id or None,
        "last_error": task.last_error or None,
        "failure_class": words.word(FailureClass, task.failure_class),
        "cause": task.cause or None,
        "estimated_hours": words.finite(task.estimated_hours) if task.HasField("estimated_hours") else None,
        "created_at": words.iso(task, "created_at"),
        "started_at": words.iso(task, "started_at"),
        "completed_at": words.iso(task, "completed_at"),
        "took_s": words.seconds_of(task, "took"),
        "usage": usage_document(task.usage),
        "kill_receipt": receipt_document(task.kill_receipt) if task.HasField("kill_receipt") else None,
        "rehearsed": task.rehearsed,
        "landed": landing_document(task.landed) if task.HasField("landed") else None,
        "kept_ref": task.kept_ref or None,
        "starts_at": words.word(StartPoint, task.starts_at or StartPoint.START_POINT_BUILDER),
        "work_of": task.work_of or None,
        "hold": hold_document(task.hold) if task.HasField("hold") else None,
        "max_cost": task.max_cost or None,
        "max_tokens": task.max_tokens if task.HasField("max_tokens") else None,
        "plan": task.plan or None,
        "progress": progress_document(task.progress) if task.HasField("progress") else None,
    }


def list_document(tasks: Iterable[Task]) -> Document:
    """Returns a list of tasks."""
    return [task_document(task) for task in tasks]
