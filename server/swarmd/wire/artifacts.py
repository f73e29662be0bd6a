"""Artifacts as messages."""

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import worker_service_pb2
from swarmd.domain.artifacts import ArtifactRecord, ArtifactUpload, name_problem
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import WorkerName
from swarmd.wire import values


def write(record: ArtifactRecord, *, lost: bool = False) -> pb.Artifact:
    """Converts a stored artifact; `lost` if its content is not there."""
    return pb.Artifact(
        attempt=record.number,
        name=record.name,
        size=record.size,
        sha256=record.sha256,
        stored_at=values.timestamp(record.stored_us),
        lost=lost,
    )


def read_upload(message: worker_service_pb2.ArtifactUpload) -> ArtifactUpload:
    """Converts the head of an upload.

    Raises:
        InvalidRequest: the name or the size can't be of a file.
    """
    if problem := name_problem(message.name):
        raise InvalidRequest("name", problem)
    if message.size < 0:
        raise InvalidRequest("size", "must not be negative")
    return ArtifactUpload(WorkerName(message.worker), message.lease_id, message.name, message.size)
