"""Errors about callers: their tokens, roles and logins."""

from swarmd.domain.errors import SwarmError


class TokenInvalid(SwarmError):
    """The token is missing, unknown or revoked."""

    reason = "TOKEN_INVALID"

    def __init__(self) -> None:
        super().__init__("the token is missing, unknown or revoked")


class TokenExpired(SwarmError):
    """The token was good for a time that is over."""

    reason = "TOKEN_EXPIRED"

    def __init__(self, token_id: str) -> None:
        super().__init__(
            f"the token {token_id} has expired; ask an operator for another", {"tokenId": token_id}
        )


class JoinRefused(SwarmError):
    """The join token can't be exchanged, or not for this credential."""

    reason = "JOIN_REFUSED"

    def __init__(self, token_id: str, problem: str) -> None:
        super().__init__(f"the join token {token_id} {problem}", {"tokenId": token_id})


class RoleDenied(SwarmError):
    """The token's role does not allow the method."""

    reason = "ROLE_DENIED"

    def __init__(self, role: str, method: str) -> None:
        super().__init__(f"a {role} token may not call {method}", {"role": role, "method": method})


class LoginExpired(SwarmError):
    """The login code is unknown, was used, or is too old."""

    reason = "LOGIN_EXPIRED"

    def __init__(self) -> None:
        super().__init__("the link was used or is too old; get another with `swarmctl dashboard`")
