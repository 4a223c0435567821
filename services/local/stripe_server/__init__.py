"""A small Stripe for local runs and tests: driven through the real SDK, it keeps its state and its promises."""
