"""The worker's settings: every flag of `swarm-worker`, its variable, its default and its bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.fingerprint import fingerprint
from amplifier_swarm.old_state import worker_state
from amplifier_swarm.settings import integer, number, path, read_settings, setting
from amplifier_swarm.sizes import parse_bytes
from amplifier_swarm.state_paths import STATE, project_state
from amplifier_swarm.vocabulary import ContainmentName, RunnerName, SandboxName, WorkspaceName
from swarm_worker.domain.names import is_worker_name
from swarm_worker.domain.types import Role
from swarm_worker.workspace.ref_names import is_branch_name

PROGRAM: Final = "swarm-worker"
DAY_S: Final = 86_400.0
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


def worker_name(text: str) -> str:
    """Parses a worker's name."""
    if not is_worker_name(text):
        raise ValueError("letters, digits, . _ - only, at most 128, starting with a letter or digit")
    return text


def label(text: str) -> tuple[str, str]:
    """Parses `K=V` into its two parts."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError("expected KEY=VALUE")
    return key, value


def variable(text: str) -> str:
    """Parses the name of a variable for sessions; refuses the swarm's own, which sessions never get."""
    if not text.replace("_", "a").isalnum() or text.upper().startswith("SWARM"):
        raise ValueError("not the name of a variable that a session may have")
    return text


def branch(text: str) -> str:
    """Checks the name of a branch by the rules of git, without `refs/heads/`."""
    name = text.removeprefix("refs/heads/")
    if not is_branch_name(name):
        raise ValueError("not the name of a branch")
    return name


class FoundConfig(NamedTuple):
    """The configuration with the folders to use, and a line for the user if old state was found."""

    config: "WorkerConfig"
    note: str = ""


def umask(text: str) -> str:
    """Checks a umask in octal."""
    if not text or len(text) > 4 or set(text) - set("01234567") or int(text, 8) > 0o777:
        raise ValueError("expected an octal number from 000 to 777, such as 022")
    return text


def memory_size(text: str) -> int:
    """Parses a size in bytes, such as `4G`, of at least 16 MiB."""
    size = parse_bytes(text)
    if size is None or not 16 * 1024**2 <= size <= 1024**5:
        raise ValueError("expected a size from 16M to 1024T, such as 512M or 4G")
    return size


def sandbox_path(text: str) -> str:
    """Checks `PATH` or `PATH:rw`."""
    path = Path(text.removesuffix(":rw")).expanduser()
    if not path.is_absolute():
        raise ValueError("expected an absolute path, with :rw behind it if sessions may write there")
    return text


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The settings of a worker; each field is a flag and a variable."""

    server: str = setting("", "the swarmd to work for", metavar="HOST:PORT", env="SWARM_SERVER")
    name: str = setting(
        "", "its name, stable over restarts; default: the host and a number", parse=worker_name, metavar="ID"
    )
    slots: int = setting(1, "how many tasks it runs at once", parse=integer(1, 1024), metavar="N")
    project_root: Path = setting(Path(), "the folder that sessions work in", parse=path, metavar="DIR")
    workspace: str = setting(
        WorkspaceName.AUTO.value,
        "where a task's sessions work: the project root, or a git clone for each task",
        choices=tuple(WorkspaceName),
    )
    repo: str = setting("", "the repository to clone, in place of --project-root", metavar="URL")
    target: str = setting(
        "",
        "the branch on which work lands; default: swarm/ and the branch that is checked out",
        parse=branch,
        metavar="BRANCH",
    )
    session_push: bool = setting(False, "let sessions push to the repository from their clones")
    keep_failed: float = setting(
        3.0, "days that the workspace of a task that did not land is kept", parse=number(0, 3650), metavar="D"
    )
    min_free_disk: float = setting(
        2.0, "GiB that must be free on the disk of the workspaces", parse=number(0, 1_000_000), metavar="G"
    )
    runner: str = setting(RunnerName.AUTO.value, "what drives the sessions", choices=tuple(RunnerName))
    builder_agent: str = setting("foundation:modular-builder", "persona of builders", metavar="AGENT")
    validator_agent: str = setting("foundation:zen-architect", "persona of validators", metavar="AGENT")
    allow_rehearsal: bool = setting(
        False, "let --runner embedded rehearse in a swarm that has done real work"
    )
    no_validation: bool = setting(False, "take a builder's work as it is, whatever a task asks for")
    builder_command: str = setting("", "what --runner command starts as a builder", metavar="ARGV")
    validator_command: str = setting("", "what --runner command starts as a validator", metavar="ARGV")
    builder_config: Path | None = setting(
        None, "the host configuration of builders, for --runner amplifier-agent", parse=path, metavar="F"
    )
    validator_config: Path | None = setting(
        None, "the host configuration of validators, for --runner amplifier-agent", parse=path, metavar="F"
    )
    agent_python: str = setting(
        "", "the Python that has the library amplifier_agent, for --runner amplifier-agent", metavar="PATH"
    )
    bundle: str = setting("", "the bundle of every session, for --runner amplifier", metavar="BUNDLE")
    validator_bundle: str = setting(
        "", "the bundle of validators, for --runner amplifier; default: that of --bundle", metavar="BUNDLE"
    )
    builder_timeout: float = setting(
        3600.0, "seconds that a builder may run", parse=number(1, 7 * DAY_S), metavar="S"
    )
    validator_timeout: float = setting(
        1800.0, "seconds that a validator may run", parse=number(1, 7 * DAY_S), metavar="S"
    )
    stall_timeout: float = setting(
        900.0, "seconds that a session may be silent; 0 for no limit", parse=number(0, 7 * DAY_S), metavar="S"
    )
    check_timeout: float = setting(
        1800.0, "seconds that each check of a task may run", parse=number(1, 7 * DAY_S), metavar="S"
    )
    kill_grace: float = setting(
        5.0, "seconds from SIGTERM to SIGKILL when sessions are ended", parse=number(0, 600), metavar="S"
    )
    label: tuple[tuple[str, str], ...] = setting(
        (), "a label that tasks can require; may be repeated", parse=label, metavar="K=V"
    )
    pass_env: tuple[str, ...] = setting(
        (),
        "a variable, such as a provider's key, that sessions get too; may be repeated",
        parse=variable,
        metavar="NAME",
    )
    prompts: Path | None = setting(
        None,
        "the folder of the project's own prompts; default: its .swarm/prompts",
        parse=path,
        metavar="DIR",
    )
    accept_prompts: str = setting(
        "", "the digest of own prompts that are accepted at any age", metavar="DIGEST"
    )
    containment: str = setting(
        ContainmentName.AUTO.value,
        "what holds a session's processes together",
        choices=tuple(ContainmentName),
    )
    sandbox: str = setting(
        SandboxName.AUTO.value,
        "the sandbox of sessions: for tasks that ask for it, for none, or for all",
        choices=tuple(SandboxName),
    )
    sandbox_bind: tuple[str, ...] = setting(
        (),
        "a file or folder that sandboxed sessions see too, with :rw to write there; may be repeated",
        parse=sandbox_path,
        metavar="PATH[:rw]",
    )
    sandbox_image: str = setting(
        "", "the image of --sandbox container, which must be on this machine", metavar="IMAGE"
    )
    sandbox_runtime: str = setting(
        "podman", "podman, its options, and behind the word run options of each run", metavar="ARGV"
    )
    limit_memory: int = setting(
        0, "memory of each session with all that it starts, such as 4G", parse=memory_size, metavar="SIZE"
    )
    limit_cpus: float = setting(
        0.0, "processors that each session may use", parse=number(0.01, 1024), metavar="N"
    )
    limit_pids: int = setting(
        0, "processes and threads of each session", parse=integer(8, 4_194_304), metavar="N"
    )
    session_umask: str = setting(
        "022", "the umask of sessions and checks, in octal", parse=umask, metavar="MASK"
    )
    check: bool = setting(
        False, "test what sessions need here without asking a model, print what was proven, and exit"
    )
    ask: bool = setting(False, "with --check: ask the model for one word in a session of each role")
    list_workspaces: bool = setting(False, "print the clones on this machine as JSON lines, and exit")
    remove_workspaces: bool = setting(
        False, "remove the clones whose work is safe elsewhere, print all as JSON lines, and exit"
    )
    exit_when_done: bool = setting(False, "exit when nothing is left to do in the swarm")
    drain_deadline: float = setting(
        0.0,
        "seconds that sessions may run on after SIGTERM, before they are ended; 0 for no limit",
        parse=number(0, 7 * DAY_S),
        metavar="S",
    )
    exit_when_idle: float = setting(
        0.0,
        "exit after this many seconds without a task; 0 for never",
        parse=number(0, 7 * DAY_S),
        metavar="S",
    )
    state_dir: Path = setting(
        STATE / "worker", "where it keeps its locks and its outbox", parse=path, metavar="DIR"
    )
    token_file: Path | None = setting(
        None, "the file with the token", parse=path, metavar="F", env="SWARM_TOKEN_FILE"
    )
    tls_ca: Path | None = setting(
        None, "the CA that signed the server's certificate", parse=path, metavar="F", env="SWARM_TLS_CA"
    )
    tls_ca_fingerprint: str = setting(
        "", "the SHA-256 of the CA's certificate, in place of its file or beside it", parse=fingerprint,
        metavar="sha256:HEX", env="SWARM_TLS_CA_FINGERPRINT",
    )  # fmt: skip
    tls_cert: Path | None = setting(None, "its own certificate", parse=path, metavar="F")
    tls_key: Path | None = setting(None, "the key of that certificate", parse=path, metavar="F")
    log_format: Literal["text", "json"] = setting("text", "how it logs", choices=("text", "json"))
    log_level: str = setting("info", "what it logs", choices=LOG_LEVELS)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Returns the roles whose sessions the worker starts."""
        return (Role.BUILDER,) if self.no_validation else tuple(Role)

    @property
    def lists_workspaces(self) -> bool:
        """Returns whether the program lists or removes clones, and runs no worker."""
        return self.list_workspaces or self.remove_workspaces


def read_config(argv: Sequence[str], *, version: str) -> WorkerConfig:
    """Reads flags and environment; raises ProgramExit with one line for a wrong value."""
    config = read_settings(
        WorkerConfig,
        program=PROGRAM,
        prefix="SWARM_WORKER",
        summary="Claims tasks from a swarmd and runs their sessions.",
        version=version,
        argv=argv,
    )
    if not config.server and not (config.check or config.lists_workspaces):
        raise ProgramExit(ExitCode.USAGE, "--server is missing", hint=f"see {PROGRAM} --help")
    if config.ask and not config.check:
        raise ProgramExit(ExitCode.USAGE, "--ask goes with --check", hint="add --check, or leave --ask out")
    if (config.sandbox == SandboxName.CONTAINER) != bool(config.sandbox_image):
        text = "--sandbox container and --sandbox-image go together"
        raise ProgramExit(ExitCode.USAGE, text, hint="give both or neither")
    if (config.tls_cert is None) != (config.tls_key is None):
        raise ProgramExit(ExitCode.USAGE, "--tls-cert and --tls-key go together", hint="give both or neither")
    if config.repo and config.workspace == WorkspaceName.SHARED:
        raise ProgramExit(
            ExitCode.USAGE, "--repo needs clones", hint="leave --workspace out, or pass --workspace clone"
        )
    return config


def with_state_dir(config: WorkerConfig) -> FoundConfig:
    """Replaces a default state folder by that of the project, and moves there what an earlier version left."""
    if not config.state_dir.is_relative_to(STATE):
        return FoundConfig(config)
    found = project_state(config.project_root)
    if config.check or config.lists_workspaces:
        return FoundConfig(replace(config, state_dir=found.path(config.state_dir)))
    moved = worker_state(found)
    return FoundConfig(replace(config, state_dir=moved.state.path(config.state_dir)), moved.note)
