"""Migration: memories of any source come along once, all of them, and it is proven.

    plan    reads only: what is there, what becomes of each, how long it takes
    apply   copies what is not there yet; safe to repeat, and to cut off anywhere
    verify  compares every memory by id and content, for a receipt

All three take the service that memories go to and the address of a source.
"""

from ..intake import Verdict, Verdicts
from .lease import Lease, read_holder
from .receipts import check_receipt, make_receipt
from .sources import address_of, parse
from .values import (
    Conflict,
    Difference,
    Estimate,
    MigrationPlan,
    MigrationReport,
    Part,
    Survey,
    UserPlan,
    Verification,
    VerifiedUser,
)
from .verifying import verify
from .work import apply, plan

__all__ = [
    "Conflict",
    "Difference",
    "Estimate",
    "Lease",
    "MigrationPlan",
    "MigrationReport",
    "Part",
    "Survey",
    "UserPlan",
    "Verdict",
    "Verdicts",
    "Verification",
    "VerifiedUser",
    "address_of",
    "apply",
    "check_receipt",
    "make_receipt",
    "parse",
    "plan",
    "read_holder",
    "verify",
]
