"""The standing proof: probes that stay stored and are read back, and alerts when that changes.

    watch/v1/slots/<seconds>.json              an interval that an instance took for its check
    watch/v1/proof/<number>.json               the record after each check, with the receipt
    watch/v1/alerts/<kind>/<number>.json       a change that is reported; .outcome.json: how it went

Of several instances the first to write an object has the interval, the number or the change.
"""

from .alerts import AlertKind, Alerts, alerts_to, failed_alerts
from .probes import is_standing
from .record import Loss, Proof, read_proof
from .watcher import Watcher

__all__ = [
    "AlertKind",
    "Alerts",
    "Loss",
    "Proof",
    "Watcher",
    "alerts_to",
    "failed_alerts",
    "is_standing",
    "read_proof",
]
