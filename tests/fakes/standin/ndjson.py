"""The stderr of a turn of `amplifier-agent`: one event a line, among lines that are not events."""

import json
import sys
from dataclasses import dataclass, field
from decimal import Decimal

from .play import TRACEBACK, Usage, child_id
from .script import Call
from .tools import Result

NOISE_LINES = 200


@dataclass(slots=True)
class NdjsonView:
    """A view that writes the events of a session; in `text` display, lines for people instead."""

    session: str
    provider: str
    model: str
    ndjson: bool = True
    _calls: int = 0
    _plain: bool = field(default=False)

    def answered(self, text: str, usage: Usage, agent: str = "") -> None:
        used: dict[str, object] = {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "llmDurationMs": 3,
            "model": self.model,
            "provider": self.provider,
        }
        if usage.cost is not None:
            used["cost"] = str(usage.cost)
        self._send("usage", agent, named=True, **used)
        # Sent after every answer, with empty text; it does not end the turn.
        self._send("result/final", agent, text="")
        self._first()
        if text:
            self._send("result/delta", agent, text=text)

    def tool(self, call: Call, result: Result, agent: str = "") -> None:
        self._calls += 1
        about: dict[str, object] = {"toolCallId": f"call_{self._calls}", "name": call.tool}
        self._send("tool/started", agent, named=True, **about, args=dict(call.arguments))
        self._send("tool/completed", agent, named=True, **about, result=result.document(), durationMs=0)

    def spawned(self, agent: str) -> None:
        """Writes nothing: the child's events carry its name."""

    def total(self, cost: Decimal | None) -> None:
        """Sends the sum of the reported costs; a reader that adds the sum counts the costs twice."""
        if cost is not None:
            self._send("usage", "", inputTokens=0, outputTokens=0, sessionCostTotal=str(cost))

    def noise(self) -> None:
        for number in range(NOISE_LINES):
            sys.stderr.write(f"DEBUG httpx connection pool {number} of {NOISE_LINES}\n")
        sys.stderr.write(TRACEBACK)
        sys.stderr.write('{"method": "usage", "params": {"inputTokens": 1\n{}\n[1, 2]\n{"method": 7}\n')
        sys.stderr.write(
            '{"method": "usage", "params": null}\n{"level": "info", "usage": {"inputTokens": 9}}\n'
        )
        sys.stderr.write("\x1b[31mred\x1b[0m \x00 \x07\n" + "x" * 100_000 + "\n")

    def _first(self) -> None:
        if not self._plain:
            self._plain = True
            sys.stderr.write("WARNING amplifier_agent: optional module 'wayfinder' was not found, going on\n")

    def _send(self, method: str, agent: str, *, named: bool = False, **params: object) -> None:
        session = child_id(self.session, agent) if agent else self.session
        where: dict[str, object] = {"sessionId": session, "turnId": "" if agent else "turn-1"}
        name = session.partition("_")[2]
        if named and name:
            params["agentName"] = name
        if self.ndjson:
            sys.stderr.write(json.dumps({"method": method, "params": where | params}) + "\n")
        elif method == "tool/started":
            sys.stderr.write(f"[tool] {params['name']}\n")
