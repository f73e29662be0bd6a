"""The changes in a project's git work tree. Invariant: git is started only by a GuardedProgram, never by the worker.

A repository's settings can name programs that git runs, and sessions can write these settings. So git runs under a
guard, with the containment of sessions: at its deadline everything that it started is killed. In addition the settings
that name programs are overridden, no protocol may fetch missing objects, and nothing is locked.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from amplifier_swarm.text import one_line

# The output of one command that is kept; the rest is dropped.
OUTPUT_BYTES: Final = 1024 * 1024
REASON_CHARS: Final = 300
# With more uncommitted files than this, older changes are not distinguished from new ones.
MAX_DIRTY: Final = 5_000
SAFE_CONFIG: Final = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.attributesFile=/dev/null"),
    *("-c", "status.submoduleSummary=false", "-c", "protocol.allow=never"),
    # Otherwise diff locks the index, and a session's own git fails at that moment.
    *("-c", "diff.autoRefreshIndex=false"),
)
# The swarm's own state is not a session's work.
PATHSPEC: Final = ("--", ".", ":(exclude).swarm")
STATUS_ARGS: Final = (
    *("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"),
    *("--ignore-submodules=dirty", *PATHSPEC),
)
DIFF_ARGS: Final = (
    *("diff", "--numstat", "-z", "--no-renames", "--relative", "--no-ext-diff", "--no-textconv"),
    "--ignore-submodules=dirty",
)
DUBIOUS_OWNERSHIP: Final = "dubious ownership"
NOT_IN_REPOSITORY: Final = "the project is not in a git repository"

# Performance: one guarded shell for all commands, since a guard costs more than a git (docs/performance.md).
# Each command's output ends with the marker $0 and the exit code; $1 is the commit to compare with, if any. Filters
# (`filter.NAME.clean` and the like) are programs of the repository: each is overridden by the environment.
_SCRIPT: Final = f"""\
set -f
IFS='
'
n=0
for key in $(git config --name-only --get-regexp '^filter\\..*\\.(clean|smudge|process|required)$'); do
    case $key in *.required) value=false ;; *) value= ;; esac
    export "GIT_CONFIG_KEY_$n=$key" "GIT_CONFIG_VALUE_$n=$value"
    n=$((n + 1))
done
export GIT_CONFIG_COUNT=$n
run() {{
    git --no-pager {" ".join(SAFE_CONFIG)} "$@"
    code=$?
    printf '%s%d\\n' "$0" $code
    return $code
}}
run rev-parse --is-inside-work-tree --show-prefix || exit 0
run check-ignore -q . && exit 0
run rev-parse -q --verify 'HEAD^{{commit}}' || run hash-object -t tree --stdin < /dev/null || exit 0
run {" ".join(f"'{arg}'" for arg in STATUS_ARGS)} || exit 0
[ -z "$1" ] || run {" ".join(DIFF_ARGS)} "$1" {" ".join(f"'{arg}'" for arg in PATHSPEC)}
exit 0
"""

# The size and time of a file, None if it is absent: they show whether the file was touched.
Stamp = tuple[int, int] | None


class ProgramEnd(NamedTuple):
    """The end of a guarded program: an error if it did not exit by itself, and the end of its standard error."""

    error: str
    stderr: str


class GuardedProgram(Protocol):
    """A way to run a program under a guard."""

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        timeout_s: float,
        stdout: Callable[[bytes], None],
    ) -> ProgramEnd:
        """Runs the program in the project root until it and all that it started have ended."""


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A work tree at one moment: its commit, and the uncommitted files by their path from the project root."""

    commit: str
    dirty: Mapping[str, Stamp]
    untracked: frozenset[str] = frozenset()
    # True if the list of uncommitted files is not complete.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class NoTree:
    """The reason why git can't read the work tree; `silent` if that is usual, as without a repository."""

    reason: str
    silent: bool = False


@dataclass(frozen=True, slots=True)
class PathChange:
    """A changed file; `added` and `removed` count lines, None for binary files."""

    path: str
    new: bool = False
    gone: bool = False
    added: int | None = None
    removed: int | None = None


@dataclass(frozen=True, slots=True)
class TreeChanges:
    """The difference to an earlier work tree, whose commit is `commit`."""

    commit: str
    paths: tuple[PathChange, ...] = ()
    committed: bool = False
    # True if some changes are missing, or some of these are older than the attempt.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Git:
    """The git commands of one project; `run` starts them."""

    root: Path
    run: GuardedProgram
    timeout_s: float
    env: Mapping[str, str] = field(default_factory=lambda: _environment(os.environ))

    async def work_tree(self) -> WorkTree | NoTree:
        """Reads the work tree."""
        read = await self._read("")
        return read if isinstance(read, NoTree) else read.tree

    async def changes_since(self, before: WorkTree) -> TreeChanges | NoTree:
        """Returns the difference to an earlier work tree."""
        read = await self._read(before.commit)
        if isinstance(read, NoTree):
            return NoTree(read.reason)  # the repository was readable before, so the reason is never usual
        return _compare_trees(self.root, before, read.tree, read.numstat)

    async def _read(self, before: str) -> "_Reading | NoTree":
        if not _has_repository(self.root):
            return NoTree(NOT_IN_REPOSITORY, silent=True)
        marker = f"\x01{os.urandom(16).hex()} "
        sections = Sections(marker.encode())
        argv = ("/bin/sh", "-c", _SCRIPT, marker, before)
        end = await self.run(argv, env=self.env, timeout_s=self.timeout_s, stdout=sections.feed)
        return _parse(self.root, sections.commands, end, diffs=bool(before))


class CommandOutput(NamedTuple):
    """The output of one command, at most OUTPUT_BYTES, and its exit code."""

    output: bytes
    code: int


class Sections:
    """A splitter of the script's output into its commands, in bounded memory."""

    def __init__(self, marker: bytes) -> None:
        self._marker = marker
        self._buffer = bytearray()
        self._kept = bytearray()
        self.commands: list[CommandOutput] = []

    def feed(self, chunk: bytes) -> None:
        """Reads a chunk of the output."""
        self._buffer += chunk
        while (at := self._buffer.find(self._marker)) >= 0:
            end = self._buffer.find(b"\n", at)
            if end < 0:
                return
            self._keep(at)
            code = int(self._buffer[len(self._marker) : end - at])
            del self._buffer[: end - at + 1]
            self.commands.append(CommandOutput(bytes(self._kept), code))
            self._kept.clear()
        self._keep(max(0, len(self._buffer) - len(self._marker)))

    def _keep(self, size: int) -> None:
        """Moves the first bytes of the buffer to the command's output, as far as there is room."""
        self._kept += self._buffer[: min(size, OUTPUT_BYTES - len(self._kept))]
        del self._buffer[:size]


class _Reading(NamedTuple):
    tree: WorkTree
    numstat: bytes


def _parse(
    root: Path, commands: Sequence[CommandOutput], end: ProgramEnd, *, diffs: bool
) -> _Reading | NoTree:
    """Parses the outputs of the script, which stops at the first command that fails."""
    if end.error:
        return NoTree(end.error)
    if len(commands) < 2 or commands[0].code != 0:
        return NoTree(explain(end.stderr))
    inside, _, prefix = commands[0].output.removesuffix(b"\n").partition(b"\n")
    if inside != b"true":
        return NoTree("the project is in a bare repository or in a .git folder, not in a work tree")
    if commands[1].code == 0:
        return NoTree("the project is ignored by the repository around it")
    commits = [command for command in commands[2:4] if _is_hash(command.output)]
    rest = commands[commands.index(commits[0]) + 1 :] if commits else ()
    if len(rest) < 1 + diffs or any(command.code != 0 for command in rest):
        return NoTree(explain(end.stderr))
    commit = os.fsdecode(commits[0].output.removesuffix(b"\n"))
    tree = _parse_status(root, commit, prefix, rest[0].output)
    return _Reading(tree, rest[1].output if diffs else b"")


def _is_hash(output: bytes) -> bool:
    return len(output) in (41, 65) and output.endswith(b"\n") and not output.strip(b"0123456789abcdef\n")


def explain(stderr: str) -> str:
    """Returns git's first error in one line, with the remedy if git distrusts the folder's owner."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:"))]
    text = one_line((errors or lines or ["git failed without a message"])[0], REASON_CHARS)
    text = text.removeprefix("fatal: ").removeprefix("error: ")
    if "git: not found" in text or "git: command not found" in text:
        return "git is not on PATH"
    return f"{text} (see git's setting safe.directory)" if DUBIOUS_OWNERSHIP in text else text


def _has_repository(root: Path) -> bool:
    """Returns whether a `.git` is in the folder or above it, or the folder is a bare repository.

    Performance: without a repository, starting git costs more than starting a session (docs/performance.md).
    """
    folder = root.resolve()
    if any(os.path.lexists(above / ".git") for above in (folder, *folder.parents)):
        return True
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def _environment(own: Mapping[str, str]) -> Mapping[str, str]:
    kept = {name: own[name] for name in ("PATH", "HOME", "TMPDIR") if name in own}
    return {
        **kept,
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        # A partial clone fetches missing objects with a program that its settings name.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
    }


def _parse_status(root: Path, commit: str, prefix: bytes, status: bytes) -> WorkTree:
    """Parses `XY path` entries; a last entry without its NUL was cut off and is dropped."""
    entries = status.split(b"\0")[:-1]
    codes = {os.fsdecode(entry[3:].removeprefix(prefix)): entry[:2] for entry in entries[:MAX_DIRTY]}
    return WorkTree(
        commit,
        {path: _read_stamp(root / path) for path in codes},
        frozenset(path for path, code in codes.items() if code == b"??"),
        cut=len(entries) > MAX_DIRTY or len(status) == OUTPUT_BYTES,
    )


def _compare_trees(root: Path, before: WorkTree, now: WorkTree, numstat: bytes) -> TreeChanges:
    """Returns all paths that git lists, except those whose uncommitted change is older."""
    committed = before.commit != now.commit
    changes = (change for change in map(_parse_numstat, numstat.split(b"\0")[:-1]) if change is not None)
    # diff also lists files with a new time and the old content; status does not.
    found = {change.path: change for change in changes if committed or change.path in now.dirty}
    found |= {path: PathChange(path, new=True) for path in now.untracked}
    # A file that was uncommitted before and is not listed now has been reverted or removed.
    found |= {path: PathChange(path) for path in before.dirty if path not in found and path not in now.dirty}
    paths = []
    for path, change in sorted(found.items()):
        stamp = _read_stamp(root / path)
        if path in before.dirty and before.dirty[path] == stamp:
            continue
        paths.append(
            PathChange(
                path, change.new and path not in before.dirty, stamp is None, change.added, change.removed
            )
        )
    cut = before.cut or now.cut or len(numstat) == OUTPUT_BYTES
    return TreeChanges(before.commit, tuple(paths), committed=committed, cut=cut)


def _parse_numstat(entry: bytes) -> PathChange | None:
    """Parses `added TAB removed TAB path`; both counts are `-` for a binary file."""
    parts: Sequence[bytes] = entry.split(b"\t", 2)
    if len(parts) != 3:
        return None
    added, removed = (int(part) if part.isdigit() else None for part in parts[:2])
    return PathChange(os.fsdecode(parts[2]), added=added, removed=removed)


def _read_stamp(path: Path) -> Stamp:
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns
