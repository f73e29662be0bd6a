"""A stand-in for the library `amplifier_agent`: its contract and its quirks, and none of its models.

AMPLIFIER_STANDIN_LIBRARY is the version to imitate: 0.20, 0.21 (the default) or 0.22.
"""

from ._agent import Agent, Session, create_agent
from ._errors import AgentError
from ._options import BUILTIN_TOOLS, VERSION, AgentOptions
from ._records import (
    Event,
    SessionOptions,
    TextPart,
    Tool,
    ToolContext,
    ToolFailed,
    ToolOutcomeUnknown,
    TurnInput,
    Usage,
    UsageEntry,
)
from ._turn import LibraryTurn as Turn

__all__ = [
    "BUILTIN_TOOLS",
    "Agent",
    "AgentError",
    "AgentOptions",
    "Event",
    "Session",
    "SessionOptions",
    "TextPart",
    "Tool",
    "ToolContext",
    "ToolFailed",
    "ToolOutcomeUnknown",
    "Turn",
    "TurnInput",
    "Usage",
    "UsageEntry",
    "contract_version",
    "contract_versions",
    "create_agent",
]
__version__ = f"{VERSION[0]}.{VERSION[1]}.0"
contract_version = "agent-interface/1"
# Releases that break things name the same versions.
contract_versions = (contract_version, "turn-events/1", "language-binding/1", "host-config/1")

if VERSION >= (0, 22):
    from ._options import list_models

    __all__ += ["list_models"]
