"""What the catalogue does, one function a verb."""
