"""The documents of files that attempts leave for people."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.v1.operator_service_pb2 import Artifact, ListArtifactsResponse


def artifact_document(artifact: Artifact) -> Document:
    """Returns what is known of one artifact."""
    return {
        "attempt": artifact.attempt,
        "name": artifact.name,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "stored_at": words.iso(artifact, "stored_at"),
        "lost": artifact.lost,
    }


def artifacts_document(answer: ListArtifactsResponse) -> Document:
    """Returns the artifacts of a task."""
    return {"artifacts": [artifact_document(artifact) for artifact in answer.artifacts]}
