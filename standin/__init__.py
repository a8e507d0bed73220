"""A strict local stand-in for Amazon S3 and Amazon S3 Vectors.

    with StandIn() as standin:
        client = standin.client("s3vectors")

See `standin.StandIn`, `control.Control`, `switches.Switches` and `faults.FaultRule`.
"""

from .faults import FaultRule
from .remote import RemoteControl
from .requestlog import RequestRecord
from .standin import StandIn
from .switches import Switches

__all__ = ["FaultRule", "RemoteControl", "RequestRecord", "StandIn", "Switches"]
