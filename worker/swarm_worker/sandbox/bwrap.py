"""The command line of bubblewrap around one program.

A session gets a root of its own, in which only what is listed is mounted, and its own processes, hostname, IPC and,
if wanted, network. It has no capabilities and can't get any.

Invariant: what hides comes after what shows. bubblewrap mounts in the order of its arguments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_worker.sandbox.visible import (
    READ_ONLY_OF_PROC,
    SECRETS_OF_PROC,
    SMALL_PARTS,
    Binding,
    SandboxView,
    resolver_file,
    secrets_of_etc,
    system_folders,
)
from swarm_worker.storage import private_folder as private

SHELL: Final = "/bin/sh"
SECCOMP_FD: Final = "9"
# The shell opens the filter, since a guard closes all descriptors of a session but its three streams.
WITH_FILTER: Final = f'exec {SECCOMP_FD}<"$1" && shift && exec "$@"'


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """The installed bubblewrap, and what it can do here."""

    path: str
    # Options that older versions do not have.
    options: Sequence[str] = ()
    # The file with the filter of system calls; None where none is known.
    seccomp: Path | None = None


def sandboxed_argv(
    bubblewrap: Bubblewrap, view: SandboxView, argv: Sequence[str], *, cwd: Path, network: bool
) -> Sequence[str]:
    """Returns the command that starts the program in its sandbox."""
    arguments = [
        bubblewrap.path,
        *_namespaces(bubblewrap, network=network),
        *_files(view),
        "--chdir",
        str(cwd),
    ]
    if bubblewrap.seccomp is None:
        return [*arguments, "--", *argv]
    shell = [SHELL, "-c", WITH_FILTER, SHELL, str(bubblewrap.seccomp)]
    return [*shell, *arguments, "--seccomp", SECCOMP_FD, "--", *argv]


def _namespaces(bubblewrap: Bubblewrap, *, network: bool) -> Iterator[str]:
    yield from ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    if not network:
        yield "--unshare-net"
    # Without --die-with-parent, what a session leaves would outlive a guard that is killed.
    yield from ("--die-with-parent", "--hostname", "sandbox", "--cap-drop", "ALL")
    yield from bubblewrap.options


def _files(view: SandboxView) -> Iterator[str]:
    yield from _system()
    for place in ("/tmp", "/var/tmp"):  # noqa: S108  # the session's own
        yield from ("--bind", str(view.private / private.TMP), place)
    yield from ("--bind", str(view.private / private.HOME), str(view.home))
    for binding in view.bindings:
        yield from _bind(binding)
    for folder in view.hidden_folders:
        yield from ("--tmpfs", str(folder))
    for file in (*view.hidden_files, *secrets_of_etc()):
        yield from _hide(file)
    for path in view.shown:
        yield from _bind(Binding(path))
    for folder in view.hidden_folders:
        yield from ("--remount-ro", str(folder))
    yield from ("--remount-ro", "/")


def _system() -> Iterator[str]:
    for folder in system_folders():
        if folder.is_symlink():
            yield from ("--symlink", str(folder.readlink()), str(folder))
        else:
            yield from _bind(Binding(folder))
    yield from _kernel_files()
    yield from ("--dir", "/run", "--symlink", "../run", "/var/run")
    for part in SMALL_PARTS:
        yield from ("--ro-bind-try", str(part), str(part))
    if resolver := resolver_file():
        yield from _bind(Binding(resolver))


def _kernel_files() -> Iterator[str]:
    yield from ("--proc", "/proc", "--dev", "/dev")
    for name in READ_ONLY_OF_PROC:
        yield from ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")
    for name in SECRETS_OF_PROC:
        if (path := Path("/proc", name)).exists():
            yield from _hide(path)


def _hide(path: Path) -> Sequence[str]:
    return ("--tmpfs", str(path)) if path.is_dir() else ("--ro-bind", "/dev/null", str(path))


def _bind(binding: Binding) -> Sequence[str]:
    return ("--bind" if binding.writable else "--ro-bind", str(binding.path), str(binding.path))
