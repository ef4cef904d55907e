"""The doors of other tools to us: image builders for Flyte."""
