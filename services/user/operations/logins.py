"""Logins. One is a family of refresh tokens: each is used once, and one that comes again ends them all."""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from services.shared.database import Database
from services.shared.failpoints import failpoint
from services.shared.identity import Role
from services.shared.runtime import Runtime
from services.user import store
from services.user.domain import (
    AccountDeactivated,
    InvalidCredentials,
    InvalidRefreshToken,
    TooManyFailedLogins,
    User,
)
from services.user.passwords import Passwords
from services.user.tokens import Signer, digest, refresh_token

LASTS = timedelta(days=30)
"""How long a login can be refreshed before a password is asked for again."""
FAILURES_ALLOWED = 10
WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class TokenPair:
    """What a login or a refresh gives."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


async def log_in(
    database: Database, passwords: Passwords, signer: Signer, *, email: str, password: str, at: datetime
) -> TokenPair:
    """Begin a login.

    An unknown address is answered as a wrong password is and takes as long. Failures are counted after the password
    was checked and the count is read once more, so guesses that run at the same time gain nothing.

    :raises InvalidCredentials: the address or the password is wrong.
    :raises TooManyFailedLogins: ten failures within a minute; a right password then waits too.
    :raises AccountDeactivated: the password is right, but the account is kept out.
    """
    async with database.begin() as session:
        await _demand_few_failures(session, email, at)
        user = await store.find_by_email(session, email)
    if not await passwords.fits(password, user.password_hash if user else None) or user is None:
        await _fail(database, email, at)
        raise InvalidCredentials
    newer = await passwords.hash(password) if passwords.is_dated(user.password_hash) else None
    async with database.begin() as session:
        await _demand_few_failures(session, email, at)
        if newer:
            await store.replace_password_hash(session, user.id, old=user.password_hash, new=newer)
        begun = await _begin(session, signer, user, at)
        failpoint("login.begun.before_commit")
    failpoint("login.begun.before_answer")
    return begun


async def _begin(session: AsyncSession, signer: Signer, user: User, at: datetime) -> TokenPair:
    login_id, refresh = uuid4(), refresh_token()
    if not await store.begin_login(session, login_id, user.id, digest=digest(refresh), at=at, lasts=LASTS):
        raise AccountDeactivated
    return TokenPair(
        access_token=signer.access_token(user_id=user.id, role=user.role, login_id=login_id, at=at),
        refresh_token=refresh,
    )


async def _fail(database: Database, email: str, at: datetime) -> None:
    """Count a failure; past the limit the answer no longer tells that the guess was wrong."""
    async with database.begin() as session:
        failures, began_at = await store.add_failure(session, email, since=at - WINDOW, at=at)
    if failures > FAILURES_ALLOWED:
        raise _too_many(began_at, at)


async def _demand_few_failures(session: AsyncSession, email: str, at: datetime) -> None:
    failures, began_at = await store.failures(session, email, since=at - WINDOW)
    if failures >= FAILURES_ALLOWED:
        raise _too_many(began_at, at)


def _too_many(began_at: datetime, at: datetime) -> TooManyFailedLogins:
    seconds = max(1, math.ceil((began_at + WINDOW - at).total_seconds()))
    return TooManyFailedLogins(headers={"Retry-After": str(seconds)})


async def refresh(database: Database, signer: Signer, *, token: str, at: datetime) -> TokenPair:
    """Exchange a refresh token for a new pair; the role is read anew.

    :raises InvalidRefreshToken: it is unknown, its login has ended or expired, the account is kept out, or it was
        used before: then somebody has a copy, and the login ends (RFC 9700, 4.14.2).
    """
    async with database.begin() as session:
        login_id = await store.use_refresh_token(session, digest(token), at=at)
        if login_id is None:
            await store.end_login_of(session, digest(token), at=at)
        renewed = login_id and await _renew(session, signer, login_id, at)
        failpoint("login.renewed.before_commit")
    failpoint("login.renewed.before_answer")
    if not renewed:
        raise InvalidRefreshToken
    return renewed


async def _renew(session: AsyncSession, signer: Signer, login_id: UUID, at: datetime) -> TokenPair | None:
    holder = await store.find_holder(session, login_id, at=at)
    if holder is None:
        return None
    user_id, role = holder
    following = refresh_token()
    await store.add_refresh_token(session, login_id, digest=digest(following), at=at)
    access = signer.access_token(user_id=user_id, role=Role(role), login_id=login_id, at=at)
    return TokenPair(access_token=access, refresh_token=following)


async def log_out(session: AsyncSession, *, user_id: UUID, login_id: UUID | None, at: datetime) -> None:
    """End the login that an access token belongs to; the token itself runs out within its 15 minutes."""
    if login_id is not None:
        await store.end_login(session, login_id, user_id, at=at)


async def forget_old(runtime: Runtime) -> bool:
    """A timer's step: delete what can serve nobody any more."""
    now = runtime.clock()
    async with runtime.database.begin() as session:
        await store.forget_logins(session, before=now - timedelta(days=1))
        await store.forget_failures(session, before=now - WINDOW)
    return False
