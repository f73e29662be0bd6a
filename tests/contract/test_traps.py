"""Traps that others have fallen into, each kept shut by a test."""

import ast
import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contract.repository import python_files
from support.server import server
from support.waiting import eventually

pytestmark = pytest.mark.slow

# Guards and the fork server are a small program of their own, without threads and without gRPC.
MAY_FORK = {
    *("worker/swarm_worker/guard/spawn.py", "worker/swarm_worker/guard/fork_server.py"),
    "protos/amplifier_swarm/init_process.py",  # at the start of a program, before it imports gRPC
}

WORKER = """
import asyncio, sys
from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import worker_service_pb2 as pb, worker_service_pb2_grpc as g

async def main():
    endpoint = Endpoint(sys.argv[1], sys.argv[2])
    stub = g.WorkerServiceStub(dial(endpoint))
    request = pb.ClaimTaskRequest(worker="w", incarnation="1", instance="1", slots=1)
    async for message in stub.ClaimTask(request, metadata=endpoint.metadata):
        print("heard", flush=True)

asyncio.run(main())
"""


def _forks(path: Path) -> list[str]:
    """Returns the calls in a file that fork a process which may hold a gRPC channel."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "preexec_fn":
            found.append("preexec_fn")
        if isinstance(node, ast.Attribute) and node.attr in ("fork", "forkpty"):
            found.append(f"os.{node.attr}")
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.partition(".")[0] == "multiprocessing"]
    return found


def test_nothing_forks_where_grpc_lives() -> None:
    """A child forked from a process with a gRPC channel dies, hangs, or breaks its parent."""
    root = Path(__file__).parents[2]
    forking = {
        str(path.relative_to(root)): what
        for path in python_files("server", "worker", "client", "protos")
        if (what := _forks(path))
    }

    assert set(forking) <= MAY_FORK, forking


def _interpreters(path: Path) -> list[ast.Tuple | ast.List]:
    """Returns the argv in a file that begin with our own interpreter."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Tuple | ast.List)
        and node.elts
        and ast.unparse(node.elts[0]) == "sys.executable"
    ]


def test_no_child_of_ours_imports_modules_of_the_current_folder() -> None:
    """The folder belongs to a project: its logging.py would run with our rights, and break what needs the real one."""
    argvs = [argv for path in python_files("server", "worker", "client") for argv in _interpreters(path)]

    assert len(argvs) >= 5
    for argv in argvs:
        assert ast.unparse(argv.elts[1]) in ("'-P'", "'-I'"), ast.unparse(argv)


async def test_a_worker_that_stands_still_is_noticed_by_its_broken_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """grpc's keepalive timeout alone does nothing; the HTTP/2 ping timeout that we set beside it does."""
    from swarmd.rpc import server as rpc  # noqa: PLC0415

    quick = {
        "grpc.keepalive_time_ms": 1_000,
        "grpc.keepalive_timeout_ms": 1_000,
        "grpc.http2.ping_timeout_ms": 1_000,
    }
    options = rpc._options()
    assert set(quick) <= {name for name, _ in options}, "the server sets all three"
    monkeypatch.setattr(rpc, "_options", lambda: [(name, quick.get(name, value)) for name, value in options])
    async with server(tmp_path) as served:
        process = subprocess.Popen(  # noqa: ASYNC220  # it returns at once
            [sys.executable, "-c", WORKER, served.address, served.token], stdout=subprocess.PIPE
        )
        try:
            assert process.stdout
            await asyncio.to_thread(process.stdout.readline)
            member = next(iter(served.swarm.live.workers.values()))
            assert member.connected

            os.kill(process.pid, signal.SIGSTOP)

            await eventually(lambda: not member.connected, "the silent stream is given up")
        finally:
            process.kill()
            process.communicate()
