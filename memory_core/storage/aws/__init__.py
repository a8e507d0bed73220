"""Amazon Web Services: clients, retries, pace and errors; only `client` imports boto3."""

from ...embedders import bedrock
from .client import (
    Aws,
    Credentials,
    cause_of,
    credentials_source,
    each,
    model_invoker,
    read_credentials,
    status_of,
)
from .endpoint import Endpoint
from .retry import Pace, Retries, pace_of

bedrock.connect_with(model_invoker)

__all__ = [
    "Aws",
    "Credentials",
    "Endpoint",
    "Pace",
    "Retries",
    "cause_of",
    "credentials_source",
    "each",
    "pace_of",
    "read_credentials",
    "status_of",
]
