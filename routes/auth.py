"""Signing up, in and out, and one's own account."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Path, Response

from routes.cookies import COOKIE, cleared, cleared_when_refused, in_cookie, kept, refresh_token
from routes.exact import Call, needs, problems, public_router, router
from schemas.accounts import AccountChange, Ended, Login, Message, Refresh, Register, Sessions, SignedIn, Signup, User

public = public_router("/api/auth", "auth")
account = router("/api/auth", "auth")
older = public_router("/auth", "auth")


@public.post("/signup", responses=problems(400), openapi_extra=COOKIE, summary="Create an account and its workspace")
@in_cookie
async def signup(call: Call, new: Signup) -> SignedIn:
    return await call.accounts.signup(new, call.device)


@older.post(
    "/register",
    status_code=201,
    responses=problems(400),
    openapi_extra=COOKIE,
    summary="Create an account; the name may be left out",
    deprecated=True,
)
@public.post(
    "/register",
    status_code=201,
    responses=problems(400),
    openapi_extra=COOKIE,
    summary="Create an account; the name may be left out",
)
@in_cookie
async def register(call: Call, new: Register) -> SignedIn:
    return await call.accounts.signup(new.signup(), call.device)


@older.post("/login", responses=problems(401), openapi_extra=COOKIE, summary="Sign in", deprecated=True)
@public.post("/login", responses=problems(401), openapi_extra=COOKIE, summary="Sign in")
@in_cookie
async def login(call: Call, credentials: Login) -> SignedIn:
    return await call.accounts.login(credentials, call.address, call.device)


@public.post(
    "/refresh", responses=problems(401), openapi_extra=COOKIE, summary="Exchange a refresh token for new tokens"
)
@in_cookie
async def refresh(call: Call, token: Annotated[Refresh, Body(default_factory=Refresh)]) -> SignedIn:
    with cleared_when_refused(call):
        return await call.accounts.refresh(refresh_token(call, token), from_browser=token.refresh_token is None)


@public.post(
    "/logout",
    response_model=Message,
    openapi_extra={"security": [{"bearer": []}, {}], **COOKIE},
    summary="End the session of the token sent, if any",
)
async def logout(call: Call) -> Response:
    return cleared(call, await call.accounts.logout(call.token, kept(call)))


@account.get("/me", summary="Who am I")
@needs("person")
async def me(call: Call) -> User:
    return await call.accounts.me(call.caller)


@account.patch("/me", responses=problems(400), summary="Change my name or password")
@needs("person")
async def change(call: Call, changes: AccountChange) -> User:
    return await call.accounts.change(call.caller, changes)


@account.delete("/me", status_code=204, summary="Delete my account and the workspaces only I administer")
@needs("person")
async def delete(call: Call) -> None:
    return await call.accounts.delete(call.caller)


@account.get("/sessions", summary="Where I am signed in")
@needs("person")
async def sessions(call: Call) -> Sessions:
    return await call.accounts.sessions(call.caller)


@account.delete("/sessions", summary="Sign me out everywhere, here too")
@needs("person")
async def end_sessions(call: Call) -> Ended:
    return await call.accounts.end_sessions(call.caller)


@account.delete("/sessions/{session_id}", status_code=204, responses=problems(404), summary="Sign me out there")
@needs("person")
async def end_session(call: Call, session_id: Annotated[UUID, Path(description="A session's id")]) -> None:
    return await call.accounts.end_session(call.caller, session_id)
