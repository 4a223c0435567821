"""Other services ask for prices."""

from fastapi import APIRouter
from starlette.responses import Response

from services.contracts.answers import PricedProduct, Prices, PricesAsked
from services.contracts.money import Money
from services.product.api.dependencies import OwnCatalogue
from services.shared.identity import Peer

router = APIRouter(include_in_schema=False)


@router.post("/internal/prices")
async def tell_prices(asked: PricesAsked, _: Peer, catalogue: OwnCatalogue) -> Response:
    """The products that exist among those asked for, inactive ones included."""
    rows = await catalogue.prices(asked.product_ids)
    products = [
        PricedProduct.model_construct(
            product_id=row["id"],
            sku=row["sku"],
            name=row["name"],
            price=Money.of(row["price_minor"], row["currency"]),
            is_active=row["is_active"],
        )
        for row in rows
    ]
    return Response(Prices.model_construct(products=products).model_dump_json(), media_type="application/json")
