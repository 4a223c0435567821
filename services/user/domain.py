"""An account: what it is, what may change about it, and what that tells the others."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID, uuid4

from services.contracts.events import UserChanged, UserRegistered
from services.shared.errors import Conflict, Forbidden, Refusal, Unauthenticated
from services.shared.identity import Role


class EmailTaken(Conflict):
    """There is an account with this e-mail address already."""


class InvalidCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""


class AccountDeactivated(Forbidden):
    """This account is deactivated; the shop can tell you why."""


class InvalidRefreshToken(Unauthenticated):
    """This refresh token is not valid any more; log in again."""


class LastAdmin(Conflict):
    """This is the only active admin; appoint another one first."""


class TooManyFailedLogins(Refusal):
    """Too many failed logins for this account; wait a moment."""

    status = 429


@dataclass(kw_only=True)
class User:
    """An account. A change returns the fact it made, which carries the account after it."""

    id: UUID
    email: str
    first_name: str
    last_name: str
    role: Role
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime
    password_hash: str = field(repr=False)

    @classmethod
    def register(
        cls, *, email: str, password_hash: str, first_name: str, last_name: str, role: Role, at: datetime
    ) -> tuple[Self, UserRegistered]:
        """A new account, and the fact."""
        user = cls(
            id=uuid4(),
            email=email,
            first_name=first_name,
            last_name=last_name,
            role=role,
            is_active=True,
            version=1,
            created_at=at,
            updated_at=at,
            password_hash=password_hash,
        )
        return user, UserRegistered(version=1, at=at, **user._told())

    def rename(self, *, first_name: str, last_name: str, at: datetime) -> UserChanged:
        """Take another name."""
        self.first_name, self.last_name = first_name, last_name
        return self._changed(at)

    def give_role(self, role: Role, *, admins: frozenset[UUID], at: datetime) -> UserChanged:
        """Take another role.

        :param admins: every active admin, locked.
        :raises LastAdmin: nobody would be left to undo it.
        """
        if role is not Role.ADMIN:
            self._demand_another(admins)
        self.role = role
        return self._changed(at)

    def set_active(self, *, is_active: bool, admins: frozenset[UUID], at: datetime) -> UserChanged:
        """Let the account in, or keep it out.

        :param admins: every active admin, locked.
        :raises LastAdmin: nobody would be left to undo it.
        """
        if not is_active:
            self._demand_another(admins)
        self.is_active = is_active
        return self._changed(at)

    def _demand_another(self, admins: frozenset[UUID]) -> None:
        if admins == {self.id}:
            raise LastAdmin

    def _changed(self, at: datetime) -> UserChanged:
        self.version += 1
        self.updated_at = at
        return UserChanged(version=self.version, at=at, **self._told())

    def _told(self) -> dict[str, object]:
        return {
            "user_id": self.id,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "role": self.role,
            "is_active": self.is_active,
        }
