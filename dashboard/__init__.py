"""The dashboard: what staff see of `memory_core`."""
