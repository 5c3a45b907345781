"""Accounts and sessions."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from models import NO_CONTROL_CHARACTERS, Answer, Email, Name, Password, Request, Role, Row


class Signup(Request):
    """A new account."""

    email: Email = Field(examples=["ada@example.com"])
    password: Password = Field(examples=["correct horse battery"])
    name: Name = Field(examples=["Ada"])


class Register(Request):
    """A new account; the name defaults to the part of the address before the @."""

    email: Email = Field(examples=["ada@example.com"])
    password: Password = Field(examples=["correct horse battery"])
    name: Name | None = Field(None, examples=["Ada"])

    def signup(self) -> Signup:
        """The same account with the name filled in."""
        return Signup(email=self.email, password=self.password, name=self.name or self.email.split("@")[0])


class Login(Request):
    """An account's address and password."""

    email: Email = Field(examples=["ada@example.com"])
    password: Annotated[str, StringConstraints(max_length=128, pattern=NO_CONTROL_CHARACTERS)] = Field(
        examples=["correct horse battery"]
    )


class Refresh(Request):
    """The refresh token of the previous answer; each works once."""

    refresh_token: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        None, description="Required unless it is in the cookie"
    )


class AccountChange(Request):
    """Changes to the account; a new password requires the current one and ends all other sessions."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Countess"}]})

    name: Name | None = None
    password: Password | None = None
    current_password: Annotated[str, StringConstraints(max_length=128)] | None = None

    @model_validator(mode="after")
    def _check_password(self) -> "AccountChange":
        if self.password is not None and self.current_password is None:
            raise ValueError("current_password is required to set a new password")
        return self


class User(Answer):
    """The signed-in user; `role` is their role in the workspace of the request."""

    id: UUID
    email: str
    name: str
    role: Role
    created_at: datetime


class SignedIn(Answer):
    """A session: its tokens, its user and its workspace."""

    access_token: str
    refresh_token: str | None = Field(description="Null when it is in the cookie")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the access token expires")
    user_id: UUID
    workspace_id: UUID
    user: User


class Session(Answer):
    """An active session."""

    id: UUID
    device: str = Field(description="The User-Agent of the browser or program that signed in")
    created_at: datetime
    last_used_at: datetime = Field(description="To the minute")
    expires_at: datetime
    current: bool = Field(False, description="Whether it is the session of this request")


class Sessions(Answer):
    """The caller's sessions, last used first."""

    sessions: list[Session]


class Ended(Answer):
    """The number of sessions that were ended."""

    ended: int


class Message(Answer):
    """A confirmation."""

    message: str


# Internal values, never sent to a caller


class Account(Row):
    """A live session with its user and workspace."""

    session_id: UUID
    workspace_id: UUID
    user: User


class RefreshedAccount(Account):
    """A live session, and the id of its current refresh token."""

    refresh_id: UUID


class Credentials(Row):
    """The hash that a user's password is checked against."""

    user_id: UUID
    password_hash: str
