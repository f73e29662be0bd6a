"""The document of a kill receipt: how the processes of an attempt were ended."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.v1.operator_service_pb2 import GetTaskResponse
from amplifier_swarm.v1.session_pb2 import KillReceipt


def receipt_of(answer: GetTaskResponse) -> KillReceipt | None:
    """Returns the receipt of the last attempt; None if no attempt was running or its receipt never came."""
    if not answer.attempts or not answer.attempts[-1].HasField("kill_receipt"):
        return None
    return answer.attempts[-1].kill_receipt


def receipt_document(receipt: KillReceipt) -> Document:
    """Returns the document of a kill receipt."""
    return {
        "containment": receipt.containment or None,
        "processes_found": receipt.processes_found,
        "terminated": receipt.terminated,
        "killed": receipt.killed,
        "survivors": receipt.survivors,
        "duration_s": words.seconds(receipt.duration),
        "last_output": receipt.last_output or None,
    }
