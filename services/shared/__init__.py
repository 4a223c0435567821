"""Plumbing without business words: what every service stands on."""
