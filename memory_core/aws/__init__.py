"""Amazon Web Services: clients, retries, pace and errors; `clients` alone imports boto3."""

from .clients import Aws, Credentials, cause_of, credentials_source, read_credentials
from .pace import Pace, pace_of
from .retries import Retries
from .threads import each

__all__ = [
    "Aws",
    "Credentials",
    "Pace",
    "Retries",
    "cause_of",
    "credentials_source",
    "each",
    "pace_of",
    "read_credentials",
]
