"""Each order is an event with the name of its token and the reason that came with the call; nothing else is."""

from amplifier_swarm.channel import CAUSE_METADATA
from amplifier_swarm.v1 import event_pb2, task_pb2
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1.event_pb2 import EventKind
from support.server import Client, Server, refusal


async def events(client: Client) -> list[event_pb2.Event]:
    stream = client.operator.WatchEvents(pb.WatchEventsRequest(), metadata=client.metadata)
    return [event async for answer in stream for event in answer.events]


async def test_an_order_has_its_token_and_its_reason(served: Server) -> None:
    plain = served.client()
    await plain.add(task_pb2.TaskDefinition(task_id="a"), task_pb2.TaskDefinition(task_id="b"))
    reason = "zu langsam: „später“\n"
    client = Client(plain.channel, (*plain.metadata, (CAUSE_METADATA, reason.encode())))

    await client.call("HoldTask", pb.HoldTaskRequest(task_ids=["a"], cause="wait"))
    await client.call("UnholdTask", pb.UnholdTaskRequest(task_ids=["a"]))
    await client.call("PauseSwarm", pb.PauseSwarmRequest())
    await plain.call("ResumeSwarm", pb.ResumeSwarmRequest())

    found = {event.kind: event for event in await events(plain)}
    [name] = {event.actor for event in found.values() if event.actor}
    assert name == "operator"
    for kind in ("TASK_HELD", "TASK_UNHELD", "SWARM_PAUSED"):
        event = found[EventKind.Value(f"EVENT_KIND_{kind}")]
        assert (event.actor, event.because) == (name, reason), kind
    resumed = found[EventKind.EVENT_KIND_SWARM_RESUMED]
    assert (resumed.actor, resumed.because) == (name, "")
    assert found[EventKind.EVENT_KIND_TASK_ADDED].actor == name
    assert found[EventKind.EVENT_KIND_SERVER_STARTED].actor == ""


async def test_a_reason_that_is_too_long_is_refused_and_nothing_is_ordered(served: Server) -> None:
    plain = served.client()
    client = Client(plain.channel, (*plain.metadata, (CAUSE_METADATA, b"x" * 501)))

    wire = await refusal(client.call("PauseSwarm", pb.PauseSwarmRequest()))

    assert "cause: has 501 characters; at most 500" in wire.message
    assert EventKind.EVENT_KIND_SWARM_PAUSED not in {event.kind for event in await events(plain)}
