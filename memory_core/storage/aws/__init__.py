"""Amazon Web Services: clients, retries, pace and errors; `client` alone imports boto3."""

from ...embedders import bedrock
from .client import Aws, model_invoker
from .retry import Pace, Retries, pace_of

bedrock.connect_with(model_invoker)

__all__ = ["Aws", "Pace", "Retries", "pace_of"]
