"""Every SQL statement of the user service."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.shared.errors import NotFound
from services.shared.identity import Role
from services.user.domain import User

_COLUMNS = "id, email, first_name, last_name, role, is_active, version, created_at, updated_at, password_hash"

_INSERT = text(
    f"INSERT INTO account ({_COLUMNS}) VALUES (:id, :email, :first_name, :last_name, :role, :is_active, :version,"  # noqa: S608 - constants only
    " :created_at, :updated_at, :password_hash) ON CONFLICT (email) DO NOTHING RETURNING id"
)
_UPDATE = text(
    "UPDATE account SET first_name = :first_name, last_name = :last_name, role = :role, is_active = :is_active,"
    " version = :version, updated_at = :updated_at WHERE id = :id"
)
_BY_EMAIL = text(f"SELECT {_COLUMNS} FROM account WHERE email = :email")  # noqa: S608 - constants only
_BY_ID = text(f"SELECT {_COLUMNS} FROM account WHERE id = :id")  # noqa: S608 - constants only
_LOCK = text(f"SELECT {_COLUMNS} FROM account WHERE id = :id FOR UPDATE")  # noqa: S608 - constants only
_LOCK_ADMINS = text("SELECT id FROM account WHERE role = 'admin' AND is_active ORDER BY id FOR UPDATE")
_NEWEST = text(f"SELECT {_COLUMNS} FROM account ORDER BY created_at DESC, id DESC LIMIT :most")  # noqa: S608 - constants only
_OLDER = text(
    f"SELECT {_COLUMNS} FROM account WHERE (created_at, id) < (:created_at, :id)"  # noqa: S608 - constants only
    " ORDER BY created_at DESC, id DESC LIMIT :most"
)
_SET_PASSWORD_HASH = text("UPDATE account SET password_hash = :new WHERE id = :id AND password_hash = :old")


async def insert(session: AsyncSession, user: User) -> bool:
    """Write a new account; False when its address is taken, also by a registration that is just committing."""
    return (await session.execute(_INSERT, vars(user))).first() is not None


async def update(session: AsyncSession, user: User) -> None:
    """Write what has changed about an account."""
    await session.execute(_UPDATE, vars(user))


async def find_by_email(session: AsyncSession, email: str) -> User | None:
    """The account with a (normalised) address."""
    row = (await session.execute(_BY_EMAIL, {"email": email})).mappings().one_or_none()
    return _user(row) if row else None


async def load(session: AsyncSession, user_id: UUID) -> User:
    """An account.

    :raises NotFound: there is none.
    """
    return _existing((await session.execute(_BY_ID, {"id": user_id})).mappings().one_or_none())


async def lock(session: AsyncSession, user_id: UUID) -> User:
    """An account, locked until the transaction ends.

    :raises NotFound: there is none.
    """
    return _existing((await session.execute(_LOCK, {"id": user_id})).mappings().one_or_none())


async def lock_admins(session: AsyncSession) -> frozenset[UUID]:
    """Every active admin, all locked; a transaction that demotes one of them is waited for."""
    return frozenset((await session.execute(_LOCK_ADMINS)).scalars())


async def newest(session: AsyncSession, *, before: tuple[datetime, UUID] | None, most: int) -> Sequence[User]:
    """Accounts, the newest first, from a position on."""
    if before is None:
        result = await session.execute(_NEWEST, {"most": most})
    else:
        result = await session.execute(_OLDER, {"created_at": before[0], "id": before[1], "most": most})
    return [_user(row) for row in result.mappings()]


async def replace_password_hash(session: AsyncSession, user_id: UUID, *, old: str, new: str) -> None:
    """Keep a password's newer hash, unless the password has been changed meanwhile."""
    await session.execute(_SET_PASSWORD_HASH, {"id": user_id, "old": old, "new": new})


def _existing(row: RowMapping | None) -> User:
    if row is None:
        raise NotFound
    return _user(row)


def _user(row: RowMapping) -> User:
    columns: dict[str, Any] = {**row}
    return User(**columns | {"role": Role(row["role"])})


# --- logins and their refresh tokens ---------------------------------------------------------------------------------

_BEGIN_LOGIN = text(
    "WITH begun AS (INSERT INTO login (id, user_id, began_at, expires_at)"
    " SELECT :login_id, id, :at, :expires_at FROM account WHERE id = :user_id AND is_active RETURNING id)"
    " INSERT INTO refresh_token (digest, login_id, issued_at) SELECT :digest, id, :at FROM begun RETURNING login_id"
)
_USE_TOKEN = text(
    "UPDATE refresh_token SET used_at = :at WHERE digest = :digest AND used_at IS NULL RETURNING login_id"
)
_HOLDER = text(
    "SELECT account.id, account.role FROM login JOIN account ON account.id = login.user_id"
    " WHERE login.id = :login_id AND login.ended_at IS NULL AND login.expires_at > :at AND account.is_active"
)
_ADD_TOKEN = text("INSERT INTO refresh_token (digest, login_id, issued_at) VALUES (:digest, :login_id, :at)")
_END_LOGIN_OF_TOKEN = text(
    "UPDATE login SET ended_at = :at FROM refresh_token"
    " WHERE refresh_token.digest = :digest AND login.id = refresh_token.login_id AND login.ended_at IS NULL"
)
_END_LOGIN = text("UPDATE login SET ended_at = :at WHERE id = :id AND user_id = :user_id AND ended_at IS NULL")
_END_ALL = text("UPDATE login SET ended_at = :at WHERE user_id = :user_id AND ended_at IS NULL")
_FORGET_LOGINS = text("DELETE FROM login WHERE expires_at < :before")


async def begin_login(
    session: AsyncSession, login_id: UUID, user_id: UUID, *, digest: bytes, at: datetime, lasts: timedelta
) -> bool:
    """Begin a login with its first refresh token; False when the account is not active any more."""
    values = {"login_id": login_id, "user_id": user_id, "digest": digest, "at": at, "expires_at": at + lasts}
    return (await session.execute(_BEGIN_LOGIN, values)).first() is not None


async def use_refresh_token(session: AsyncSession, digest: bytes, *, at: datetime) -> UUID | None:
    """Use a refresh token up and answer its login; None when it was used before or never was."""
    found: UUID | None = (await session.execute(_USE_TOKEN, {"digest": digest, "at": at})).scalar_one_or_none()
    return found


async def find_holder(session: AsyncSession, login_id: UUID, *, at: datetime) -> tuple[UUID, Role] | None:
    """The active user of a login that has neither ended nor expired, with their role as it stands now."""
    row = (await session.execute(_HOLDER, {"login_id": login_id, "at": at})).one_or_none()
    return row and (row.id, Role(row.role))


async def add_refresh_token(session: AsyncSession, login_id: UUID, *, digest: bytes, at: datetime) -> None:
    """Add the next refresh token of a login."""
    await session.execute(_ADD_TOKEN, {"login_id": login_id, "digest": digest, "at": at})


async def end_login_of(session: AsyncSession, digest: bytes, *, at: datetime) -> None:
    """End the login that a refresh token belongs to, if there is one."""
    await session.execute(_END_LOGIN_OF_TOKEN, {"digest": digest, "at": at})


async def end_login(session: AsyncSession, login_id: UUID, user_id: UUID, *, at: datetime) -> None:
    """End a user's login."""
    await session.execute(_END_LOGIN, {"id": login_id, "user_id": user_id, "at": at})


async def end_logins(session: AsyncSession, user_id: UUID, *, at: datetime) -> None:
    """End every login of a user."""
    await session.execute(_END_ALL, {"user_id": user_id, "at": at})


async def forget_logins(session: AsyncSession, *, before: datetime) -> None:
    """Delete logins that expired before a time, with their refresh tokens."""
    await session.execute(_FORGET_LOGINS, {"before": before})


# --- failed logins ---------------------------------------------------------------------------------------------------

_FAILURES = text("SELECT failures, began_at FROM login_failure WHERE digest = :digest AND began_at > :since")
_ADD_FAILURE = text(
    "INSERT INTO login_failure AS kept (digest, began_at, failures) VALUES (:digest, :at, 1)"
    " ON CONFLICT (digest) DO UPDATE SET"
    " failures = CASE WHEN kept.began_at > :since THEN kept.failures + 1 ELSE 1 END,"
    " began_at = CASE WHEN kept.began_at > :since THEN kept.began_at ELSE :at END"
    " RETURNING failures, began_at"
)
_FORGET_FAILURES = text("DELETE FROM login_failure WHERE began_at < :before")


async def failures(session: AsyncSession, email: str, *, since: datetime) -> tuple[int, datetime]:
    """How many logins have failed for an address in the window that began after `since`, and when it began."""
    row = (await session.execute(_FAILURES, {"digest": _address(email), "since": since})).one_or_none()
    return (row.failures, row.began_at) if row else (0, since)


async def add_failure(session: AsyncSession, email: str, *, since: datetime, at: datetime) -> tuple[int, datetime]:
    """Count a failed login, in the window that began after `since` or in a new one; answers as `failures` does."""
    row = (await session.execute(_ADD_FAILURE, {"digest": _address(email), "since": since, "at": at})).one()
    return row.failures, row.began_at


async def forget_failures(session: AsyncSession, *, before: datetime) -> None:
    """Delete the windows that began before a time."""
    await session.execute(_FORGET_FAILURES, {"before": before})


def _address(email: str) -> bytes:
    """Addresses that nobody registered are not kept in the clear."""
    return hashlib.sha256(email.encode()).digest()
