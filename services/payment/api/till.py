"""The till that the service keeps, as a dependency."""

from typing import Annotated

from fastapi import Depends

from services.payment.operations.till import Till
from services.shared.runtime import part

OwnTill = Annotated[Till, Depends(part(Till))]
