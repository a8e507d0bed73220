"""Object stores behind one interface."""

from .base import ObjectStore, take
from .local import LocalObjects
from .s3 import S3Objects

__all__ = ["LocalObjects", "ObjectStore", "S3Objects", "take"]
