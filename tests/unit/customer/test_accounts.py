import pytest

from services.local.customer import accounts


@pytest.mark.parametrize(
    ("email", "names"),
    [
        ("ada.marlow@example.com", ("Ada", "Marlow")),
        ("ada_jane-marlow@example.com", ("Ada", "Jane Marlow")),
        ("operator@example.com", ("Operator", "Somebody")),
        ("...@example.com", ("Somebody", "Somebody")),
    ],
)
def test_names_are_made_of_the_address(email: str, names: tuple[str, str]) -> None:
    assert accounts.names(email) == names
