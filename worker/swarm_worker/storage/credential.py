"""The worker's own credential, which it draws itself and exchanges a join token for.

Invariant: the credential is durable before the server hears of it. So a crash or a lost answer at any moment leaves a
file with which the exchange can be repeated, and nobody without that file can repeat it.

In the state folder, each readable by this user alone:
- `joining`: drawn, and perhaps known to the server;
- `credential`: known to the server.
"""

from contextlib import suppress
from typing import Final, NamedTuple

from amplifier_swarm.light_imports import random_id
from swarm_worker.domain.session_tokens import draw_secret
from swarm_worker.storage.files import write_durably
from swarm_worker.storage.state_dir import StateFolder

DRAWN: Final = "joining"
KNOWN: Final = "credential"


class OwnCredential(NamedTuple):
    """A credential of this state folder, and the join token that it is exchanged for."""

    text: str
    # A copy of the folder has another one, and so no credential.
    instance: str
    join_token_id: str

    @property
    def token_id(self) -> str:
        """Returns the id, which anybody may see."""
        return self.text.split("_", 3)[2]

    @property
    def secret(self) -> str:
        """Returns the part that only this worker knows."""
        return self.text.split("_", 3)[3]


def find_credential(folder: StateFolder, join_token: str) -> str | None:
    """Returns the credential that this folder has for the join token; None before the exchange is known to be done."""
    found = _read(folder, KNOWN, join_token)
    return None if found is None else found.text


def draw_credential(folder: StateFolder, join_token: str) -> OwnCredential:
    """Returns the credential to ask for: the one of an exchange that broke off, else a new one, stored durably."""
    found = _read(folder, DRAWN, join_token)
    if found is None:
        text = f"swt1_worker_{random_id()[:12]}_{draw_secret()}"
        found = OwnCredential(text, folder.instance, _id_of(join_token))
        write_durably(folder.path / DRAWN, f"{' '.join(found)}\n".encode())
    return found


def keep_credential(folder: StateFolder, credential: OwnCredential) -> None:
    """Notes durably that the server knows the credential."""
    write_durably(folder.path / KNOWN, f"{' '.join(credential)}\n".encode())
    with suppress(FileNotFoundError):
        (folder.path / DRAWN).unlink()


def _read(folder: StateFolder, name: str, join_token: str) -> OwnCredential | None:
    try:
        words = (folder.path / name).read_text(encoding="ascii").split()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    wanted = [folder.instance, _id_of(join_token)]
    return OwnCredential(*words) if len(words) == 3 and words[1:] == wanted else None


def _id_of(join_token: str) -> str:
    return join_token.split("_", 3)[2]
