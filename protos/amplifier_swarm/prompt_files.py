"""The digest of a project's own prompts, with which `swarmctl run` pins what its workers may use.

Invariant: client and worker compute the same digest from the same files, or from none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(".swarm/prompts")
NAMES: Final = ("builder.md", "validator.md")
# Larger prompts are refused, so no reader needs more than one byte beyond.
MAX_BYTES: Final = 256 * 1024
# The digest of a project without its own prompts.
NONE: Final = "none"


def digest_of(files: Mapping[str, bytes]) -> str:
    """Returns the digest of prompts by file name: 64 hexadecimal digits, or NONE."""
    if not files:
        return NONE
    from hashlib import sha256  # noqa: PLC0415  # OpenSSL is 700 KiB that a worker without own prompts does without

    digest = sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return digest.hexdigest()
