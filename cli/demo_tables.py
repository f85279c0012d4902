"""The demo's result as tables on the terminal."""

from __future__ import annotations

from decimal import Decimal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from prefect_crm_erp.cli.demo_run import DemoResult, SourceRun
from prefect_crm_erp.models.outcomes import Outcome, ReportRow


def show_result(result: DemoResult, console: Console) -> None:
    """Print each deal's fate, then where to look further."""
    for run in result.runs:
        console.print(_table(run))
    counts = {each: sum(1 for row in result.rows if row.outcome is each) for each in Outcome}
    parts = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items())
    console.print(f"\n{len(result.rows)} deals = {parts}: every deal is accounted for. ({result.seconds:.0f} s)")
    console.print("\n[bold]Where to look[/]")
    names = {
        "prefect_ui": "Prefect UI",
        "flow_run": "The run",
        "artifacts": "Its tables",
        "deployments": "Run it yourself",
        "salesforce": "Salesforce sandbox",
        "tryton": "Tryton",
    }
    for key, name in names.items():
        console.print(f"  {name:<20}{result.urls[key]}", highlight=False)
    console.print("\nThe servers stop with the demo; [bold]--keep[/] leaves them running.")


def _table(run: SourceRun) -> Table:
    table = Table(title=run.source.capitalize(), title_justify="left", title_style="bold", show_lines=False)
    table.add_column("Deal", overflow="fold")
    table.add_column("Account", overflow="fold")
    table.add_column("ERP order", no_wrap=True)
    table.add_column("Subsidiary")
    table.add_column("CRM total", justify="right", no_wrap=True)
    table.add_column("ERP total", justify="right", no_wrap=True)
    table.add_column("Queue, or what was assumed", overflow="fold", ratio=1)
    for row in run.rows:
        table.add_row(*_cells(row), style=_STYLE[row.outcome])
    return table


_STYLE = {Outcome.WRITTEN: "", Outcome.UNCHANGED: "dim", Outcome.QUEUED: "yellow", Outcome.EXCLUDED: "dim"}


def _cells(row: ReportRow) -> list[str]:
    remarks = [note.text for note in row.notes if note.flag]
    if row.queue:
        remarks = [f"[bold]{row.queue.value}[/]: {escape(row.reason)}"]
    elif row.outcome is Outcome.EXCLUDED:
        remarks = [f"excluded: {escape(row.reason)}"]
    else:
        remarks = [escape(remark) for remark in remarks]
    return [
        escape(row.name),
        escape(row.account or ""),
        escape(row.erp_number or ""),
        escape(row.subsidiary or ""),
        _amount(row.crm_total, row.currency),
        _amount(row.erp_total, row.currency),
        "; ".join(remarks),
    ]


def _amount(amount: Decimal | None, currency: str | None) -> str:
    return "" if amount is None else f"{amount:,} {currency or ''}".strip()
