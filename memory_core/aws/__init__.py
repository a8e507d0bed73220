"""Amazon Web Services: clients, retries, pace and errors; `clients` alone imports boto3."""

from .clients import Aws, credentials_source
from .pace import Pace, pace_of
from .retries import Retries
from .threads import each

__all__ = ["Aws", "Pace", "Retries", "credentials_source", "each", "pace_of"]
