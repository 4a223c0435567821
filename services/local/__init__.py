"""Running everything on one machine: command line, supervision, embedded stores, the Dapr runtime, stand-ins."""
