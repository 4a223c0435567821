"""Start the stand-in: `python -m services.local.stripe_server --port P --state DIR --webhook-url URL`."""

import os
import sys

from services.local.stripe_server import app, settings

if __name__ == "__main__":
    app.serve(settings.read(sys.argv[1:], os.environ))
