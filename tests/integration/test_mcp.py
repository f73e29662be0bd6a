"""`swarmctl mcp` by the SDK's own client, over both transports."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1.session_pb2 import BuilderResult, Question
from amplifier_swarm.v1.task_pb2 import FAILURE_CLASS_BUILDER_BLOCKED, TaskDefinition
from support.grpc_worker import GrpcWorker
from support.programs import environment
from support.server import Server

SWARMCTL = str(Path(sys.executable).with_name("swarmctl"))
READING = {"swarm_status", "list_tasks", "get_task", "explain_task", "read_log", "inbox", "wait_for"}
CHANGING = {"add_tasks", "retry_task", "kill_task", "answer_question"}
PLAN = json.dumps({"tasks": [{"id": "a"}, {"id": "b", "dependencies": ["a"]}]})


def stdio(served: Server, token: str, *flags: str) -> Client:
    env = environment() | {"SWARM_TOKEN": token}
    argv = ["--server", served.address, "mcp", *flags]
    return Client(StdioServerParameters(command=SWARMCTL, args=argv, env=env))


async def tool(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.structured_content


def text_of(found: Any) -> str:
    """Returns the text of a resource."""
    return str(found.contents[0].text)


async def test_an_agent_checks_a_plan_adds_it_and_looks_at_it(served: Server) -> None:
    async with stdio(served, served.token) as agent:
        checked = await tool(agent, "add_tasks", plan=PLAN)
        assert checked["added"] == 2
        assert (await tool(agent, "list_tasks"))["tasks"] == []
        refused = await agent.call_tool(
            "add_tasks", {"plan": '{"tasks": [{"id": "a", "dependencies": ["none"]}]}'}
        )
        assert refused.is_error
        assert "unknown task" in str(refused.content)

        await tool(agent, "add_tasks", plan=PLAN, dry_run=False)

        found = (await tool(agent, "list_tasks"))["tasks"]
        assert [(task["task_id"], task["status"]) for task in found] == [
            ("a", "not_started"),
            ("b", "blocked"),
        ]
        assert "a" in str(await tool(agent, "explain_task", task_id="b"))
        assert (await tool(agent, "get_task", task_id="a"))["task"]["task_id"] == "a"
        plan = await agent.read_resource("swarm://plan")
        assert "id: a" in text_of(plan) or 'id: "a"' in text_of(plan)
        for bad in ({"task_id": ""}, {"task_id": "a", "lines": 0}, {"task_id": "nope"}):
            assert (await agent.call_tool("read_log", bad)).is_error


async def test_an_agent_waits_until_a_person_is_needed_and_passes_the_answer_on(served: Server) -> None:
    async with stdio(served, served.token) as agent:
        client = served.client()
        await client.add(TaskDefinition(task_id="a"))
        worker = GrpcWorker(client)
        claim = await worker.claim()
        session = await worker.start(claim)
        await worker.say(claim, session, "hello from the session")
        assert (await tool(agent, "wait_for", timeout_s=0.2))["timed_out"]
        asks = BuilderResult(questions=[Question(text="Which port?", options=["80", "81"])])
        await worker.finish(
            claim, "failed", failure_class=FAILURE_CLASS_BUILDER_BLOCKED, error="asks", builder_result=asks
        )

        waited = await tool(agent, "wait_for", task_ids=["a"], timeout_s=20)

        assert waited["needs_person"][0]["hold"]["text"] == "Which port?"
        assert (await tool(agent, "inbox"))["waiting"] == 1
        assert "hello from the session" in str(await tool(agent, "read_log", task_id="a"))
        log = await agent.read_resource("swarm://tasks/a/log")
        assert "hello from the session" in text_of(log)
        await tool(agent, "answer_question", task_id="a", option=2)
        again = await worker.claim()
        assert again.answers[0].text == "81"
        await tool(agent, "kill_task", task_id="a", cause="enough")
        assert await client.status("a") == "killed"


async def test_the_role_of_the_token_decides_what_is_offered(served: Server) -> None:
    made = await served.client().call("CreateToken", pb.CreateTokenRequest(role=pb.ROLE_VIEWER, name="agent"))

    async with stdio(served, made.token) as viewer:
        names = {found.name for found in (await viewer.list_tools()).tools}
        assert names == READING
        assert (await tool(viewer, "swarm_status"))["mode"] == "running"
    async with stdio(served, served.token, "--read-only") as careful:
        assert {found.name for found in (await careful.list_tools()).tools} == READING
    async with stdio(served, served.token) as operator:
        offered = (await operator.list_tools()).tools
    assert {found.name for found in offered} == READING | CHANGING
    marked = {found.name for found in offered if found.annotations and found.annotations.destructive_hint}
    assert marked == {"kill_task", "add_tasks"}


@asynccontextmanager
async def over_http(served: Server) -> AsyncIterator[str]:
    """Runs the server on a free port; yields its URL."""
    env = {**os.environ, **environment(), "SWARM_TOKEN": served.token}
    argv = [SWARMCTL, "--server", served.address, "mcp", "--http", "0"]
    process = subprocess.Popen(  # noqa: ASYNC220  # it returns at once
        argv, env=env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stderr is not None
        found = re.search(r"http://\S+", await asyncio.to_thread(process.stderr.readline))
        assert found, "it says where it listens"
        yield found[0]
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate, timeout=20)


async def test_http_asks_for_the_token_of_the_swarm(served: Server) -> None:
    async with over_http(served) as url:
        known = httpx2.AsyncClient(headers={"authorization": f"Bearer {served.token}"})
        async with known as http, Client(streamable_http_client(url, http_client=http)) as client:
            assert (await tool(client, "swarm_status"))["mode"] == "running"
        async with httpx2.AsyncClient() as stranger:
            for headers in ({}, {"authorization": "Bearer x"}, {"authorization": served.token}):
                answer = await stranger.post(
                    url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=headers
                )
                assert answer.status_code == 401
            token = {"authorization": f"Bearer {served.token}", "host": "evil.example"}
            foreign = await stranger.post(
                url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=token
            )
            assert foreign.status_code in (403, 421)
