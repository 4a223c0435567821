"""The long proofs: each makes a system of its own, does its worst to it and prints the figure that it reached."""
