"""`python -m services.local`: the command line."""

from services.local import cli

if __name__ == "__main__":
    cli.main()
