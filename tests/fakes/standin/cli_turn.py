"""A turn of the `amplifier` CLI."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from .argv import Given
from .documents import Documents
from .events import EventsView
from .faults import Fault, read_faults
from .home import ColdRace, Home, cold_s
from .ledger import ledger_of
from .play import EngineDied, ProviderFailed, Turn
from .script import read_scene

NAME = "amplifier"
BUNDLES = ("anchors", "foundation", "mine")


class BundleFailed(Exception):
    """An error for a bundle that is unknown, or that two processes load at once into a cold cache."""


def load_bundle(name: str) -> None:
    """Fills the cache if it is cold; raises BundleFailed."""
    if name not in BUNDLES:
        raise BundleFailed(f"Bundle '{name}' not found")
    try:
        Home(Path.home() / ".amplifier").warm(cold_s(os.environ))
    except ColdRace as error:
        raise BundleFailed(str(error)) from error


@dataclass(frozen=True, slots=True)
class Request:
    """The parsed request of a turn."""

    session: str
    prompt: str
    given: Given
    sessions: Path
    default_bundle: str

    @property
    def metadata(self) -> dict[str, str]:
        """Returns the stored metadata of the session, empty for a new one."""
        path = self.sessions / self.session / "metadata.json"
        found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return found

    @property
    def bundle(self) -> str:
        """Returns the bundle from the call, else from the session, else the default."""
        kept = self.metadata.get("bundle", "").removeprefix("bundle:")
        return self.given.get("bundle") or kept or self.default_bundle

    @property
    def resumes(self) -> Fault | None:
        """Returns the fault of the resumed turn; None if the session is new."""
        began = (self.sessions / self.session / "transcript.jsonl").exists()
        return Fault(self.metadata.get("standin_fault", Fault.NONE)) if began else None


class CliTurn:
    """A turn that runs to its end; after a SIGINT it asks for no further answer."""

    def __init__(self, request: Request, said: Documents) -> None:
        self._request, self._said = request, said
        given = request.given
        model = given.get("model", "claude-sonnet-5")
        self._view = EventsView(
            request.sessions,
            request.session,
            given.get("provider", "anthropic"),
            model,
            trace=[],
            repeats=not said.clean,
        )
        self._turn = Turn(
            program=NAME,
            session=request.session,
            prompt=request.prompt,
            root=Path.cwd(),
            scene=read_scene(os.environ),
            faults=read_faults(os.environ),
            ledger=ledger_of(os.environ),
            model=model,
            view=self._view,
            resumes=request.resumes,
        )
        signal.signal(signal.SIGINT, self._cancel)

    def go(self) -> int:
        request = self._request
        try:
            load_bundle(request.bundle)
        except BundleFailed as error:
            return self._said.failure(str(error), request.session)
        self._said.remark(f"Bundle '{request.bundle}' prepared successfully")
        if "resume" in request.given:
            self._said.remark(f"✓ Resuming session: {request.session}")
        elif not self._said.json:
            self._said.remark(f"Session ID: {request.session}")
        self._view.begin(request.prompt, resumed="resume" in request.given)
        return self._turn.end(self._ended())

    def _ended(self) -> int:
        request = self._request
        try:
            response = self._turn.run()
        except ProviderFailed as error:
            kind, _, message = str(error).partition(": ")
            self._view.write("provider:error", {"error": {"type": kind, "msg": message}})
            self._view.end("", "error")
            return self._said.failure(message, request.session, kind)
        except EngineDied:
            return 1
        self._view.end(response, "cancelled" if self._turn.cancelled else "success")
        lost = self._turn.fault is Fault.TWO_DOCUMENTS
        if lost:
            self._said.failure(f"Session '{request.session}' not found", request.session)
        else:
            self._view.save(self._turn.fault, bundle=request.bundle, prompt=request.prompt, response=response)
        code = self._said.success(
            response,
            session=request.session,
            bundle=request.bundle,
            model=self._turn.model,
            trace=self._view.trace,
        )
        return 1 if lost else code

    def _cancel(self, signum: int, frame: object) -> None:
        self._turn.cancelled = True
