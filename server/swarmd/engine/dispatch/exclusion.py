"""The use of exclusive names and files, as one round of assignment sees it.

Invariant: a task is admitted only if every name that it needs has room and no file of it overlaps one in use, with
what the round has already given away counted.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from swarmd.domain.budget import NOTHING, Spent
from swarmd.domain.definition import TaskDefinition
from swarmd.domain.exclusive import Needs, folders_of, needs_of
from swarmd.domain.model import Task, TaskKey, WorkerIdentity
from swarmd.domain.placement import runs_in_clone
from swarmd.store import exclusive_names
from swarmd.store.exclusive_names import Room
from swarmd.store.reads import views
from swarmd.store.task_records import ReadyTask
from swarmd.store.transaction import ReadTx

# A round puts at most this many tasks aside, each of which costs a read and a write; the next round goes on.
MAX_WAITS: Final = 256


class Admission(NamedTuple):
    """A task that may be claimed, with the names and files that its attempt will hold."""

    task: Task
    # None if it was not read.
    definition: TaskDefinition | None
    names: Sequence[str]
    # A person has answered or noted something.
    told: bool = False
    # What its attempt may need of the budgets that it shares.
    reserved: Spent = NOTHING


class Wait(NamedTuple):
    """A task that is put aside until the name has room."""

    key: TaskKey
    name: str


class Blocker(NamedTuple):
    """A name or file that keeps a task from being claimed; its key is 0 if the store does not know it yet."""

    name: str
    key: int


def needs_files(definition: TaskDefinition, worker: WorkerIdentity, *, exclusive_files: bool) -> bool:
    """Returns whether the task would share its files with other tasks at that worker."""
    return exclusive_files or not runs_in_clone(definition, worker)


class Exclusion:
    """The names and files that claims of this round may still use, and the tasks that must wait for them."""

    def __init__(self, tx: ReadTx, *, exclusive_files: bool) -> None:
        """With `exclusive_files`, the files of tasks in clones count too."""
        self._tx = tx
        self._exclusive_files = exclusive_files
        self._rooms: dict[str, Room] = {}
        # The files that this round has given away or met in use, and for each folder around them one such file.
        self._files: set[str] = set()
        self._in_folder: dict[str, str] = {}
        self._keys: dict[str, int] = {}
        self.waits: list[Wait] = []

    @property
    def exhausted(self) -> bool:
        """Returns whether the round may put no more tasks aside."""
        return len(self.waits) >= MAX_WAITS

    def admit(self, found: ReadyTask, worker: WorkerIdentity) -> Admission | Blocker:
        """Admits the task for that worker, or returns what it has to wait for."""
        if not found.exclusive:
            return Admission(found.task, None, (), told=found.told)
        definition = views.claimed_definition(self._tx, found.task)
        with_files = needs_files(definition, worker, exclusive_files=self._exclusive_files)
        needs = needs_of(definition, with_files=with_files)
        blocker = self._blocker(needs)
        if blocker is not None:
            return blocker
        self._take(needs)
        return Admission(found.task, definition, (*needs.names, *needs.files), told=found.told)

    def put_aside(self, found: ReadyTask, blocker: Blocker) -> None:
        """Notes that the task has to wait for the blocker."""
        self.waits.append(Wait(found.task.key, blocker.name))

    def _blocker(self, needs: Needs) -> Blocker | None:
        for name in needs.names:
            room = self._rooms.get(name)
            if room is None:
                room = self._rooms[name] = exclusive_names.room(self._tx, name)
            if room.room <= 0:
                return Blocker(name, room.key)
        for path in needs.files:
            if (taken := self._overlapping(path)) is not None:
                return Blocker(taken, self._key_of(taken))
        held = exclusive_names.overlapping(self._tx, needs.files, limit=1) if needs.files else []
        if not held:
            return None
        self._use(held[0])
        return Blocker(held[0], self._key_of(held[0]))

    def _key_of(self, path: str) -> int:
        if path not in self._keys:
            self._keys[path] = exclusive_names.key_of(self._tx, path)
        return self._keys[path]

    def _overlapping(self, path: str) -> str | None:
        """Returns a file in use that is the path, is in it, or holds it, as far as this round has met it."""
        around = (path, *folders_of(path))
        return self._in_folder.get(path) or next((name for name in around if name in self._files), None)

    def _take(self, needs: Needs) -> None:
        for name in needs.names:
            key, room = self._rooms[name]
            self._rooms[name] = Room(key, room - 1)
        for path in needs.files:
            self._use(path)

    def _use(self, path: str) -> None:
        self._files.add(path)
        self._in_folder.update(dict.fromkeys(folders_of(path), path))
