"""What the environment decides. `dapr run`, the local runner and Kubernetes all set these names."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """The environment of every service; a service with more of its own extends it."""

    app_port: int
    dapr_http_port: int
    dapr_grpc_port: int
    app_api_token: SecretStr
    dapr_api_token: SecretStr
    sidecart_host: str = "127.0.0.1"
    sidecart_log_level: str = "info"
    sidecart_catch_up_seconds: float = 30.0
    """How often a producer is asked for facts that should have been heard; one that has more to tell is asked at once,
    unless much of it has to come again."""
    sidecart_failpoints: Path | None = None
    """Where tests arm the places at which this process dies, see `services.shared.failpoints`."""
