"""Plugins of other tools: each is loaded by the tool's own entry point, never by us."""
