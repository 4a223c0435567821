"""Killing processes at random under load, and the proof that nothing is lost: the program behind `./sidecart chaos`."""
