"""The host's name, whatever the system gives."""

import pytest

from amplifier_swarm import host
from amplifier_swarm.v1.worker_service_pb2 import ClaimTaskRequest


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("box", "box"),
        ("Jürgens Mac", "Jürgens Mac"),
        ("", "unknown"),
        ("two\nlines", "two lines"),
        ("a\x1b[2J", "a\\x1b[2J"),
        ("b\udcfcro", "b\\udcfcro"),
        ("x" * 300, "x" * 254 + "…"),
    ],
)
def test_a_name_is_one_line_that_every_message_can_carry(
    monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: name)

    assert host.host_name() == shown
    assert ClaimTaskRequest(host=host.host_name()).SerializeToString()
