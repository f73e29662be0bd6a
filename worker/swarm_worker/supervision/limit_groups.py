"""Limits of sessions by control groups: what this machine lets the worker limit, and the groups of one session.

Invariant: a limit counts as enforceable only if a group with that limit was made a moment ago. Limits of the kernel
for single processes or for all processes of a user (`prlimit`) say nothing about one session, so they never count.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from swarm_worker.domain.sandbox import NO_LIMITS, Resource, ResourceLimits
from swarm_worker.guard.containment import own_cgroup, worker_group
from swarm_worker.guard.limit_groups import EVENTS_1, EVENTS_2, LimitGroup, make_groups, remove_groups

PERIOD_US: Final = 100_000
PROBE_LIMITS: Final = {
    Resource.MEMORY: ResourceLimits(memory_bytes=64 * 1024**2),
    Resource.CPUS: ResourceLimits(cpus=0.5),
    Resource.PIDS: ResourceLimits(pids=64),
}
# The limit that a group of version 1 has which has none.
UNLIMITED_BYTES: Final = 2**62
CONTROLLERS: Final = {Resource.MEMORY: "memory", Resource.CPUS: "cpu", Resource.PIDS: "pids"}


class ResourceFiles(NamedTuple):
    """The files of a group that set one limit, and the count of times that the limit was reached."""

    settings: Callable[[ResourceLimits], Sequence[tuple[str, str]]]
    # File and word; empty if the limit slows down and is never reached.
    event: tuple[str, str] | None = None


_PIDS: Final = ResourceFiles(lambda limits: (("pids.max", str(limits.pids)),), EVENTS_2["pids"])
# The files of both versions of control groups.
FILES_1: Final[Mapping[Resource, ResourceFiles]] = {
    Resource.MEMORY: ResourceFiles(
        lambda limits: (
            ("memory.limit_in_bytes", str(limits.memory_bytes)),
            ("memory.memsw.limit_in_bytes", str(limits.memory_bytes)),
        ),
        EVENTS_1["memory"],
    ),
    Resource.CPUS: ResourceFiles(
        lambda limits: (("cpu.cfs_period_us", str(PERIOD_US)), ("cpu.cfs_quota_us", str(_quota_us(limits))))
    ),
    Resource.PIDS: _PIDS,
}
FILES_2: Final[Mapping[Resource, ResourceFiles]] = {
    Resource.MEMORY: ResourceFiles(
        lambda limits: (
            ("memory.max", str(limits.memory_bytes)),
            ("memory.swap.max", "0"),
            ("memory.oom.group", "1"),
        ),
        EVENTS_2["memory"],
    ),
    Resource.CPUS: ResourceFiles(lambda limits: (("cpu.max", f"{_quota_us(limits)} {PERIOD_US}"),)),
    Resource.PIDS: _PIDS,
}


@dataclass(frozen=True, slots=True)
class LimitGroups:
    """The folders in which a worker makes groups with limits, by resource; none for what it can't limit."""

    parents: Mapping[Resource, str] = field(default_factory=dict)
    files: Mapping[Resource, ResourceFiles] = field(default_factory=dict)
    # The size of the machine, or of the group that the worker itself is in.
    highest: ResourceLimits = NO_LIMITS
    # Why the resources that are not in `parents` can't be limited.
    reason: str = ""

    def groups(self, name: str, limits: ResourceLimits) -> list[LimitGroup]:
        """Returns the groups of one session with those limits; resources without a limit have none.

        Raises:
            ValueError: a limit can't be enforced.
        """
        found: dict[str, LimitGroup] = {}
        for resource in Resource:
            if not limits.limit_of(resource):
                continue
            if resource not in self.parents:
                raise ValueError(f"{resource} can't be limited here: {self.reason}")
            folder, files = f"{self.parents[resource]}/{name}", self.files[resource]
            group = found.get(folder, LimitGroup(folder, (), ()))
            events = [] if files.event is None else [(resource.value, *files.event)]
            settings = [*group.settings, *_existing(self.parents[resource], files.settings(limits))]
            found[folder] = LimitGroup(folder, settings, [*group.events, *events])
        return list(found.values())


NO_LIMIT_GROUPS: Final = LimitGroups(reason="this worker enforces no limits")


def find_limit_groups() -> LimitGroups:
    """Returns what the worker can limit, proven by a group that is made and removed."""
    found = _version_2()
    if len(found.parents) < len(Resource):
        older = _version_1()
        found = older if len(older.parents) > len(found.parents) else found
    return found


def _version_2() -> LimitGroups:
    folder = own_cgroup()
    if not folder:
        return LimitGroups(reason="the worker may not make control groups below its own (Delegate=yes)")
    reason = _enable_controllers(folder)
    parents = dict.fromkeys(Resource, folder)
    return _proven(LimitGroups(parents, FILES_2, reason=reason))


def _enable_controllers(folder: str) -> str:
    """Lets the groups below have limits, for which no process may be in the group itself; returns why not."""
    wanted = set(CONTROLLERS.values()) & set(_read(f"{folder}/cgroup.controllers").split())
    missing = wanted - set(_read(f"{folder}/cgroup.subtree_control").split())
    if not wanted:
        return f"no controller is delegated to {folder} (Delegate=yes)"
    if not missing:
        return ""
    own = f"{folder}/{worker_group()}"
    try:
        os.mkdir(own)  # noqa: PTH102  # as in the guard
        _write(f"{own}/cgroup.procs", str(os.getpid()))
        _write(f"{folder}/cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(missing)))
    except OSError as error:
        with contextlib.suppress(OSError):
            _write(f"{folder}/cgroup.procs", str(os.getpid()))
            os.rmdir(own)  # noqa: PTH106  # as above
        return (
            f"other processes are in {folder} ({error.strerror}); give the worker a unit or scope of its own"
        )
    return ""


def _version_1() -> LimitGroups:
    """Returns the groups of version 1, which only root may make."""
    folders = dict(_folders_1())
    parents = {resource: folders[name] for resource, name in CONTROLLERS.items() if name in folders}
    return _proven(LimitGroups(parents, FILES_1, reason="this machine has no control groups that it may use"))


def _folders_1() -> Iterator[tuple[str, str]]:
    """Yields the controllers of version 1, each with the folder of this process's group."""
    paths = {}
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    for line in _read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mount = before.split()[3:5]
        for name in options.split(",") if kind == "cgroup" else ():
            if name in paths:
                yield name, os.path.normpath(mount + paths[name].removeprefix(root.rstrip("/")))


def _proven(found: LimitGroups) -> LimitGroups:
    """Leaves out what can't be limited, by trying each resource alone."""
    parents, reason = {}, found.reason
    for resource, folder in found.parents.items():
        groups = found.groups(f"swarm-probe-{os.getpid()}", PROBE_LIMITS[resource])
        try:
            make_groups(groups)
        except OSError as error:
            reason = reason or f"{resource} in {folder}: {error.strerror or error}"
        else:
            parents[resource] = folder
        finally:
            remove_groups(groups)
    files = {resource: found.files[resource] for resource in parents}
    return LimitGroups(parents, files, _highest(parents), reason)


def machine_size() -> ResourceLimits:
    """Returns the memory, the processors and the processes that the machine has."""
    return ResourceLimits(
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        float(len(os.sched_getaffinity(0))),
        int(_read("/proc/sys/kernel/pid_max") or 0),
    )


def _highest(parents: Mapping[Resource, str]) -> ResourceLimits:
    """Returns the size of the machine, or the limits of the groups that the worker is in, if they are lower."""
    highest = machine_size()
    names = {Resource.MEMORY: ("memory.max", "memory.limit_in_bytes"), Resource.PIDS: ("pids.max",)}
    known = {}
    for resource, folder in parents.items():
        texts = [_read(f"{folder}/{name}").strip() for name in names.get(resource, ())]
        own = [int(text) for text in texts if text.isdigit() and int(text) < UNLIMITED_BYTES]
        known[resource] = min([highest.limit_of(resource), *own])
    memory, cpus, pids = (known.get(resource, 0) for resource in Resource)
    return ResourceLimits(int(memory), float(cpus), int(pids))


def _existing(folder: str, settings: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Leaves out files that the kernel has not: limits of swap, where there is none."""
    for number, (name, text) in enumerate(settings):
        if number == 0 or os.path.exists(f"{folder}/{name}"):  # noqa: PTH110  # as in the guard
            yield name, text


def _quota_us(limits: ResourceLimits) -> int:
    return max(1_000, round(limits.cpus * PERIOD_US))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # as in the guard
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123  # as in the guard
        file.write(text)
