"""Runs a flow as an operator's Prefect runs it: in a process of its own, over a saved integration.

Reads a job from standard input, as `benchmarks.common.run_module` gives it, and prints the outcome. The time is that of
loading the block and of the whole flow run; starting Python and importing Prefect is not in it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.common import Stopwatch, peak_memory_mb
from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows import account_sync, invoice_back_sync, quote_to_order
from prefect_crm_erp.models.outcomes import Outcome
from prefect_crm_erp.tasks.report import RunReport

_REASONS = 5
_FLOWS: dict[str, Callable[..., Any]] = {
    "account_sync": account_sync,
    "invoice_back_sync": invoice_back_sync,
    "quote_to_order": quote_to_order,
}


def main() -> None:
    """Do the job that standard input describes."""
    job = json.load(sys.stdin)
    with Stopwatch() as stopwatch:
        integration = Integration.load(job["integration"])
        report = _FLOWS[job["flow"]](integration=integration, **job.get("parameters", {}))
    measured = {
        "seconds": stopwatch.seconds,
        "cpu_seconds": stopwatch.cpu_seconds,
        "peak_memory_mb": peak_memory_mb(),
    }
    print(json.dumps(measured | _counts(report)))


def _counts(report: RunReport) -> dict[str, Any]:
    parked = Counter(f"{row.queue}: {row.reason}" for row in report.iter_rows(Outcome.QUEUED))
    return {
        "source": report.source,
        "written": report.written,
        "unchanged": report.unchanged,
        "queued": report.queued,
        "excluded": report.excluded,
        "crm_calls": report.crm_calls,
        "erp_calls": report.erp_calls,
        "parked": parked.most_common(_REASONS),
    }


if __name__ == "__main__":
    main()
