"""Report of files of orders: one for each file, with file, line and reason, and one over all of them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from prefect_crm_erp.blocks.ledger import Coverage
from prefect_crm_erp.models.outcomes import Outcome, ReportRow
from prefect_crm_erp.tasks.batch_run import BatchRun
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, SENTENCE_WIDTH, amount, link, stacked, table, text
from prefect_crm_erp.tasks.report import RunReport, equation, prove, requests_line
from prefect_crm_erp.tasks.tables import (
    NEXT_STEP,
    ROWS_SHOWN,
    changes_tables,
    counts_table,
    queues_table,
    review_table,
    totals_table,
)

SOURCE: Final = "batch files"


class FileReport(RunReport):
    """What a run did with one file of orders; counts are orders, and lines that belong to none.

    Attributes:
        file: Name of the file.
        lines: Lines of the file that are not blank.
        refused: Why the file was not read at all; None when it was.
    """

    def __init__(self, run: BatchRun, coverage: Coverage, refused: str | None = None) -> None:
        super().__init__(run, coverage)
        self.file = run.file
        self.lines = run.lines
        self.refused = refused

    def in_words(self) -> str:
        """The file and its counts as a sentence, for people."""
        return f"{self.file}: {f'refused: {self.refused}' if self.refused else super().in_words()}"


class BatchReport:
    """What a run did with files of orders.

    Attributes:
        files: The report of each file, in their order.

    Example:
        ```python
        report = order_batch(integration=Integration.load("sandbox"), files=["orders.csv"])
        for file in report.files:
            for row in file.rows:
                print(row.name, row.outcome.value, row.erp_number, row.reason)
        ```
    """

    def __init__(self, files: Sequence[FileReport]) -> None:
        self.files = tuple(files)

    @property
    def refused(self) -> tuple[FileReport, ...]:
        """The files that were not read."""
        return tuple(each for each in self.files if each.refused)

    @property
    def rows(self) -> list[ReportRow]:
        """One row for each order of all files, in the order of reading."""
        return [row for each in self.files for row in each.rows]

    def in_words(self) -> str:
        """The counts of all files as a sentence, for people."""
        if not self.files:
            return "There are no files"
        written, unchanged, queued = (
            sum(getattr(each, name) for each in self.files) for name in ("written", "unchanged", "queued")
        )
        would = "would be written" if self.files[0].dry_run else "written"
        refused = f", {len(self.refused)} refused" if self.refused else ""
        return (
            f"{len(self.files):,} files read{refused}: {written:,} orders {would}, {unchanged:,} unchanged, "
            f"{queued:,} queued"
        )

    def __repr__(self) -> str:
        """The counts."""
        return f"BatchReport({self.in_words()})"


@task(name="Report on the file", cache_policy=NO_CACHE, persist_result=False)
def report_file(run: BatchRun, refused: str | None = None) -> FileReport:
    """Publish the tables of one file, and prove that every order of it is accounted for.

    Args:
        run: The run over the file.
        refused: Why the file was not read; emits the event `prefect-crm-erp.file.refused`.

    Raises:
        CoverageError: Orders are without outcome.
    """
    coverage = run.store.coverage(run.run_id)
    report = FileReport(run, coverage, refused)
    create_markdown_artifact(_shown(run, report, coverage), key=file_key(run.file), description=text(report.in_words()))
    if refused:
        _alert(run, refused)
    prove(run, coverage, [])
    return report


@task(name="Report on all files", cache_policy=NO_CACHE, persist_result=False)
def report_batch(files: BatchReport) -> BatchReport:
    """Publish one table over all files."""
    rows = [
        [
            text(harmless(each.file), NAME_WIDTH),
            *(f"{count:,}" for count in (each.lines, each.written, each.unchanged, each.queued, each.excluded)),
            text(each.refused, SENTENCE_WIDTH),
        ]
        for each in islice(files.files, ROWS_SHOWN)
    ]
    titles = ("File", "Lines", "Written", "Unchanged", "Queued", "Excluded", "Refused")
    shown = table(titles, rows, right={1, 2, 3, 4, 5}) if rows else "There are no files."
    create_markdown_artifact(f"# Files of orders\n\n{shown}", key="batch-files-summary", description=files.in_words())
    return files


def harmless(value: str | None) -> str:
    """Text that a spreadsheet does not take for a formula when somebody copies a table into it.

    Example:
        >>> harmless("=1+1")
        "'=1+1"
    """
    return f"'{value}" if value and value.lstrip()[:1] in ("=", "+", "-", "@") else value or ""


def _shown(run: BatchRun, report: FileReport, coverage: Coverage) -> str:
    title = f"# {text(harmless(run.file))}"
    if report.refused:
        return f"{title}\n\n**The file was not read.** {text(report.refused)}."
    rows = partial(run.store.rows, run.run_id)
    written = [*islice(rows(outcome=Outcome.WRITTEN), ROWS_SHOWN)]
    sections = {
        "Orders": totals_table(rows(outcome=Outcome.WRITTEN)),
        "Would be written" if run.dry_run else "Written": _written(written),
        "Queues": queues_table(Counter(row.queue for row in rows(outcome=Outcome.QUEUED) if row.queue)),
        "What waits, and why": _waiting([*islice(rows(outcome=Outcome.QUEUED), ROWS_SHOWN)]),
        "Left alone": _waiting([*islice(rows(outcome=Outcome.EXCLUDED), ROWS_SHOWN)]),
        "To review": review_table(rows(having="notes")),
        "Before and after": changes_tables(written, report.written) if run.dry_run and written else "",
    }
    return "\n\n".join(
        [
            title,
            *(["**Dry run: nothing was written.**"] if run.dry_run else []),
            counts_table(_counts(report)),
            equation(report, coverage),
            *(f"## {name}\n\n{shown}" for name, shown in sections.items() if shown),
            f"*At most {ROWS_SHOWN} orders of each table are shown; the ledger has them all. "
            f"{requests_line(run, report)}.*",
        ]
    )


def _counts(report: FileReport) -> dict[str, int]:
    return {
        "Lines": report.lines,
        "Orders": report.source,
        "Would be written" if report.dry_run else "Written": report.written,
        "Unchanged": report.unchanged,
        "Queued": report.queued,
        "Excluded": report.excluded,
    }


def _written(rows: Sequence[ReportRow]) -> str:
    body = [
        [
            *_place(row),
            stacked(link(row.erp_number or "new", row.erp_url), text(row.subsidiary)),
            amount(row.crm_total, row.currency),
            amount(row.erp_total, row.currency),
        ]
        for row in rows
    ]
    titles = ("File and lines", "Account", "Order", "Total in the file", "Total in the ERP")
    return table(titles, body, right={3, 4}) if body else ""


def _waiting(rows: Sequence[ReportRow]) -> str:
    body = [
        [
            *_place(row),
            text(row.queue.value if row.queue else ""),
            text(row.reason, SENTENCE_WIDTH),
            text(NEXT_STEP[row.queue] if row.queue else "", NAME_WIDTH),
        ]
        for row in rows
    ]
    return table(("File and lines", "Account", "Queue", "Why", "What happens next"), body) if body else ""


def _place(row: ReportRow) -> list[str]:
    return [text(harmless(row.name), NAME_WIDTH), text(harmless(row.account), NAME_WIDTH)]


def file_key(name: str) -> str:
    """Key of a file's artifact: files of one name are versions of it."""
    plain = re.sub(r"[^0-9a-z]+", "-", name.casefold()).strip("-")[:60]
    digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:6]
    return "-".join(filter(None, ("batch-file", plain, digest)))


def _alert(run: BatchRun, refused: str) -> None:
    emit_event(
        event="prefect-crm-erp.file.refused",
        resource={
            "prefect.resource.id": f"prefect-crm-erp.{file_key(run.file)}",
            "prefect.resource.name": run.file,
            "prefect-crm-erp.integration": run.integration.state_name,
        },
        payload={"file": run.file, "reason": refused},
    )
