"""The published language: what services say to one another, and nothing about how they work."""
