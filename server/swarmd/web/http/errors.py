"""The one table from what is refused to what an HTTP caller sees; and the refusals that only HTTP has."""

from typing import ClassVar, Final

from swarmd.domain import errors


class HttpRefusal(errors.SwarmError):
    """Refused before any verb was reached."""

    status: ClassVar[int]


class HostRefused(HttpRefusal):
    """A page of another site has its own name lead here: DNS rebinding."""

    reason, status = "HOST_REFUSED", 421

    def __init__(self, host: str) -> None:
        super().__init__(f"this server does not go by the name {host!r}; see swarmd --dashboard-name")


class OriginRefused(HttpRefusal):
    """A page of another origin acts, or something that does not say where it comes from."""

    reason, status = "ORIGIN_REFUSED", 403

    def __init__(self) -> None:
        super().__init__("only the dashboard's own page may do this, or a program with a bearer token")


class CsrfRefused(HttpRefusal):
    """The cookie alone acts for nobody: other programs of this host can make a browser send it."""

    reason, status = "CSRF_REFUSED", 403

    def __init__(self) -> None:
        super().__init__("a login needs its CSRF token too; /api/me has it")


class ContentTypeRefused(HttpRefusal):
    """A form, or anything else that a page may send anywhere without being asked."""

    reason, status = "CONTENT_TYPE_REFUSED", 415

    def __init__(self) -> None:
        super().__init__("send `Content-Type: application/json`")


class BodyTooLarge(HttpRefusal):
    """More than any request of ours."""

    reason, status = "BODY_TOO_LARGE", 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit:,} bytes")


class BodyTooSlow(HttpRefusal):
    """The body came in drops, or not at all."""

    reason, status = "BODY_TOO_SLOW", 408

    def __init__(self) -> None:
        super().__init__("the body did not come in time")


class RouteNotFound(HttpRefusal):
    """Nothing is there."""

    reason, status = "ROUTE_NOT_FOUND", 404

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no {path[:200]}; /api/openapi.json lists what there is")


class MethodNotAllowed(HttpRefusal):
    """Something is there, but not by this method."""

    reason, status = "METHOD_NOT_ALLOWED", 405

    def __init__(self, method: str) -> None:
        super().__init__(f"{method[:20]} is not for this route; /api/openapi.json says what is")


class InternalFault(HttpRefusal):
    """A bug in the server."""

    reason, status = "INTERNAL", 500

    def __init__(self) -> None:
        super().__init__("the server failed at this; its log says more")


STATUS: Final[dict[type[errors.SwarmError], int]] = {
    errors.TaskNotFound: 404,
    errors.TaskAmbiguous: 400,
    errors.WorkerNotFound: 404,
    errors.SessionNotFound: 404,
    errors.ResultNotFound: 404,
    errors.TokenNotFound: 404,
    errors.InvalidTasks: 400,
    errors.InvalidRequest: 400,
    errors.InvalidStatus: 409,
    errors.TasksActive: 409,
    errors.WorkerNameTaken: 409,
    errors.StreamReplaced: 409,
    errors.ServerStopping: 503,
    errors.StorageFull: 507,
    errors.StorageFailed: 503,
    errors.TokenInvalid: 401,
    errors.RoleDenied: 403,
    errors.LoginExpired: 401,
    errors.DashboardOff: 409,
    **{refusal: refusal.status for refusal in HttpRefusal.__subclasses__()},
}
