"""The redeploy test: proof that memories survive a deployment, or exactly which did not.

Distinct probes are written under reserved users and read back; a receipt, kept by the tester,
lists them; after the deployment a fresh process looks for them. Only acknowledged probes count,
only a deployment with evidence proves anything, and each simulation has a control that must be
lost.
"""

from ..model.counting import StepDone
from .deployment import begin, start_deployment, verify
from .probes import DEFAULT_PROBES
from .receipt import RedeployReceipt, from_code, from_file, to_code, to_file, write_receipt
from .records import abandon, clean_up_all, leftovers, pending, reports
from .report import LEVELS, Level, ProbeResult, ProbeState, Report, Verdict
from .simulation import simulate

__all__ = [
    "DEFAULT_PROBES",
    "LEVELS",
    "Level",
    "ProbeResult",
    "ProbeState",
    "RedeployReceipt",
    "Report",
    "StepDone",
    "Verdict",
    "abandon",
    "begin",
    "clean_up_all",
    "from_code",
    "from_file",
    "leftovers",
    "pending",
    "reports",
    "simulate",
    "start_deployment",
    "to_code",
    "to_file",
    "verify",
    "write_receipt",
]
