"""Certificates of a test, and endpoints that use them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.pinning import certificates_in, fingerprint_of
from amplifier_swarm.v1 import operator_service_pb2 as pb
from support.server import Client, Server


@dataclass
class Authority:
    """A CA whose certificates lie in a folder."""

    folder: Path
    ca: trustme.CA

    @property
    def file(self) -> Path:
        """The certificate of the CA."""
        return self.folder / "ca.pem"

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(certificates_in(self.ca.cert_pem.bytes())[0])

    def write(
        self, *names: str, cert: str = "cert.pem", key: str = "key.pem", chain: bool = True
    ) -> dict[str, Any]:
        """Writes a new pair, each file in one step; returns the settings of a server that uses them."""
        made = self.ca.issue_cert(*(names or ("localhost", "127.0.0.1", "::1")))
        pems = b"".join(pem.bytes() for pem in made.cert_chain_pems)
        if chain:
            pems += self.ca.cert_pem.bytes()
        replace(self.folder / cert, pems)
        replace(self.folder / key, made.private_key_pem.bytes())
        replace(self.file, self.ca.cert_pem.bytes())
        return {"tls_cert": self.folder / cert, "tls_key": self.folder / key}


def authority(folder: Path) -> Authority:
    """Makes a CA."""
    folder.mkdir(parents=True, exist_ok=True)
    return Authority(folder, trustme.CA())


def replace(path: Path, content: bytes) -> None:
    """Replaces a private file in one step."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o600)
    fresh.replace(path)


async def answers(served: Server, ca: Path | None = None, **fields: Any) -> bool:
    """Returns whether a new connection gets an answer from the server; other errors than of the line are raised."""
    endpoint = Endpoint(fields.pop("address", served.address), served.token, ca, **fields)
    async with dial(endpoint) as channel:
        return await call_answers(Client(channel, endpoint.metadata))


async def call_answers(client: Client) -> bool:
    import grpc  # noqa: PLC0415  # after GRPC_VERBOSITY may be set

    try:
        await client.call("GetSwarm", pb.GetSwarmRequest())
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True
