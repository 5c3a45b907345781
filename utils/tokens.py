"""The signed tokens of a session (JWT, RFC 7519)."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from jose import JWTError, jwt

from utils.errors import Unauthorized

Use = Literal["access", "refresh"]


@dataclass(frozen=True)
class Tokens:
    """Signs and verifies tokens with one key and one algorithm. Tokens with another algorithm, or none, are refused."""

    key: str
    algorithm: str

    def sign(self, use: Use, session_id: UUID, token_id: UUID, issued_at: datetime, expires_at: datetime) -> str:
        """A token of the session. `token_id` identifies a refresh token within the session."""
        claims = {
            "use": use,
            "sid": str(session_id),
            "jti": str(token_id),
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return str(jwt.encode(claims, self.key, algorithm=self.algorithm))

    def read(self, use: Use, token: str) -> tuple[UUID, UUID]:
        """The session id and token id. Raises Unauthorized for a token that is forged, expired or for another use."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.key, algorithms=[self.algorithm], options={"require_exp": True}
            )
            if claims["use"] != use:
                raise Unauthorized("This kind of token is not accepted here")
            return UUID(claims["sid"]), UUID(claims["jti"])
        except (JWTError, KeyError, ValueError, AttributeError, TypeError):
            raise Unauthorized("The token is not valid or has expired; sign in again") from None


def bearer_token(authorization: str | None) -> str | None:
    """The bearer token in the value of an Authorization header; None if there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def basic_password(authorization: str | None) -> str | None:
    """The password in the value of an Authorization header of Basic authentication; None if there is none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        credentials = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        return None
    return credentials.partition(":")[2] or None
