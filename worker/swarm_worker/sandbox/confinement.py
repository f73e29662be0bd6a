"""The confinement of one attempt: the sandbox and the limits in which its sessions, checks and commands run.

Invariant: everything that a task brings runs in the same confinement: builder, validator, checks and `setup:`. The
worker's own git on a clone stays outside; it obeys no setting that a session could write.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from swarm_worker.domain.sandbox import NO_LIMITS, Resource, ResourceLimits
from swarm_worker.guard.containers import SessionContainer
from swarm_worker.sandbox.bwrap import Bubblewrap, sandboxed_argv
from swarm_worker.sandbox.container import (
    ContainerRuntime,
    ContainerSettings,
    client_env,
    contained_argv,
    container_name,
)
from swarm_worker.sandbox.visible import Binding, SandboxView, folders_on_path, is_visible, program_paths
from swarm_worker.storage import private_folder as private
from swarm_worker.supervision.hidden_paths import NOTHING_HIDDEN
from swarm_worker.supervision.model import Launch

# A session's home folder where its environment names none.
NO_HOME: Final = "/var/home"
# The session's own, each below its private folder.
PLACES_OF_TMP: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108
# What git starts by itself, and the settings that name such programs.
GUARDED_IN_GIT: Final = ("hooks", "config")


@dataclass(frozen=True, slots=True)
class Confinement:
    """The sandbox and the limits of an attempt; without a sandbox, only the limits hold."""

    limits: ResourceLimits = NO_LIMITS
    # None without a sandbox.
    bubblewrap: Bubblewrap | None = None
    # In place of bubblewrap.
    container: ContainerRuntime | None = None
    network: bool = True
    # What the runner and the operator add to what is visible.
    bindings: Sequence[Binding] = ()
    # What is bound again on top of the workspace; see guarded_git.
    guarded: Sequence[Binding] = ()
    workspace: Path = Path("/")
    # Returns the folders from which the workspace's git borrows objects.
    borrowed: Callable[[], Sequence[Path]] = tuple

    def within(self, workspace: Path, borrowed: Callable[[], Sequence[Path]]) -> "Confinement":
        """Returns the confinement for a workspace; what guards a repository holds for that repository alone."""
        guarded = [each for each in self.guarded if each.path.is_relative_to(workspace)]
        return replace(self, workspace=workspace, borrowed=borrowed, guarded=guarded)

    def confine(self, launch: Launch, folder: Path) -> Launch:
        """Returns the launch in its confinement; `folder` becomes its private folder if there is a sandbox.

        Raises:
            OSError: the private folder can't be made.
        """
        launch = replace(launch, limits=self.limits)
        if self.bubblewrap is None and self.container is None:
            return launch
        private.make_private(folder)
        view = self._view(launch, folder)
        _clear_mount_points(view)
        if self.container is not None:
            return self._contained(self.container, launch, view)
        assert self.bubblewrap is not None
        argv = sandboxed_argv(self.bubblewrap, view, launch.argv, cwd=launch.cwd, network=self.network)
        env = {**launch.env, "HOME": str(view.home), "TMPDIR": str(PLACES_OF_TMP[0])}
        return replace(launch, argv=argv, env=env, hidden=NOTHING_HIDDEN, reads=(), wrapped=True)

    def _contained(self, runtime: ContainerRuntime, launch: Launch, view: SandboxView) -> Launch:
        settings = ContainerSettings(
            container_name(launch.env), launch.cwd, self.network, launch.env, launch.umask, self.limits
        )
        # Processors are given out more slowly; that limit is never reached.
        limited = [each.value for each in (Resource.MEMORY, Resource.PIDS) if self.limits.limit_of(each)]
        container = SessionContainer(settings.name, list(runtime.program), limited)
        argv = contained_argv(runtime, view, launch.argv, settings)
        env = client_env(launch.env, os.environ)
        return replace(
            launch, argv=argv, env=env, hidden=NOTHING_HIDDEN, reads=(), wrapped=True, container=container
        )

    def _view(self, launch: Launch, folder: Path) -> SandboxView:
        home = home_of(launch.env)
        bindings = list(self._bindings(launch, home))

        def shows(hidden: Path) -> bool:
            return is_visible(hidden) or any(hidden.is_relative_to(each.path) for each in bindings)

        return SandboxView(
            private=folder,
            home=home,
            bindings=bindings,
            hidden_folders=[each for each in launch.hidden.folders if shows(each)],
            hidden_files=[each for each in launch.hidden.files if shows(each)],
            shown=[each for each in (*launch.hidden.kept, *launch.reads) if each.exists()],
        )

    def _bindings(self, launch: Launch, home: Path) -> Iterator[Binding]:
        path = launch.env.get("PATH", os.defpath)
        on_path = folders_on_path(path, home, self._is_trusted)
        programs = [
            place
            for program in (launch.argv[0], *launch.programs)
            for place in program_paths(program, path=path, home=home, trusted=self._is_trusted)
        ]
        places = {each for each in (*on_path, *programs) if self._is_trusted(each)}
        for each in sorted(places):
            # A link in a folder that is shown can't be a mount point: its end may not be there yet.
            if not is_visible(each) and places.isdisjoint(each.parents):
                yield Binding(each)
        yield from self.bindings
        yield Binding(self.workspace, writable=True)
        yield from self.guarded
        for each in self.borrowed():
            yield Binding(each)

    def _is_trusted(self, place: Path) -> bool:
        """Returns whether no session can write there, so that the place may decide what is visible."""
        writable = (self.workspace, *(each.path for each in self.bindings if each.writable))
        return not any(place.is_relative_to(each) for each in writable)


NOT_CONFINED: Final = Confinement()


def home_of(env: Mapping[str, str]) -> Path:
    """Returns the home folder that sessions with that environment see."""
    home = env.get("HOME", "")
    return Path(home) if home.startswith("/") and home != "/" else Path(NO_HOME)


def guarded_git(project_root: Path) -> Iterator[Binding]:
    """Yields what keeps sessions of a shared workspace from planting programs in the user's own repository.

    To be called before the first session, which could put a link in the place of the folder. The folder is bound to
    itself, so that no session can move it.
    """
    git = project_root / ".git"
    if git.is_symlink() or not git.is_dir():
        return
    yield Binding(git, writable=True)
    with contextlib.suppress(
        OSError
    ):  # a repository without the folder gets an empty one, as `git init` makes it
        (git / "hooks").mkdir(exist_ok=True)
    for name in GUARDED_IN_GIT:
        if (git / name).exists() and not (git / name).is_symlink():
            yield Binding(git / name)


def _clear_mount_points(view: SandboxView) -> None:
    """Makes way for what is mounted inside of the private folder."""
    mounted = [view.home, *(each.path for each in view.bindings), *view.shown]
    private_places = ((view.home, private.HOME), *((place, private.TMP) for place in PLACES_OF_TMP))
    for place, part in private_places:
        for path in mounted:
            if path.is_relative_to(place) and path != place:
                is_folder = path == view.home or path.is_dir()
                private.clear_mount_point(view.private / part, path.relative_to(place), folder=is_folder)
