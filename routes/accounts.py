"""Accounts and sessions: signing up, in and out, and the caller's own account."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Path, Response

from routes.call import Call
from routes.cookies import (
    COOKIE,
    clear_cookie,
    clear_cookie_when_refused,
    cookie_token,
    refresh_token,
    refresh_token_in_cookie,
)
from routes.router import Router
from routes.schema import problems
from schemas.accounts import AccountChange, Ended, Login, Message, Refresh, Register, Sessions, SignedIn, Signup, User

accounts = Router("/api/auth", "auth")


@accounts.post(
    "/signup",
    needs="nothing",
    responses=problems(400),
    openapi_extra=COOKIE,
    summary="Create an account and its workspace",
)
@refresh_token_in_cookie
async def signup(call: Call, new: Signup) -> SignedIn:
    return await call.engines.accounts.signup(new, call.device)


@accounts.post(
    "/register",
    needs="nothing",
    status_code=201,
    responses=problems(400),
    openapi_extra=COOKIE,
    summary="Create an account; the name is optional",
)
@refresh_token_in_cookie
async def register(call: Call, new: Register) -> SignedIn:
    return await call.engines.accounts.signup(new.signup(), call.device)


@accounts.post("/login", needs="nothing", responses=problems(401), openapi_extra=COOKIE, summary="Sign in")
@refresh_token_in_cookie
async def login(call: Call, credentials: Login) -> SignedIn:
    return await call.engines.accounts.login(credentials, call.address, call.device)


@accounts.post(
    "/refresh",
    needs="nothing",
    responses=problems(401),
    openapi_extra=COOKIE,
    summary="Exchange a refresh token for new tokens",
)
@refresh_token_in_cookie
async def refresh(call: Call, token: Annotated[Refresh, Body(default_factory=Refresh)]) -> SignedIn:
    with clear_cookie_when_refused(call):
        return await call.engines.accounts.refresh(refresh_token(call, token), from_browser=token.refresh_token is None)


@accounts.post(
    "/logout",
    needs="nothing",
    response_model=Message,
    openapi_extra={"security": [{"bearer": []}, {}], **COOKIE},
    summary="Sign out: end the session of the token, if any",
)
async def logout(call: Call) -> Response:
    return clear_cookie(call, await call.engines.accounts.logout(call.token, cookie_token(call)))


@accounts.get("/me", needs="person", summary="Get my account")
async def me(call: Call) -> User:
    return await call.engines.accounts.me(call.caller)


@accounts.patch("/me", needs="person", responses=problems(400), summary="Change my name or password")
async def change(call: Call, changes: AccountChange) -> User:
    return await call.engines.accounts.change(call.caller, changes)


@accounts.delete(
    "/me", needs="person", status_code=204, summary="Delete my account, and the workspaces of which I am the only admin"
)
async def delete(call: Call) -> None:
    return await call.engines.accounts.delete(call.caller)


@accounts.get("/sessions", needs="person", summary="List my sessions")
async def sessions(call: Call) -> Sessions:
    return await call.engines.accounts.sessions(call.caller)


@accounts.delete("/sessions", needs="person", summary="End all my sessions, including this one")
async def end_sessions(call: Call) -> Ended:
    return await call.engines.accounts.end_sessions(call.caller)


@accounts.delete(
    "/sessions/{session_id}", needs="person", status_code=204, responses=problems(404), summary="End one of my sessions"
)
async def end_session(call: Call, session_id: Annotated[UUID, Path(description="A session's id")]) -> None:
    return await call.engines.accounts.end_session(call.caller, session_id)
