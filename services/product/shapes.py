"""What the catalogue's doors take and give."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from services.contracts.money import Money, Price
from services.shared.bodies import Body
from services.shared.pages import Page

LARGEST_NUMBER = 2**53
_LARGEST_STOCK = 10**9

Sku = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$", examples=["LAMP-1"])]
Name = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
Description = Annotated[str, Field(max_length=20_000)]
CategoryPath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^/\s]([^/]*[^/\s])?(/[^/\s]([^/]*[^/\s])?)*$",
        description="A path from the general to the special.",
        examples=["home/lighting/lamps"],
    ),
]
Brand = Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]
Gtin = Annotated[str, Field(pattern=r"^\d{8,14}$")]
_Number = Annotated[StrictInt, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
_Fraction = Annotated[StrictFloat, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)]
Attributes = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=120)],
        Annotated[StrictStr, Field(max_length=20_000)] | StrictBool | _Number | _Fraction,
    ],
    Field(max_length=1000),
]
Stock = Annotated[StrictInt, Field(ge=0, le=_LARGEST_STOCK)]


class ProductBody(Body):
    """A product as it is created or imported."""

    sku: Sku
    name: Name
    description: Description | None = None
    price: Price
    category: CategoryPath | None = None
    brand: Brand | None = None
    attributes: Attributes = Field(default_factory=dict)
    gtin: Annotated[list[Gtin], Field(max_length=500)] = Field(default_factory=list)
    on_hand: Stock | None = None
    """The opening stock: booked once, ignored after any other booking."""


class ProductChangeBody(Body):
    """What changes of a product; what is left out stays as it is, null empties what may be empty."""

    sku: Sku | None = None
    """May be repeated, cannot change."""
    name: Name = ""
    description: Description | None = None
    price: Price | None = None
    category: CategoryPath | None = None
    brand: Brand | None = None
    attributes: Attributes = Field(default_factory=dict)
    gtin: Annotated[list[Gtin], Field(max_length=500)] = Field(default_factory=list)
    is_active: StrictBool = True
    on_hand: Stock | None = None

    @model_validator(mode="after")
    def _price_stays(self) -> Self:
        if "price" in self.model_fields_set and self.price is None:
            raise ValueError("a product has a price")
        return self


class LevelBody(Body):
    """A count of what is there, or an adjustment with its reason; exactly one."""

    on_hand: Stock | None = None
    adjust_by: Annotated[StrictInt, Field(ge=-_LARGEST_STOCK, le=_LARGEST_STOCK)] | None = None
    reason: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.on_hand is None) == (self.adjust_by is None):
            raise ValueError("give either on_hand, or adjust_by with a reason")
        if self.adjust_by is not None and not self.reason:
            raise ValueError("an adjustment has a reason")
        return self


class Availability(BaseModel):
    """What can be bought now; `available` is null while the stock ledger has not told."""

    in_stock: bool
    available: int | None


class Card(BaseModel):
    """A product in a list."""

    id: UUID
    sku: str
    name: str
    brand: str | None
    category: str | None
    price: Money
    images: list[dict[str, Any]]
    availability: Availability


class ProductShown(Card):
    """A product with everything that is known of it."""

    description: str
    attributes: dict[str, str | int | float | bool]
    gtin: list[str]
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


class FacetValue(BaseModel):
    """How many of the products found have a value."""

    value: str
    count: int


class Found(Page[Card]):
    """A page of search results."""

    total: int
    facets: dict[str, list[FacetValue]]
    did_you_mean: str | None = None


class Category(BaseModel):
    """A category, with the products in it and below it."""

    path: str
    name: str
    parent: str | None
    products: int


class Categories(BaseModel):
    """The tree of categories, flat and in order: every parent comes before its children."""

    items: list[Category]


class LevelShown(BaseModel):
    """A product's stock in units; `available` is `on_hand - reserved`."""

    product_id: UUID
    on_hand: int
    reserved: int
    available: int
    version: int


class ImportStatus(StrEnum):
    """How far an import is; `failed` means that no row of it could be used."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RowError(BaseModel):
    """Why a row of an import was left out."""

    line: int
    message: str


class ImportAccepted(BaseModel):
    """An import that was stored and will be worked on."""

    id: UUID
    status: ImportStatus


class ImportShown(ImportAccepted):
    """An import's progress in rows; `errors` holds the first hundred."""

    total: int
    processed: int
    created: int
    updated: int
    unchanged: int
    failed: int
    errors: list[RowError]
    created_at: datetime
    finished_at: datetime | None
