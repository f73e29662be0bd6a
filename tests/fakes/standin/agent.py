"""The stand-in for `amplifier-agent`: its commands, and one turn of one session.

Invariant: stdout carries only the command's answer; for a turn, the one-line envelope or nothing.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .argv import Command, Given, Option, UsageError, group_help, no_command
from .config import HostConfig, read_config
from .envelope import PROTOCOL, VERSION, Envelope, Refusal
from .faults import Fault, read_faults
from .home import ColdRace, Home, SessionFolder, cold_s, home_of
from .ledger import ledger_of
from .modes import mode_rule
from .ndjson import NdjsonView
from .play import EngineDied, ProviderFailed, Turn, Usage
from .script import Call, read_scene
from .tools import Result

NAME = "amplifier-agent"
COMMANDS = ("doctor", "prepare", "run", "version")
WORKSPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
RUN = Command(
    f"{NAME} run",
    "Run a single turn.",
    (
        Option(("--session-id",), "Session ID to resume or tag."),
        Option(("--resume",), "Go on with the session.", flag=True),
        Option(("--fresh",), "Discard saved state.", flag=True),
        Option(("--bundle",), "Ignored.", hidden=True),
        Option(("--config",), "Host config file path."),
        Option(("--cwd",), "Working directory for the agent."),
        Option(("-v", "--verbose"), "Say more.", flag=True),
        Option(("--debug",), "Say all.", flag=True),
        Option(("-y", "--yes"), "Auto-approve.", flag=True),
        Option(("-n", "--no"), "Auto-decline.", flag=True),
        Option(("--quiet",), "Say less.", flag=True),
        Option(("--output",), "What stdout carries.", choices=("text", "json")),
        Option(("--display",), "What stderr carries.", choices=("text", "ndjson")),
        Option(("--protocol-version",), "The wrapper's version."),
        Option(("--workspace",), "Session-state isolation slug."),
        Option(("--mode",), "Per-turn mode (non-sticky)."),
    ),
    argument="[PROMPT]",
)
DOCTOR = Command(
    f"{NAME} doctor", "Self-diagnostics.", (Option(("--strict",), "A cold cache fails.", flag=True),)
)
VERSIONS = Command(f"{NAME} version", "Show versions.", (Option(("--json",), "As JSON.", flag=True),))
PREPARE = Command(f"{NAME} prepare", "Prime the bundle cache.", ())
PAIRS = (("yes", "no", "-y and -n"), ("resume", "fresh", "--resume and --fresh"))
NO_APPROVAL = (
    'Pass `-y` to auto-approve, `-n` to auto-deny, or set `{"approval": {"mode": "yes"|"no"|"prompt"}}`'
    " in your --config / $AMPLIFIER_AGENT_CONFIG file."
)


def main(argv: Sequence[str]) -> int:
    """Runs the program and returns its exit code."""
    try:
        return _dispatch(list(argv))
    except KeyboardInterrupt:
        sys.stderr.write("Aborted!\n")
        return 1


def _dispatch(argv: list[str]) -> int:
    name = argv.pop(0) if argv else "--help"
    if name == "--help":
        sys.stdout.write(group_help(NAME, "An agent for one turn.", COMMANDS))
        return 0
    if name == "--version":
        sys.stdout.write(f"{NAME} {VERSION}\n")
        return 0
    commands = {"run": (RUN, _run), "doctor": (DOCTOR, _doctor), "version": (VERSIONS, _version)}
    commands["prepare"] = (PREPARE, _prepare)
    if name not in commands:
        return no_command(NAME, name)
    command, body = commands[name]
    if "--help" in argv[: argv.index("--") if "--" in argv else None]:
        sys.stdout.write(command.help())
        return 0
    try:
        return body(command.parse(argv))
    except UsageError as error:
        return command.refuse(error)


def _version(given: Given) -> int:
    plain = f"{NAME} {VERSION} (wire {PROTOCOL})"
    sys.stdout.write(
        (json.dumps({"version": VERSION, "protocolVersion": PROTOCOL}) if "json" in given else plain) + "\n"
    )
    return 0


def _doctor(given: Given) -> int:
    cold, strict = home_of(os.environ).cold, "strict" in given
    word = " OK " if not cold else "FAIL" if strict else "INFO"
    sys.stdout.write(f"[ OK ] python {sys.version.split()[0]}\n[{word}] prepared bundle cache\n")
    return int(cold and strict)


def _prepare(given: Given) -> int:
    try:
        home_of(os.environ).warm(cold_s(os.environ))
    except ColdRace as error:
        sys.stderr.write(f"Traceback (most recent call last):\nRuntimeError: {error}\n")
        return 1
    sys.stdout.write("[ OK ] bundle cache primed\n")
    return 0


def _run(given: Given) -> int:
    for one, other, words in PAIRS:
        if one in given and other in given:
            raise UsageError(f"{words} are mutually exclusive")
    if not given.rest:
        sys.stderr.write(f'[error] prompt_required: pass prompt as argument: `{NAME} run "..."`.\n')
        return 2
    envelope = Envelope(given.get("session-id"), given.get("mode") or None)
    try:
        request = _request(given)
    except Refusal as refusal:
        sys.stdout.write(envelope.refusal(refusal))
        return 2
    with suppress(PermissionError):  # the process is a session leader already
        os.setsid()
    return _Run(request, envelope).go()


@dataclass(frozen=True, slots=True)
class _Request:
    given: Given
    config: HostConfig
    workspace: str
    allows: Callable[[str], bool]


def _request(given: Given) -> _Request:
    """Checks the call; raises Refusal for everything that is refused before the turn."""
    config = read_config(given.get("config") or os.environ.get("AMPLIFIER_AGENT_CONFIG", ""))
    version = given.get("protocol-version", PROTOCOL)
    if version != PROTOCOL and not config.allows_skew:
        raise Refusal("protocol_version_mismatch", f"wrapper speaks {version}, engine speaks {PROTOCOL}")
    if not ("yes" in given or "no" in given or config.approval or sys.stdin.isatty()):
        raise Refusal(
            "approval_unconfigured", "headless run without approval policy", remediation=NO_APPROVAL
        )
    slug = re.sub(r"[^a-z0-9]+", "-", str(Path.cwd()).lower()).strip("-")[-60:].lstrip("-") or "default"
    workspace = given.get("workspace") or os.environ.get("AMPLIFIER_AGENT_WORKSPACE") or slug
    if not WORKSPACE.fullmatch(workspace):
        raise Refusal("argv_workspace_invalid", f"workspace {workspace!r} does not match {WORKSPACE.pattern}")
    if not Path(given.get("cwd", ".")).is_dir():
        raise Refusal("argv_path_unreadable", f"--cwd {given.get('cwd')!r} is not a directory")
    return _Request(given, config, workspace, mode_rule(given.get("mode")))


class _Run:
    """A turn, from the boot to the envelope."""

    def __init__(self, request: _Request, envelope: Envelope) -> None:
        given = request.given
        self._request, self._given, self._envelope = request, given, envelope
        self._home: Home = home_of(os.environ)
        self._folder: SessionFolder = self._home.session(request.workspace, envelope.session or "anonymous")
        self._began = _now()

    def go(self) -> int:
        resumes = self._folder.load() if "resume" in self._given else None
        if "fresh" in self._given:
            self._folder.discard()
        try:
            self._home.warm(cold_s(os.environ))
        except ColdRace as error:
            sys.stderr.write(f"ERROR amplifier_agent: bundle preparation failed: {error}\n")
            sys.stdout.write(self._envelope.failure(f"RuntimeError: {error}"))
            return 1
        config = self._request.config
        shown = NdjsonView(
            self._envelope.session,
            config.provider,
            config.model,
            ndjson=self._given.get("display") == "ndjson",
        )
        view = _SavingView(shown, self._folder)
        turn = Turn(
            program=NAME,
            session=self._envelope.session,
            prompt=self._given.rest[0],
            root=Path(self._given.get("cwd", ".")),
            scene=read_scene(os.environ),
            faults=read_faults(os.environ),
            ledger=ledger_of(os.environ),
            model=config.model,
            view=view,
            resumes=resumes,
            allows=self._request.allows,
        )
        view.fault = turn.fault
        self._folder.messages.append({"role": "user", "content": turn.prompt})
        return turn.end(self._ended(turn, shown))

    def _ended(self, turn: Turn, shown: NdjsonView) -> int:
        try:
            reply = turn.run()
        except ProviderFailed as error:
            sys.stderr.write(f"Traceback (most recent call last):\n  …\n{error}\n")
            self._folder.audit(1, began=self._began, ended=_now())
            sys.stdout.write(self._envelope.failure(str(error)))
            return 1
        except EngineDied:
            return 1
        shown.total(turn.total)
        self._folder.messages.append({"role": "assistant", "content": reply})
        self._folder.save(turn.fault, last_turn="complete")
        self._folder.audit(0, began=self._began, ended=_now())
        text = self._given.get("output", "text") == "text"
        sys.stdout.write(f"{reply}\n" if text else self._envelope.reply(reply))
        return 0


@dataclass(slots=True)
class _SavingView:
    """A view that shows the turn and saves the session after each completed tool call."""

    shown: NdjsonView
    folder: SessionFolder
    fault: Fault = Fault.NONE

    def answered(self, text: str, usage: Usage, agent: str = "") -> None:
        self.shown.answered(text, usage, agent)

    def tool(self, call: Call, result: Result, agent: str = "") -> None:
        self.shown.tool(call, result, agent)
        self.folder.messages.append({"role": "tool", "name": call.tool, "content": result.output})
        self.folder.save(self.fault, last_tool=call.tool)

    def spawned(self, agent: str) -> None:
        self.shown.spawned(agent)

    def noise(self) -> None:
        self.shown.noise()


def _now() -> str:
    return datetime.now(UTC).isoformat()
