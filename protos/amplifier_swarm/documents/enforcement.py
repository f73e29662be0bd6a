"""The documents of limits, and of what a worker can enforce. Other programs rely on their keys."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.v1.task_pb2 import Enforcement, ResourceLimits, SandboxKind


def limits_document(limits: ResourceLimits) -> Document:
    """Returns the limits, memory in bytes; None for what is not limited."""
    return {
        "memory": limits.memory_bytes or None,
        "cpus": words.finite(limits.cpus) or None,
        "pids": limits.threads or None,
    }


def enforcement_document(enforcement: Enforcement) -> Document:
    """Returns what a worker can enforce, with the highest limits that it can keep."""
    kinds = enforcement.sandboxes or [SandboxKind.SANDBOX_KIND_NONE]
    return {
        "sandboxes": [words.word(SandboxKind, kind) for kind in kinds],
        "no_network": enforcement.no_network,
        "limits": limits_document(enforcement.limits),
    }
