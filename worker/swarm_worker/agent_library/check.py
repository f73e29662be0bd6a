"""The check of one role's configuration: an agent is created and closed. No model is asked, so nothing is spent.

The check finds missing keys and endpoints, wrong files and variables. Only a library that can list models finds
a key that the provider refuses.
"""

import asyncio
import inspect
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from .errors import NO_LIBRARY, LibraryFault, fault_of
from .options import CONFIG, PREFIX, agent_options, built_in_tools, capability
from .request import TurnRequest
from .session import CLOSE_S, close_within

MODELS_S: Final = 15.0
PROVIDER: Final = f"{PREFIX}PROVIDER"
CONFIG_FILE: Final = Path(".amplifier-agent", "config.json")


def describe_library(library: Any) -> dict[str, Any]:
    """Returns what the library has, as JSON."""
    found = capability(library)
    return {
        "version": found.version,
        "fields": sorted(found.fields),
        "listsModels": found.lists_models,
        "tools": built_in_tools(library),
    }


async def check_role(library: Any, request: TurnRequest) -> dict[str, Any]:
    """Returns the result as JSON: `provider`, `models` as a number or why they are unknown, `fault`."""
    provider = configured_provider()
    found: dict[str, Any] = {"provider": provider}
    try:
        with TemporaryDirectory(prefix="swarm-check-") as sessions:
            options = agent_options(library, role=request.role, root=request.root, sessions=Path(sessions))
            agent = await library.create_agent(options)
            await close_within(CLOSE_S, agent.close)
            if provider and capability(library).lists_models:
                found |= await _list_models(library, provider)
    except Exception as error:  # noqa: BLE001  # errors of the library's own code, whatever their type
        found["fault"] = fault_json(fault_of(error))
    return found


def fault_json(fault: LibraryFault) -> dict[str, Any]:
    """Returns an error as JSON."""
    return {"code": fault.code, "message": fault.message, "remedy": fault.remedy, "details": fault.details}


def missing_library(text: str) -> dict[str, Any]:
    """Returns the result for a library that can't be used."""
    return {"fault": fault_json(LibraryFault(NO_LIBRARY, text))}


def configured_provider() -> str:
    """Returns the provider that variables or the configuration file name; empty if it is the library's default."""
    if named := os.environ.get(PROVIDER):
        return named
    path = Path(os.environ.get(CONFIG) or Path.home() / CONFIG_FILE)
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # the library itself reports a file that it can't read
        return ""
    named = document.get("provider") if isinstance(document, dict) else None
    return named if isinstance(named, str) else ""


async def _list_models(library: Any, provider: str) -> dict[str, Any]:
    try:
        async with asyncio.timeout(MODELS_S):
            answer = library.list_models(provider)
            models = await answer if inspect.isawaitable(answer) else answer
    except TimeoutError:
        return {"models": f"no answer in {MODELS_S:g} s"}
    return {"models": len(list(models))}
