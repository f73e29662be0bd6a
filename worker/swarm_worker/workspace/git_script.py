"""The shell script of the worker's git commands, and its output.

Invariant: the script overrides each setting of the repository that names a program, and nothing in it is locked.
"""

from typing import Final, NamedTuple

from amplifier_swarm.text import one_line
from swarm_worker.workspace.git_safety import SAFE_CONFIG

# The output of one command that is kept; the rest is dropped.
OUTPUT_BYTES: Final = 1024 * 1024
REASON_CHARS: Final = 300
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
SCRIPT: Final = f"""\
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

    def append(self, chunk: bytes) -> None:
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


def explain(stderr: str) -> str:
    """Returns git's first error in one line, with the remedy if git distrusts the folder's owner."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:"))]
    text = one_line((errors or lines or ["git failed without a message"])[0], REASON_CHARS)
    text = text.removeprefix("fatal: ").removeprefix("error: ")
    if "git: not found" in text or "git: command not found" in text:
        return "git is not on PATH"
    return f"{text} (see git's setting safe.directory)" if DUBIOUS_OWNERSHIP in text else text
