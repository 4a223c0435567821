"""Accounts: registering, names, roles, activity."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.shared import outbox
from services.shared.database import Database
from services.shared.failpoints import failpoint
from services.shared.identity import Role
from services.shared.pages import Page, decode_cursor, page_of
from services.user import store
from services.user.domain import EmailTaken, User
from services.user.passwords import Passwords

OPERATOR = "operator@example.com"


async def register(  # noqa: PLR0913 - an account has that many parts
    database: Database,
    passwords: Passwords,
    *,
    email: str,
    password: str,
    first_name: str,
    last_name: str,
    at: datetime,
    role: Role = Role.CUSTOMER,
) -> User:
    """Register an account. The password is hashed before the transaction begins.

    :raises EmailTaken: the address has an account, or gets one from a registration that runs at the same time.
    """
    password_hash = await passwords.hash(password)
    user, fact = User.register(
        email=email, password_hash=password_hash, first_name=first_name, last_name=last_name, role=role, at=at
    )
    async with database.begin() as session:
        if not await store.insert(session, user):
            raise EmailTaken
        outbox.add(session, fact)
        failpoint("user.registered.before_commit")
    failpoint("user.registered.before_answer")
    return user


async def ensure_operator(database: Database, passwords: Passwords, *, password: str, at: datetime) -> None:
    """Register the admin who appoints all others, unless there is one already."""
    async with database.begin() as session:
        found = await store.find_by_email(session, OPERATOR)
    if found is None:
        await _register_operator(database, passwords, password=password, at=at)


async def _register_operator(database: Database, passwords: Passwords, *, password: str, at: datetime) -> None:
    names = {"first_name": "Shop", "last_name": "Operator"}
    try:
        await register(database, passwords, email=OPERATOR, password=password, at=at, role=Role.ADMIN, **names)
    except EmailTaken:
        return  # another replica, starting at the same time, was faster


async def rename(session: AsyncSession, user_id: UUID, *, first_name: str, last_name: str, at: datetime) -> User:
    """Give an account another name."""
    user = await store.lock(session, user_id)
    outbox.add(session, user.rename(first_name=first_name, last_name=last_name, at=at))
    await store.update(session, user)
    return user


async def give_role(session: AsyncSession, user_id: UUID, role: Role, *, at: datetime) -> User:
    """Give an account another role; access tokens carry it from their next refresh on.

    :raises LastAdmin: the only active admin cannot become less.
    """
    admins = await store.lock_admins(session)
    user = await store.lock(session, user_id)
    outbox.add(session, user.give_role(role, admins=admins, at=at))
    await store.update(session, user)
    return user


async def set_active(session: AsyncSession, user_id: UUID, *, is_active: bool, at: datetime) -> User:
    """Let an account in, or keep it out: it cannot log in, and its logins end.

    :raises LastAdmin: the only active admin cannot be kept out.
    """
    admins = await store.lock_admins(session)
    user = await store.lock(session, user_id)
    outbox.add(session, user.set_active(is_active=is_active, admins=admins, at=at))
    await store.update(session, user)
    if not is_active:
        await store.end_logins(session, user_id, at=at)
    return user


async def newest(session: AsyncSession, *, cursor: str | None, limit: int) -> Page[User]:
    """A page of accounts, the newest first."""
    position = decode_cursor(cursor, datetime.fromisoformat, UUID)
    before = (position[0], position[1]) if position else None
    found = await store.newest(session, before=before, most=limit + 1)
    return page_of(found, limit, lambda user: user, lambda user: (user.created_at.isoformat(), str(user.id)))
