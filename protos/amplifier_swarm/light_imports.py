"""Imports that cost much for what a daemon needs of them: loaded late, loaded in part, or replaced by a few lines.

An idle worker must stay small, since a machine runs many of them. Each function here says what it saves. A module
that needs one of these things calls the function; it does not import the standard module itself.

Invariant: a function here does what the module that it stands for does, for the arguments that are documented.
Performance: 8 MiB less in an idle worker, 0.1 s less at each start (docs/performance.md).
"""

import importlib
import os
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from argparse import HelpFormatter

    from google.protobuf.message import Message

_HIDDEN_FROM_STRUCTLOG: Final = ("rich", "greenlet", "structlog.twisted")


def load_structlog() -> None:
    """Imports structlog without rich, greenlet and Twisted (6 MiB, 0.1 s), and uuid with its first use (0.2 MiB).

    structlog imports them if they are installed; a daemon has no use for them. Call this before any other module
    imports structlog. Afterwards the hidden modules can be imported as usual.
    """
    modules: dict[str, Any] = sys.modules
    if "structlog" in modules:
        return
    hidden = [name for name in _HIDDEN_FROM_STRUCTLOG if name not in modules]
    modules.update(dict.fromkeys(hidden))
    uuid = modules.setdefault("uuid", _stand_in("uuid"))
    try:
        importlib.import_module("structlog")
    finally:
        for name in hidden:
            del modules[name]
        if uuid.__spec__ is None and modules.get("uuid") is uuid:  # the stand-in
            del modules["uuid"]


def _stand_in(name: str) -> ModuleType:
    """Returns a module that loads the real one when one of its names is read."""
    module = ModuleType(name)

    def get(attribute: str) -> Any:
        if sys.modules.get(name) is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    vars(module)["__getattr__"] = get
    return module


def fixed_width_formatter(prog: str) -> "HelpFormatter":
    """Returns a formatter of argparse that does not ask shutil for the terminal's width (0.5 MiB).

    argparse formats each flag once when it is added.
    """
    from argparse import HelpFormatter

    return HelpFormatter(prog, width=80)


class PlainFlag(NamedTuple):
    """A flag of a command line with its value."""

    name: str
    value: str


def plain_flags(
    argv: Sequence[str], *, switches: Container[str], valued: Container[str]
) -> Sequence[PlainFlag] | None:
    """Returns the flags of a command line as argparse reads them (0.4 MiB); the value of a switch is "true".

    Returns None if argparse must judge: unknown flags, missing values, other words, values that look like flags.
    """
    found, words = [], iter(argv)
    for word in words:
        name, has_value, value = word.partition("=")
        if name in switches and not has_value:
            value = "true"
        elif name not in valued or (not has_value and (value := next(words, "-")).startswith("-")):
            return None
        found.append(PlainFlag(name, value))
    return found


def random_id() -> str:
    """Returns a new id of 32 hexadecimal digits that nobody can guess, as uuid.uuid4 (0.2 MiB)."""
    return os.urandom(16).hex()


def uniform(low: float, high: float) -> float:
    """Returns a random number between two bounds, as random.uniform (170 KiB). Not for secrets."""
    return low + (high - low) * int.from_bytes(os.urandom(4), "big") / 2**32


def find_program(name: str, *, path: str) -> str | None:
    """Returns the path of a program, as shutil.which (0.5 MiB); None if there is none.

    `path` lists folders as $PATH does. A name with a slash in it is the path of the program itself.
    """
    folders = path.split(os.pathsep) if path else []
    candidates = [name] if os.sep in name else [f"{folder or os.curdir}/{name}" for folder in folders]
    return next(filter(_is_executable, candidates), None)


def _is_executable(file: str) -> bool:
    return os.access(file, os.X_OK) and not os.path.isdir(file)  # noqa: PTH112  # the name stays as it was given


def sha256_hex(text: str) -> str:
    """Returns the SHA-256 of a text in hexadecimal, by CPython's own code instead of OpenSSL (0.7 MiB).

    The text may be a path that is not valid UTF-8.
    """
    try:
        module = importlib.import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    except ImportError:  # another Python, or a build without these modules
        module = importlib.import_module("hashlib")
    digest: str = module.sha256(os.fsencode(text)).hexdigest()
    return digest


def temporary_folder() -> Path:
    """Returns the folder for temporary files; loads tempfile (0.6 MiB, with shutil) with the first call."""
    import tempfile

    return Path(tempfile.gettempdir())


def unicode_category(char: str) -> str:
    """Returns the category of a character; loads unicodedata (0.1 MiB) with the first call."""
    from unicodedata import category

    return category(char)


def is_in_network(host: str, network: str) -> bool:
    """Returns whether a host is an address in a CIDR network; loads ipaddress (0.3 MiB) with the first call."""
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def message_to_dict(message: "Message") -> dict[str, Any]:
    """Returns a message as JSON values, fields named as in the .proto; loads json_format with the first call."""
    from google.protobuf import json_format

    document: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return document
