"""Measurements against plain mem0 and chromadb, side by side in one run."""
