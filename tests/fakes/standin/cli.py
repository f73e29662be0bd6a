"""The stand-in for the `amplifier` CLI of August 2026; with AMPLIFIER_STANDIN_CLI=new, of the later versions.

Invariant: the old version prints a line for people before the JSON on stdout; the new one prints only JSON and
has an option for the session's id.
"""

import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from .argv import Command, Given, Option, UsageError, group_help, no_command
from .cli_turn import BundleFailed, CliTurn, Request, load_bundle
from .documents import Documents
from .events import sessions_folder

NAME = "amplifier"
VERSION = "2026.08.19-f16375f (core 2.0.2)"
COMMANDS = ("run", "session", "tool")
SESSION_COMMANDS = ("cleanup", "delete", "fork", "list", "resume", "show")
DEFAULT_BUNDLE = "anchors"
TOOLS = ("bash", "delegate", "edit_file", "read_file", "write_file")
NEW_OPTION = Option(("--session-id",), "Use this session ID instead of a generated one.")
OPTIONS = (
    Option(("-B", "--bundle"), "Bundle to use for this session."),
    Option(("-p", "--provider"), "LLM provider to use."),
    Option(("-m", "--model"), "Model to use (provider-specific)."),
    Option(("--max-tokens",), "Maximum output tokens."),
    Option(("--mode",), "Execution mode.", choices=("chat", "single")),
    Option(("--resume",), "Resume specific session with new prompt."),
    Option(("-v", "--verbose"), "Verbose output.", flag=True),
    Option(("--output-format",), "Output format.", choices=("text", "json", "json-trace")),
)
LIST = Command(
    f"{NAME} session list", "List sessions.", (Option(("--format",), "", choices=("table", "json")),)
)
TOOL_LIST = Command(f"{NAME} tool list", "List tools.", (Option(("-b", "--bundle"), "Bundle to use."),))


def main(argv: Sequence[str]) -> int:
    """Runs the program and returns its exit code."""
    words = list(argv)
    name = words.pop(0) if words else "--help"
    if name == "--help":
        sys.stdout.write(group_help(NAME, "AI-powered modular development platform.", COMMANDS))
        return 0
    if name == "--version":
        sys.stdout.write(f"{NAME}, version {VERSION}\n")
        return 0
    bodies = {"run": _run, "session": _session, "tool": _tool}
    return bodies[name](words) if name in bodies else no_command(NAME, name)


def is_new() -> bool:
    return os.environ.get("AMPLIFIER_STANDIN_CLI", "old") == "new"


def _run(argv: list[str]) -> int:
    options = (*OPTIONS, NEW_OPTION) if is_new() else OPTIONS
    command = Command(f"{NAME} run", "Execute a prompt or start a session.", options, "[PROMPT]")
    if "--help" in argv[: argv.index("--") if "--" in argv else None]:
        sys.stdout.write(command.help())
        return 0
    try:
        given = command.parse(argv)
        if "model" in given and "provider" not in given:
            raise UsageError("--model requires --provider")
    except UsageError as error:
        return command.refuse(error)
    return _single(given)


def _single(given: Given) -> int:
    said = Documents(given.get("output-format", "text"), clean=is_new())
    session = given.get("resume") or given.get("session-id") or str(uuid.uuid4())
    sessions = sessions_folder(Path.cwd())
    # What looks like a sub-session by its id can't be resumed.
    if "resume" in given and ("_" in session or not (sessions / session / "metadata.json").exists()):
        return said.failure(f"Session '{session}' not found", session)
    prompt = given.rest[0] if given.rest else "" if sys.stdin.isatty() else sys.stdin.read()
    if not prompt.strip():
        sys.stdout.write("Error: Prompt required in single mode\n")
        return 1
    request = Request(session, prompt, given, sessions, DEFAULT_BUNDLE)
    return CliTurn(request, said).go()


def _session(argv: list[str]) -> int:
    name = argv[0] if argv else "--help"
    path = f"{NAME} session"
    if name == "--help":
        sys.stdout.write(group_help(path, "Manage sessions.", SESSION_COMMANDS))
        return 0
    if name not in SESSION_COMMANDS:
        return no_command(path, name)
    if name == "list":
        return _list(argv[1:])
    sys.stdout.write(f"{name}: done\n")
    return 0


def _list(argv: list[str]) -> int:
    try:
        LIST.parse(argv)
    except UsageError as error:
        return LIST.refuse(error)
    folder = sessions_folder(Path.cwd())
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        sys.stdout.write(f"{entry.name[:8]}...\n")  # no format shows an id whole
    return 0


def _tool(argv: list[str]) -> int:
    if argv[:1] == ["list"]:
        return _tools(argv[1:])
    if argv[:1] != ["invoke"] or len(argv) < 2:
        return no_command(f"{NAME} tool", argv[0] if argv else "")
    sys.stdout.write(f"Bundle '{DEFAULT_BUNDLE}' prepared successfully\nError: Tool '{argv[1]}' not found\n")
    return 1


def _tools(argv: list[str]) -> int:
    try:
        bundle = TOOL_LIST.parse(argv).get("bundle", DEFAULT_BUNDLE)
    except UsageError as error:
        return TOOL_LIST.refuse(error)
    sys.stdout.write(f"Mounting tools from bundle '{bundle}'...\n")
    try:
        load_bundle(bundle)
    except BundleFailed as error:
        sys.stdout.write(f"Error mounting tools: Failed to load bundle '{bundle}': {error}\n")
        return 1
    sys.stdout.write("".join(f"  {name}\n" for name in TOOLS))
    return 0
