"""Signing up, in and out, and one's own account."""

from typing import Annotated

from fastapi import Header, Request

from models import AccountChange, Login, Message, Refresh, Register, SignedIn, Signup, User
from routes.deps import Accounts, Caller, problems, public_router, router
from utils.tokens import bearer_token

public = public_router("/api/auth", "auth")
account = router("/api/auth", "auth")
older = public_router("/auth", "auth")


@public.post("/signup", responses=problems(400), summary="Create an account and its workspace")
async def signup(new: Signup, accounts: Accounts) -> SignedIn:
    return await accounts.signup(new)


@older.post("/register", status_code=201, summary="Create an account; the name may be left out", deprecated=True)
@public.post("/register", status_code=201, summary="Create an account; the name may be left out")
async def register(new: Register, accounts: Accounts) -> SignedIn:
    return await accounts.signup(new.signup())


@older.post("/login", summary="Sign in", deprecated=True)
@public.post("/login", responses=problems(401), summary="Sign in")
async def login(credentials: Login, accounts: Accounts, request: Request) -> SignedIn:
    return await accounts.login(credentials, address=request.client.host if request.client else "")


@public.post("/refresh", responses=problems(401), summary="Exchange a refresh token for new tokens")
async def refresh(token: Refresh, accounts: Accounts) -> SignedIn:
    return await accounts.refresh(token.refresh_token)


@account.post("/logout", summary="End the session of the token sent, if any")
async def logout(
    accounts: Accounts, authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Message:
    return await accounts.logout(bearer_token(authorization))


@account.get("/me", summary="Who am I")
async def me(caller: Caller, accounts: Accounts) -> User:
    return await accounts.me(caller)


@account.patch("/me", responses=problems(400), summary="Change my name or password")
async def change(caller: Caller, changes: AccountChange, accounts: Accounts) -> User:
    return await accounts.change(caller, changes)


@account.delete("/me", status_code=204, summary="Delete my account and the workspaces only I administer")
async def delete(caller: Caller, accounts: Accounts) -> None:
    return await accounts.delete(caller)
