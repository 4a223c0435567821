"""What the command line refuses, in words for the person at the terminal."""


class Refusal(Exception):
    """Something that the person has to know or do; the message says what."""


class PortTaken(Refusal):
    """A port that the system needs belongs to somebody else."""

    def __init__(self, port: int, holder: str) -> None:
        """Say who holds the port, and how to go round it."""
        super().__init__(f"Port {port} is taken by {holder}. Stop it, or move the system: ./sidecart up --port 18080")


class AlreadyRunning(Refusal):
    """One checkout runs once."""


class StartFailed(Refusal):
    """A process did not become healthy; the message ends with the tail of its log."""


class MissingTool(Refusal):
    """Something has to be installed first."""
