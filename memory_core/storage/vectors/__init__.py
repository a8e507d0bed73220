"""Vector stores behind one interface; each is loaded when a backend needs it."""

from .base import Vector, VectorStore

__all__ = ["Vector", "VectorStore"]
