"""An account's changes and the facts they make."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.contracts.events import UserChanged
from services.shared.identity import Role
from services.user.domain import LastAdmin, User

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


def user(role: Role = Role.CUSTOMER) -> User:
    return User.register(
        email="ada@example.com", password_hash="secret", first_name="Ada", last_name="Lovelace", role=role, at=NOW
    )[0]


def test_a_registration_tells_who_registered_but_not_the_password() -> None:
    ada, fact = User.register(
        email="ada@example.com", password_hash="secret", first_name="Ada", last_name="L", role=Role.STAFF, at=NOW
    )

    assert (fact.user_id, fact.version, fact.role, fact.is_active) == (ada.id, 1, "staff", True)
    assert "secret" not in fact.model_dump_json()
    assert "secret" not in repr(ada)


def test_every_change_is_a_new_version_with_the_account_after_it() -> None:
    ada = user()

    facts = [
        ada.rename(first_name="A.", last_name="King", at=LATER),
        ada.give_role(Role.STAFF, admins=frozenset(), at=LATER),
        ada.set_active(is_active=False, admins=frozenset(), at=LATER),
    ]

    assert [fact.version for fact in facts] == [2, 3, 4]
    assert facts[-1] == UserChanged(
        version=4,
        at=LATER,
        user_id=ada.id,
        email="ada@example.com",
        first_name="A.",
        last_name="King",
        role="staff",
        is_active=False,
    )
    assert ada.updated_at == LATER


def test_the_only_admin_stays_admin_and_active() -> None:
    ada = user(Role.ADMIN)

    with pytest.raises(LastAdmin):
        ada.give_role(Role.STAFF, admins=frozenset({ada.id}), at=LATER)
    with pytest.raises(LastAdmin):
        ada.set_active(is_active=False, admins=frozenset({ada.id}), at=LATER)

    assert (ada.role, ada.is_active, ada.version) == (Role.ADMIN, True, 1)


def test_one_admin_of_two_may_go_and_the_only_one_may_stay_what_they_are() -> None:
    ada = user(Role.ADMIN)

    ada.give_role(Role.ADMIN, admins=frozenset({ada.id}), at=LATER)
    ada.set_active(is_active=True, admins=frozenset({ada.id}), at=LATER)
    ada.set_active(is_active=False, admins=frozenset({ada.id, uuid4()}), at=LATER)

    assert (ada.is_active, ada.version) == (False, 4)
