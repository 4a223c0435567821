"""Pictures for the demo catalogue, drawn by the program: a shape and colours that follow from the product."""

from hashlib import sha256

from services.local.customer.catalogue import Product

_SHAPES = (
    """<circle cx="200" cy="190" r="110" fill="{front}"/><circle cx="200" cy="190" r="48" fill="{back}"/>""",
    """<rect x="90" y="90" width="220" height="200" rx="28" fill="{front}"/>
<rect x="130" y="130" width="140" height="120" rx="14" fill="{back}"/>""",
    """<path d="M200 70 L320 290 H80 Z" fill="{front}"/><circle cx="200" cy="225" r="36" fill="{back}"/>""",
    """<ellipse cx="200" cy="230" rx="130" ry="70" fill="{front}"/>
<rect x="186" y="80" width="28" height="150" fill="{front}"/><circle cx="200" cy="80" r="30" fill="{back}"/>""",
    """<path d="M110 290 Q110 90 200 90 T290 290 Z" fill="{front}"/>
<rect x="160" y="210" width="80" height="80" fill="{back}"/>""",
)
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img" aria-label="{label}">'
    '<rect width="400" height="400" fill="hsl({hue} 40% 94%)"/>{shape}'
    '<text x="200" y="360" text-anchor="middle" font-family="system-ui" font-size="20"'
    ' fill="hsl({hue} 40% 30%)">{label}</text></svg>'
)


def picture(product: Product) -> bytes:
    """A small SVG: the same product always looks the same, a kind of product shares its shape."""
    kind, one = _number(product.sku.partition("-")[0]), _number(product.sku)
    hue = one % 360
    shape = _SHAPES[kind % len(_SHAPES)].format(front=f"hsl({hue} 55% 45%)", back=f"hsl({(hue + 40) % 360} 70% 80%)")
    label = str(product.attributes["type"]).replace("&", "&amp;")
    return _PICTURE.format(hue=hue, shape=shape, label=label).encode()


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:4])
