"""Agents and sessions."""

import os
from typing import Any

from fakes.standin.faults import Fault, read_faults
from fakes.standin.ledger import ledger_of, started
from fakes.standin.script import read_scene

from ._errors import AgentError
from ._options import Chosen, choose
from ._records import SessionOptions, TurnInput
from ._storage import SessionStore
from ._turn import LibraryTurn


async def create_agent(options: Any) -> "Agent":
    """Returns a ready agent; raises AgentError."""
    return Agent(choose(options))


class Agent:
    """An agent."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    async def create_session(self, options: SessionOptions) -> "Session":
        return self._open(str(options.session_id), new=True)

    async def resume_session(self, session_id: str) -> "Session":
        return self._open(session_id, new=False)

    async def delete_session(self, session_id: str) -> None:
        SessionStore(self._chosen.sessions, session_id).delete()

    async def close(self) -> None:
        pass

    def _open(self, name: str, *, new: bool) -> "Session":
        store = SessionStore(self._chosen.sessions, name)
        store.open(new=new)
        return Session(self._chosen, store, resumed=not new)


class Session:
    """A session, which notes its start and its end in the ledger of the stand-ins."""

    def __init__(self, chosen: Chosen, store: SessionStore, *, resumed: bool) -> None:
        self._chosen, self._store, self._resumed = chosen, store, resumed
        self._scene, self._ledger = read_scene(os.environ), ledger_of(os.environ)
        self._faults = read_faults(os.environ)
        self._turn: LibraryTurn | None = None
        self._run = -1

    async def start_turn(self, given: TurnInput) -> LibraryTurn:
        if self._turn is not None and not self._turn.ended:
            raise AgentError("busy", "a turn runs", "Wait for it.")
        if self._run < 0:
            self._note_start()
        self._store.prompts.append(given.content[0].text)
        self._turn = LibraryTurn(
            self._chosen,
            self._store,
            self._scene,
            self._faults,
            self._ledger,
            run=self._run,
            resumed=self._resumed,
        )
        self._turn.start()
        return self._turn

    async def close(self) -> None:
        self._ledger.add(event="end", session=self.ours, task=self._scene.task, exit_code=0)
        self._store.close()

    @property
    def ours(self) -> str:
        """The id that the swarm shows."""
        return os.environ.get("SWARM_SESSION_ID", self._store.name)

    def _note_start(self) -> None:
        task, role = self._scene.task, self._scene.role
        self._run = self._ledger.runs(task, role)
        drawn = self._faults.draw(task, role, self._run)
        self._store.fault = self._store.fault if self._resumed and self._store.fault else Fault(drawn).value
        self._ledger.add(
            event="start",
            session=self.ours,
            task=task,
            program="amplifier-agent",
            role=role,
            attempt=self._scene.attempt,
            run=self._run,
            fault=self._store.fault,
            resumed=self._resumed,
            pid=os.getpid(),
            born=started(os.getpid()),
        )
