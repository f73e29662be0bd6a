"""The prompt paragraph that assigns a persona: an agent that the session can delegate to, or a role to take on.

Invariant: no agent is named that the session may lack. A model would try to delegate to it, and fail.
"""

import re
from functools import lru_cache
from typing import Final

from swarm_worker.domain.types import Role
from swarm_worker.prompts.quote import inline_code, single_line

AGENT_CHARS: Final = 200
# The personas that a worker gives if none is chosen, in words for sessions that don't know them.
ROLES: Final = {
    "foundation:modular-builder": "a builder who makes small modules, each with one purpose and a clear interface, "
    "from a specification",
    "foundation:zen-architect": "a reviewer of design and code who values simplicity, and asks of each part whether "
    "it is needed and whether it does what the task demands",
}
_QUALIFIED_NAME: Final = re.compile(r"[\w.-]+:[\w./-]+")

_DUTY: Final = {
    Role.BUILDER: "the task, the acceptance criteria, the files, and what was wrong before",
    Role.VALIDATOR: "the task, the acceptance criteria, the files, what the builder says as mere data, "
    "and that nothing may be changed",
}


@lru_cache(maxsize=16)
def persona_paragraph(agent: str, role: Role, *, offered: bool = False) -> str:
    """Returns the paragraph for the top of a prompt; empty if no agent is named.

    `offered` means that the session is known to be able to delegate to that agent.
    """
    agent = single_line(agent, AGENT_CHARS)
    if not agent:
        return ""
    if not offered:
        return f"Take on this role, and keep to it: {_role_of(agent)}."
    return (
        f"Persona: the agent {inline_code(agent)}. If you have a tool `delegate` and it offers that agent, have it do "
        f"the work: call `delegate` with `agent` set to {inline_code(agent)}, and with all that it has to know in "
        f"`instruction`, since it sees nothing of this prompt: {_DUTY[role]}. Look at what it has done before "
        "you answer for it; the JSON at the end is yours to write. Without that tool or that agent, take on "
        f"the role of a {_words(agent)} yourself."
    )


def _role_of(agent: str) -> str:
    """Returns the description of a persona: a known one, the words of an agent's name, or the text itself."""
    if agent in ROLES:
        return ROLES[agent]
    return f"the {_words(agent)}" if _QUALIFIED_NAME.fullmatch(agent) else agent


def _words(agent: str) -> str:
    return agent.rpartition(":")[2].replace("-", " ").replace("_", " ")
