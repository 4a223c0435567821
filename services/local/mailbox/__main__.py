"""Start the mailbox: `python -m services.local.mailbox --smtp-port P --http-port P --state DIR`."""

import sys

from services.local.mailbox import app, settings

if __name__ == "__main__":
    app.serve(settings.read(sys.argv[1:]))
