"""The one public door: routes, checks tokens, limits, and forwards through its sidecar."""
