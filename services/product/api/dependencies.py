"""What the handlers need of this service's own."""

from typing import Annotated

from fastapi import Depends

from services.product.clients import Levels
from services.product.indexing import Search
from services.product.store.catalogue import Catalogue
from services.shared.runtime import part

OwnCatalogue = Annotated[Catalogue, Depends(part(Catalogue))]
OwnSearch = Annotated[Search, Depends(part(Search))]
OwnLevels = Annotated[Levels, Depends(part(Levels))]

TAGS = ["product"]
PUBLIC_ROOT = "/api/v1"
"""Where the gateway shows this service: for `Location`, which clients follow."""
