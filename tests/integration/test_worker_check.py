"""`swarm-worker --check` on real processes: what it proves, what a fault looks like, and what it leaves open."""

import json
import re
import socket
from collections.abc import Iterator

import pytest

from fakes.swarm_server import WorkerProcess
from support.standin_swarm import StandinSwarm

AGENT, CLI = "amplifier-agent", "amplifier"
pytestmark = pytest.mark.slow
both = pytest.mark.parametrize("runner", [AGENT, CLI])


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that stands for the provider's; it accepts connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield listener


async def _check(swarm: StandinSwarm, runner: str, *flags: str) -> tuple[int, dict[str, list[str]]]:
    """Returns the exit code, and the lines by their names."""
    swarm.start(runner, "--check", "--pass-env", "ANTHROPIC_BASE_URL", *flags)
    code = await swarm.worker.exit_code()
    found: dict[str, list[str]] = {}
    for line in swarm.worker.out.splitlines():
        assert re.match(r"(ok|warn|open|FAIL) +\w", line), line
        found.setdefault(line[6:].partition(":")[0], []).append(line)
    return code, found


@both
async def test_check_probes_everything_without_a_server_and_says_what_it_leaves_open(
    swarm: StandinSwarm, runner: str
) -> None:
    code, found = await _check(swarm, runner)

    assert code == 0, swarm.worker.out
    assert {"disk", "git", "kill", "credentials", "project root", runner} <= found.keys()
    assert found["model"][0].startswith("open  model: not asked, so it is not proven that")
    assert not [note for note in swarm.ledger if note["event"] == "start"], "no session was started"
    if runner == AGENT:
        assert "accepts connections" in found["endpoint"][0]
        assert "but bash" in found["mode"][0]
    else:
        assert "can be loaded" in found["bundle"][0]


@both
async def test_asking_proves_a_session_of_each_role(swarm: StandinSwarm, runner: str) -> None:
    code, found = await _check(swarm, runner, "--ask")

    assert code == 0, swarm.worker.out
    assert [re.sub(r"\d+ tokens", "N tokens", line) for line in found["model"]] == [
        f"ok    model: the {role} was asked for one word and answered, N tokens"
        for role in ("builder", "validator")
    ]
    assert swarm.files == (
        [".amplifier/modes/.gitignore", ".amplifier/modes/swarm-validate.md"] * (runner == AGENT)
    )


@both
@pytest.mark.parametrize(
    ("fault", "said"),
    [("lie", "No providers available"), ("auth", "invalid x-api-key"), ("exit", "exited with 1")],
)
async def test_asking_finds_a_provider_that_does_not_answer(
    swarm: StandinSwarm, runner: str, fault: str, said: str
) -> None:
    faults = {"runs": {"trial/trial": [fault, fault]}}
    (swarm.folder / "faults.json").write_text(json.dumps(faults), encoding="utf-8")

    code, found = await _check(swarm, runner, "--ask")

    assert code == 1
    assert [line.startswith("FAIL  model: the ") for line in found["model"]] == [True, True]
    assert said in found["model"][0]


async def test_a_provider_that_does_not_run_fails_the_check_and_nothing_is_asked(
    swarm: StandinSwarm, provider: socket.socket
) -> None:
    provider.close()

    code, found = await _check(swarm, AGENT, "--ask")

    assert code == 1
    assert found["endpoint"][0].startswith("FAIL  endpoint: anthropic at 127.0.0.1:")
    assert found["model"] == ["open  model: not asked, since a check failed"]


async def test_the_key_of_another_provider_fails_the_check(swarm: StandinSwarm) -> None:
    config = swarm.folder / "host.json"
    config.write_text('{"provider": {"module": "openai"}}', encoding="utf-8")

    code, found = await _check(
        swarm, AGENT, "--builder-config", str(config), "--validator-config", str(config)
    )

    assert code == 1
    assert "OPENAI_API_KEY is not set" in found["credentials"][0]


async def test_each_role_s_bundle_is_loaded(swarm: StandinSwarm) -> None:
    code, found = await _check(swarm, CLI, "--validator-bundle", "absent")

    assert code == 1
    assert [line.partition(":")[0] for line in found["bundle"]] == ["ok    bundle", "FAIL  bundle"]
    assert "absent" in found["bundle"][1]


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("cat", 0, "open  model: the builder's session ended well; it does not say whether it asked a model"),
        (
            'echo \'{"method":"usage","params":{"inputTokens":5}}\' >&2',
            0,
            "ok    model: the builder was asked",
        ),
        ("echo 'unknown option' >&2; exit 1", 1, "exited with 1: unknown option"),
    ],
)
async def test_a_command_is_asked_too(worker: WorkerProcess, body: str, code: int, said: str) -> None:
    worker.start("--check", "--ask", builder=worker.script("agent.sh", body))

    assert await worker.exit_code() == code, worker.out
    assert said in worker.out
