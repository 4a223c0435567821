from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

from services.local.customer import catalogue, pictures, seeding
from services.local.customer.families import FAMILIES
from services.local.customer.formats import LARGEST


def test_the_catalogue_is_the_same_every_time() -> None:
    assert list(catalogue.generate(100)) == list(catalogue.generate(100))
    assert list(catalogue.generate(100)) != list(catalogue.generate(100, seed=7))


def test_it_has_two_thousand_different_products_of_every_family() -> None:
    products = list(catalogue.generate())

    assert len(products) == len({product.sku for product in products}) == 2_000
    assert {product.attributes["type"] for product in products} == {family.noun for family in FAMILIES}


def test_its_prices_are_within_their_family_and_exact() -> None:
    by_noun = {family.noun: family for family in FAMILIES}
    for product in catalogue.generate():
        family = by_noun[str(product.attributes["type"])]
        row = product.row()
        assert family.cheapest - 110 <= product.cents <= family.dearest
        assert Decimal(row["price"]["amount"]) == Decimal(product.cents) / 100


def test_somebody_who_looks_for_a_bluetooth_speaker_finds_several() -> None:
    found = [product for product in catalogue.generate() if "bluetooth speaker" in product.description]

    assert len(found) == 80
    assert all("Bluetooth Speaker" in product.name for product in found)


def test_what_is_not_so_is_said_to_be_not_so() -> None:
    dry = next(product for product in catalogue.generate() if product.attributes.get("waterproof") is False)
    wet = next(product for product in catalogue.generate() if product.attributes.get("waterproof") is True)

    assert "not waterproof" in dry.description.lower()
    assert "not waterproof" not in wet.description.lower()


def test_a_picture_is_a_small_svg_that_belongs_to_its_product() -> None:
    one, other = list(catalogue.generate(2))

    drawn = pictures.picture(one)

    assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - drawn by ourselves
    assert drawn == pictures.picture(one) != pictures.picture(other)
    assert len(drawn) < 2_000


def test_pictures_are_written_by_sku(tmp_path: Path) -> None:
    products = list(catalogue.generate(3))

    seeding.draw(products, tmp_path / "media")

    assert {file.stem for file in (tmp_path / "media").iterdir()} == {product.sku for product in products}


def test_the_catalogue_fits_in_one_request() -> None:
    (part,) = seeding.parts(catalogue.generate())

    assert len(part.lines) == 2_000
    assert len(part.body) < LARGEST
