"""The tokens of running sessions in memory: what proves that a caller is a session.

Invariant: a token counts only while its lease may act, so it needs no end of its own. One session of a lease has a
token at a time, the latest.
"""

from collections.abc import Callable, Iterable

from swarmd.domain.model import Lease, TaskKey
from swarmd.domain.session_errors import SessionOver
from swarmd.domain.session_grants import SessionGrant, parse_token


class SessionGrants:
    """The grants of the sessions that run."""

    def __init__(self, may_act: Callable[[Lease], bool]) -> None:
        self._may_act = may_act
        self._by_token: dict[str, SessionGrant] = {}
        self._by_task: dict[TaskKey, SessionGrant] = {}

    def load(self, grants: Iterable[SessionGrant]) -> None:
        """Gives the grants of the sessions that run when the server starts."""
        for grant in grants:
            self.give(grant)

    def give(self, grant: SessionGrant) -> None:
        """Lets a session act, in place of the session of its task before; an id that another task has is left alone."""
        known = self._by_token.get(grant.token.token_id)
        if known is not None and known.lease.task_key != grant.lease.task_key:
            return
        self._forget(grant.lease.task_key)
        self._by_token[grant.token.token_id] = grant
        self._by_task[grant.lease.task_key] = grant

    def end_grant(self, lease: Lease, session_id: str = "") -> None:
        """Ends the grant of the lease's session, of that session alone if its id is given."""
        grant = self._by_task.get(lease.task_key)
        if grant is not None and grant.lease.number == lease.number and session_id in ("", grant.session_id):
            self._forget(lease.task_key)

    def verify(self, text: str) -> SessionGrant:
        """Returns the grant of a token's text.

        Raises:
            SessionOver: no running session has that token, or its attempt is ordered to end.
        """
        presented = parse_token(text)
        grant = None if presented is None else self._by_token.get(presented.token_id)
        if presented is None or grant is None or not presented.proves(grant.token):
            raise SessionOver
        if not self._may_act(grant.lease):
            raise SessionOver
        return grant

    def _forget(self, key: TaskKey) -> None:
        if (grant := self._by_task.pop(key, None)) is not None:
            self._by_token.pop(grant.token.token_id, None)
