"""Amazon Web Services: clients, retries, pace and errors; only `client` imports boto3."""

from .client import (
    Aws,
    Credentials,
    cause_of,
    credentials_source,
    each,
    read_credentials,
    status_of,
)
from .endpoint import Endpoint, foreign_endpoint
from .retry import Pace, Retries, pace_of

__all__ = [
    "Aws",
    "Credentials",
    "Endpoint",
    "Pace",
    "Retries",
    "cause_of",
    "credentials_source",
    "each",
    "foreign_endpoint",
    "pace_of",
    "read_credentials",
    "status_of",
]
