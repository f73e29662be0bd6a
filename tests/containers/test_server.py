"""The image `swarmd`: health, a volume that outlives containers, and a volume of another user."""

import json

import pytest

from containers.conftest import USER
from containers.engine import Container, podman, run_once, running
from support.programs import free_port
from support.waiting import until

FREE = ("--listen", "127.0.0.1:0", "--dashboard", "off")
READ_ONLY = ("--read-only", "--read-only-tmpfs=false", "--memory", "512m", "--pids-limit", "100")
NAME = "swarm-test-swarmd"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def port_of(line: str) -> str:
    """Returns the address in swarmd's ready line."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)["grpc"]


def signal_program(server: Container, name: str) -> None:
    """Signals swarmd itself: the first child of the container's init process."""
    server.exec("sh", "-c", f"kill -{name} $(cat /proc/1/task/1/children)")


def test_the_health_check_follows_the_server(volume: str) -> None:
    # The containers here share the ports of the host, where the default one may be in use.
    address = f"127.0.0.1:{free_port()}"
    flags = (*READ_ONLY, "-v", f"{volume}:/data", "-e", f"SWARM_SERVER={address}")
    with running("swarmd", NAME, "--listen", address, "--dashboard", "off", flags=flags) as server:
        server.until_said("swarmd ready")

        until(lambda: server.health() == 0, "the server is healthy")
        assert json.loads(server.exec("swarmctl", "ping", "-o", "json").stdout)["status"] == "serving"
        signal_program(server, "STOP")
        assert server.health() != 0, "a server that does not answer is unhealthy"
        signal_program(server, "CONT")
        until(lambda: server.health() == 0, "the server is healthy again")
        podman("stop", "-t", "30", server.name)
        assert server.exit_code() == 0


@pytest.mark.parametrize("user", ["1000:0", f"{USER}:0"])
def test_what_is_in_the_volume_outlives_the_container(volume: str, user: str) -> None:
    flags = (*READ_ONLY, "--user", user, "-v", f"{volume}:/data:U")
    said = []
    for _ in range(2):
        with running("swarmd", NAME, *FREE, flags=flags) as server:
            address = port_of(server.until_said("swarmd ready"))
            said.append(server.exec("swarmctl", "--server", address, "list", "-o", "json").stdout)
            if len(said) == 1:
                plan = "echo 'tasks: [{id: kept, name: K, description: d}]' | swarmctl --server $0 import -"
                server.exec("sh", "-c", plan, address)
            podman("stop", "-t", "30", server.name)
            assert server.exit_code() == 0

    assert "kept" not in said[0]
    assert json.loads(said[1])[0]["id"] == "kept"


def test_a_volume_of_another_user_gets_one_clear_line(volume: str) -> None:
    with running("swarmd", NAME, *FREE, flags=(*READ_ONLY, "-v", f"{volume}:/data")) as server:
        server.until_said("swarmd ready")

    for user in (f"{USER}:0", f"{USER}:{USER}"):
        done = run_once("swarmd", *FREE, flags=(*READ_ONLY, "--user", user, "-v", f"{volume}:/data"))

        assert done.returncode in (1, 2), done.stderr
        assert done.stdout == ""
        [line] = [line for line in done.stderr.splitlines() if line.startswith("swarmd: ")]
        assert line == (
            "swarmd: /data/swarm.db: Permission denied; /data belongs to the user 1000, and this is the user"
            f" {USER}: run swarmd as that user, or give the folder to this one"
        )
        assert "Traceback" not in done.stderr
