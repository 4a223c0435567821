"""Every SQL statement of the catalogue, by what it is about."""
