"""The environment that `dapr run -f dapr/dapr.yaml` needs beside the stores of `./sidecart stores`."""

from services.local.credentials import write_private
from services.local.plan import Plan
from services.local.sidecars import addresses


def write(plan: Plan) -> None:
    """Write it in a form that a shell can source: one pair of tokens for all apps, and where the stores are."""
    values = {
        "APP_API_TOKEN": plan.secrets["app-api-token"],
        "DAPR_API_TOKEN": plan.secrets["dapr-api-token"],
        **addresses(plan.ports, plan.state),
    }
    text = "".join(f"export {name}={value}\n" for name, value in values.items())
    write_private(plan.state.root / "environment", text)
