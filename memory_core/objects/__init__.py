"""Object stores, loaded when a backend asks for one."""

from .base import ObjectStore
from .local import LocalObjects

__all__ = ["LocalObjects", "ObjectStore"]
