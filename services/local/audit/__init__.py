"""The audit: one program that checks the invariants I1 to I10 from the databases, the provider's records and histories.

It reads tables only, in one snapshot of each database, and changes nothing.
"""

from services.local.audit.auditing import QUIET, audit, until_clean
from services.local.audit.report import INVARIANTS, Finding, Report
from services.local.audit.sources import NoSystem, Sources, opened, sources_of

__all__ = [
    "INVARIANTS",
    "QUIET",
    "Finding",
    "NoSystem",
    "Report",
    "Sources",
    "audit",
    "opened",
    "sources_of",
    "until_clean",
]
