"""The files of a session of the `amplifier` CLI: events as they happen, the rest only at the end.

As with the original, an answer includes its raw form; the old version writes events twice that two modules announce.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .faults import Fault
from .play import Usage, child_id
from .script import Call
from .tools import Result

SCHEMA = {"name": "amplifier.log", "ver": "1.0.0"}
# The keys that the hook moves from an event's data to the top level.
LIFTED = ("status", "duration_ms", "error")
TWICE = ("llm:request", "llm:response")
RAW_CHARS = 100_000
# A line of this length is longer than the worker keeps.
NOISE_CHARS = 3_000_000


def sessions_folder(cwd: Path) -> Path:
    """Returns the folder of a project's sessions, which is named for the project's real path."""
    slug = str(cwd.resolve()).replace("/", "-")
    return Path.home() / ".amplifier" / "projects" / slug / "sessions"


@dataclass(slots=True)
class EventsView:
    """A view that appends a line for each event of the kernel; a delegated child has its own folder."""

    folder: Path
    session: str
    provider: str
    model: str
    trace: list[dict[str, object]]
    repeats: bool = False
    _calls: int = 0
    # The agents whose model has a request that is not answered yet; the session itself has no name.
    _asked: set[str] = field(default_factory=set)

    def begin(self, prompt: str, *, resumed: bool) -> None:
        """Writes the events before the model's first answer."""
        self.write("session:resume" if resumed else "session:start", {"parent_id": None})
        self.write("prompt:submit", {"prompt": prompt})
        self.write("execution:start", {"prompt": prompt})
        self._request("")

    def end(self, response: str, status: str) -> None:
        self.write(
            "orchestrator:complete", {"orchestrator": "loop-streaming", "turn_count": 1, "status": status}
        )
        self.write("execution:end", {"response": response, "status": status})
        self.write("session:end", {})

    def answered(self, text: str, usage: Usage, agent: str = "") -> None:
        if agent not in self._asked:
            self._request(agent)
        self._asked.remove(agent)
        used: dict[str, object] = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }
        if usage.cost is not None:
            used["cost_usd"] = str(usage.cost)
        raw = {"padding": "x" * RAW_CHARS, "usage": {"prompt_tokens": usage.input_tokens}}
        about = {"provider": self.provider, "model": self.model, "usage": used, "raw": raw}
        self.write("llm:response", about | {"status": "ok", "duration_ms": 3}, agent)
        if text:
            self.write(
                "content_block:end", {"block_index": 0, "block": {"type": "text", "text": text}}, agent
            )

    def tool(self, call: Call, result: Result, agent: str = "") -> None:
        self._calls += 1
        number = f"call_{self._calls}"
        about = {"tool_name": call.tool, "tool_call_id": number, "tool_input": dict(call.arguments)}
        self.write("tool:pre", about, agent)
        self.write("tool:post", about | {"result": result.document()}, agent)
        self._request(agent)
        if not agent:
            self.trace.append(
                {
                    "type": "tool_call",
                    "tool": call.tool,
                    "arguments": dict(call.arguments),
                    "result": result.document(),
                    "duration_ms": 1,
                    "sequence": len(self.trace),
                }
            )

    def spawned(self, agent: str) -> None:
        child = child_id(self.session, agent)
        about = {"agent": f"foundation:{agent}", "sub_session_id": child, "parent_session_id": self.session}
        self.write("delegate:agent_spawned", about)
        self.write("session:fork", {"parent": self.session}, agent)

    def noise(self) -> None:
        """Writes a line of a whole conversation, and broken lines, as a full disk leaves them."""
        self.write("context:post_compact", {"messages": "x" * NOISE_CHARS})
        with self._log("").open("a", encoding="utf-8") as log:
            log.write('{"event": "llm:response", "data": {"usage": \nnothing\n[]\n{"event": 7}\n')

    def write(self, event: str, data: Mapping[str, object], agent: str = "") -> None:
        session = child_id(self.session, agent) if agent else self.session
        lifted = {key: data[key] for key in LIFTED if key in data}
        record: dict[str, object] = {
            "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "lvl": "ERROR" if "error" in event or "error" in lifted else "INFO",
            "schema": SCHEMA,
            "event": event,
            "session_id": session,
        }
        rest = {key: value for key, value in data.items() if key not in lifted}
        with self._log(agent).open("a", encoding="utf-8") as log:
            line = json.dumps(record | lifted | ({"data": rest} if rest else {})) + "\n"
            log.write(line * 2 if self.repeats and event in TWICE else line)

    def save(self, fault: Fault, *, bundle: str, prompt: str, response: str) -> None:
        """Writes the transcript and the metadata, which a headless session writes only at its end."""
        lines = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
        with (self.folder / self.session / "transcript.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        metadata = {
            "session_id": self.session,
            "bundle": f"bundle:{bundle}",
            "turn_count": 1,
            "standin_fault": fault,
        }
        (self.folder / self.session / "metadata.json").write_text(json.dumps(metadata), "utf-8")

    def _request(self, agent: str) -> None:
        self._asked.add(agent)
        self.write("llm:request", {"provider": self.provider, "model": self.model}, agent)

    def _log(self, agent: str) -> Path:
        folder = self.folder / (child_id(self.session, agent) if agent else self.session)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "events.jsonl"
