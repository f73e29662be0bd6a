"""The one table from errors to HTTP statuses, and the errors that only HTTP has."""

from typing import ClassVar, Final

from swarmd.domain import caller_errors, errors, session_errors


class HttpRefusal(errors.SwarmError):
    """An error of the HTTP layer, raised before the engine is called."""

    status: ClassVar[int]


class HostRefused(HttpRefusal):
    """The Host header is not a name of this server; a DNS rebinding attack looks like this."""

    reason, status = "HOST_REFUSED", 421

    def __init__(self, host: str) -> None:
        super().__init__(
            f"this server does not go by the name {host!r}; start swarmd with --dashboard-name and the host's name"
        )


class OriginRefused(HttpRefusal):
    """A page of another origin acts, or the request does not say its origin."""

    reason, status = "ORIGIN_REFUSED", 403

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why}; only the dashboard's own page may do this, or a program with a bearer token. A proxy must forward"
            " the Host header of the browser, and swarmd --dashboard-name must name that host"
        )


class CsrfRefused(HttpRefusal):
    """The request has a login's cookie without its CSRF token; a foreign page can make a browser send the cookie."""

    reason, status = "CSRF_REFUSED", 403

    def __init__(self) -> None:
        super().__init__(
            "a login needs its CSRF token too, which only the answer to the login has; log in again"
        )


class ContentTypeRefused(HttpRefusal):
    """A form, or another type that a browser sends across origins without a preflight."""

    reason, status = "CONTENT_TYPE_REFUSED", 415

    def __init__(self, *kinds: str) -> None:
        wanted = " or ".join(f"`Content-Type: {kind}`" for kind in kinds or ("application/json",))
        super().__init__(f"send {wanted}")


class HeadTooLarge(HttpRefusal):
    """The request line and headers are longer than the limit."""

    reason, status = "HEAD_TOO_LARGE", 431

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request's line and headers are longer than {limit:,} bytes")


class BodyTooLarge(HttpRefusal):
    """The body is longer than the limit."""

    reason, status = "BODY_TOO_LARGE", 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit:,} bytes")


class BodyTooSlow(HttpRefusal):
    """The body did not arrive in time."""

    reason, status = "BODY_TOO_SLOW", 408

    def __init__(self) -> None:
        super().__init__("the body did not arrive in time")


class RouteNotFound(HttpRefusal):
    """No route has this path."""

    reason, status = "ROUTE_NOT_FOUND", 404

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no {path[:200]}; /api/openapi.json lists what there is")


class MethodNotAllowed(HttpRefusal):
    """A route has this path, with another method."""

    reason, status = "METHOD_NOT_ALLOWED", 405

    def __init__(self, method: str) -> None:
        super().__init__(f"{method[:20]} is not for this route; /api/openapi.json says what is")


class PatchNotStored(HttpRefusal):
    """The patch of a change is longer than what is stored."""

    reason, status = "PATCH_NOT_STORED", 404

    def __init__(self, base: str, head: str) -> None:
        super().__init__(f"the patch is too long to be stored. In the repository: git diff {base} {head}")


class IdempotencyKeyReused(HttpRefusal):
    """The Idempotency-Key came with another request before."""

    reason, status = "IDEMPOTENCY_KEY_REUSED", 422

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the Idempotency-Key {key} came with another request; take a new one for this request"
        )


class InternalFault(HttpRefusal):
    """A bug in the server; its log has the traceback."""

    reason, status = "INTERNAL", 500

    def __init__(self) -> None:
        super().__init__("the server failed at this; its log says more")


STATUS: Final[dict[type[errors.SwarmError], int]] = {
    errors.TaskNotFound: 404,
    errors.TaskAmbiguous: 400,
    errors.WorkerNotFound: 404,
    errors.SessionNotFound: 404,
    errors.ResultNotFound: 404,
    errors.ChangeNotFound: 404,
    errors.ArtifactNotFound: 404,
    errors.ArtifactRefused: 413,
    errors.TokenNotFound: 404,
    errors.BudgetNotFound: 404,
    errors.InvalidTasks: 400,
    errors.InvalidRequest: 400,
    errors.InvalidStatus: 409,
    errors.HoldRefused: 409,
    session_errors.FollowUpRefused: 409,
    errors.TasksActive: 409,
    errors.WorkerConnected: 409,
    errors.WorkerNameTaken: 409,
    errors.RehearsalRefused: 409,
    errors.StreamReplaced: 409,
    errors.ServerStopping: 503,
    errors.TooManyStreams: 429,
    errors.StorageFull: 507,
    errors.StorageFailed: 503,
    caller_errors.TokenInvalid: 401,
    caller_errors.TokenExpired: 401,
    session_errors.SessionOver: 401,
    caller_errors.JoinRefused: 403,
    caller_errors.RoleDenied: 403,
    caller_errors.LoginExpired: 401,
    errors.DashboardOff: 409,
    **{refusal: refusal.status for refusal in HttpRefusal.__subclasses__()},
}
