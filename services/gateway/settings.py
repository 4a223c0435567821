"""What the environment decides about the gateway alone."""

from pydantic import Field

from services.shared.settings import Settings


class GatewaySettings(Settings):
    """The environment of the gateway."""

    sidecart_rate_limit_factor: float = Field(default=1.0, gt=0)
    """Every rate limit is multiplied by this; load tests raise it."""
    sidecart_trusted_proxies: str = ""
    """Addresses or networks, separated by commas, whose `X-Forwarded-*` is believed; by default nobody's is."""
    sidecart_most_in_flight: int = Field(default=512, gt=0)
    """Requests that may be inside at the same time; the next is sent away. What a service is given is less: `turns`."""
