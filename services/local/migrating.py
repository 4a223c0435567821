"""`python -m services.local.migrating`: what the databases named on standard input lack, in one process for all."""

import json
import sys

from services.shared.migrate import upgrade


def main() -> None:
    """Read `{service: url}` and bring each database to its newest version."""
    urls: dict[str, str] = json.load(sys.stdin)
    for service, url in urls.items():
        sys.stdout.write(f"migrating {service}\n")
        sys.stdout.flush()
        upgrade(service, url)


if __name__ == "__main__":
    main()
