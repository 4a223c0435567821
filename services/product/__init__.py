"""The catalogue: products, their import, how they are listed, found and priced."""
