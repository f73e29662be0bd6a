"""`swarmctl worker-config`: the file that it prints lets a worker in, and settings that could not work are refused."""

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from support.programs import BIN, stage
from support.server import Server, server
from support.tls import authority
from support.waiting import eventually

WORKER = "--runner command --builder-command true --no-validation"


class Printed(NamedTuple):
    """The end of a run of swarmctl."""

    code: int
    out: str
    err: str

    @property
    def variables(self) -> dict[str, str]:
        lines = [line for line in self.out.splitlines() if not line.startswith("#")]
        return dict(line.split("=", 1) for line in lines)


async def config(served: Server, *flags: str, ca: Path | None = None) -> Printed:
    """Runs worker-config against a server."""
    tls = ("--tls-ca", str(ca)) if ca else ()
    argv = (
        "--server",
        served.address,
        "--token-file",
        str(served.folder / "token"),
        *tls,
        "worker-config",
        *flags,
    )
    process = await asyncio.create_subprocess_exec(
        BIN / "swarmctl", *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return Printed(process.returncode or 0, out.decode(), err.decode())


@pytest.mark.slow
async def test_the_command_in_the_file_lets_a_worker_in(tmp_path: Path) -> None:
    async with server(tmp_path / "state", tls_auto=True, tls_name=("swarm.example.test",)) as served:
        ca = tmp_path / "state" / "tls" / "ca.pem"
        printed = await config(
            served, "--address", served.address, "--name", "far", "--label", "pool=gpu", ca=ca
        )
        assert printed.code == 0, printed.err
        [command] = [line[4:] for line in printed.out.splitlines() if line.startswith("#   sh -c")]

        with stage(tmp_path / "machine") as place:
            place.project.mkdir(parents=True)
            (place.folder / "worker.env").write_text(printed.out)
            script = command.removeprefix("sh -c '").removesuffix("'")
            worker = place.start(
                "worker", "-c", f"{script} {WORKER} --project-root project", program="/bin/sh"
            )
            await eventually(lambda: "ready" in worker.out.read_text(), f"it is ready: {worker.said()}")

        workers = served.swarm.live.workers
        assert {name: dict(one.identity.labels) for name, one in workers.items()} == {"far": {"pool": "gpu"}}


@pytest.mark.slow
async def test_the_usual_address_is_the_first_name_of_the_certificate(tmp_path: Path) -> None:
    async with server(tmp_path, tls_auto=True, tls_name=("swarm.example.test", "192.0.2.2")) as served:
        printed = await config(served, ca=tmp_path / "tls" / "ca.pem")

        port = served.address.rpartition(":")[2]
        assert printed.variables["SWARM_SERVER"] == f"swarm.example.test:{port}"
        assert printed.variables["SWARM_TLS_CA_FINGERPRINT"].startswith("sha256:")
        assert printed.variables["SWARM_TOKEN"].startswith("swt1_join_")
        as_json = await config(served, "-o", "json", ca=tmp_path / "tls" / "ca.pem")
        assert set(json.loads(as_json.out)) == set(printed.variables)


@pytest.mark.slow
async def test_without_the_ca_in_the_chain_the_file_asks_for_its_file(tmp_path: Path) -> None:
    own = authority(tmp_path / "tls")
    async with server(
        tmp_path / "state", **own.write("swarm.example.test", "127.0.0.1", chain=False)
    ) as served:
        printed = await config(served, ca=own.file)

    assert "SWARM_TLS_CA_FINGERPRINT" not in printed.variables
    assert "copy that file, and set SWARM_TLS_CA" in printed.out


@pytest.mark.slow
async def test_a_run_of_its_own_ignores_what_the_shell_has_of_another_swarm(tmp_path: Path) -> None:
    """Somebody has read worker.env into the shell, and set flags of swarmd there."""
    (tmp_path / "tasks.yaml").write_text("tasks: [{id: a, name: A, description: Nothing., validate: false}]")
    variables = {
        "SWARM_SERVER": "swarm.example.test:7433", "SWARM_TOKEN": "swt1_join_x", "SWARM_WORKER_NAME": "far",
        "SWARM_TLS_CA_FINGERPRINT": f"sha256:{'0' * 64}", "SWARM_TLS_CA": "/nowhere", "SWARMD_TLS_AUTO": "1",
        "SWARMD_TLS_NAME": "swarm.example.test",
    }  # fmt: skip
    with stage(tmp_path) as place:
        place.project.mkdir()
        argv = ("run", "tasks.yaml", "--project-root", "project", "--workspace", "shared", *WORKER.split())
        run = place.start("run", *argv, program="swarmctl", env=variables)
        await eventually(lambda: run.process.poll() is not None, f"the run ends: {run.said()}")

    assert run.process.returncode == 0, run.said() + run.out.read_text()


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        ((), "has no address for other machines; start it with --listen 0.0.0.0:7433 --tls-auto"),
        (("--address", "10.0.0.1:1"), "would show its token to the network; start swarmd with --tls-auto"),
        (("--address", "nonsense"), "--address 'nonsense' is not a HOST:PORT address"),
        (("--name", "a b"), "--name 'a b' is not a worker's name"),
        (("--name", "a", "--uses", "2"), "--name is for one worker"),
    ],
)
async def test_settings_that_could_not_work_are_one_line_and_make_no_token(
    served: Server, flags: tuple[str, ...], fault: str
) -> None:
    printed = await config(served, *flags)

    assert (printed.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert fault in printed.err
    assert len(await served.swarm.db.read(served.swarm.tokens.list_all)) == 1


async def test_a_host_that_the_certificate_does_not_name_is_refused(tmp_path: Path) -> None:
    async with server(tmp_path, tls_auto=True) as served:
        printed = await config(served, "--address", "other.example.test:1", ca=tmp_path / "tls" / "ca.pem")

    assert printed.code == 2
    assert "and not other.example.test; start swarmd with --tls-name other.example.test" in printed.err
