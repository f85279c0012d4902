"""The demo's result as tables on the terminal."""

from __future__ import annotations

from decimal import Decimal

from rich import box
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
    table = Table(title=run.source.capitalize(), title_justify="left", title_style="bold", expand=True, box=box.SIMPLE)
    table.add_column("Deal, account, and what became of it", overflow="fold", ratio=1)
    table.add_column("ERP order", no_wrap=True)
    table.add_column("In", no_wrap=True)
    table.add_column("CRM total", justify="right", no_wrap=True)
    table.add_column("ERP total", justify="right", no_wrap=True)
    for row in run.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: ReportRow) -> list[str]:
    fate = [f"[bold]{escape(row.name)}[/]", f"[dim]{escape(row.account or '')}[/]"]
    if row.queue:
        fate.append(f"[yellow]{row.queue.value}: {escape(row.reason)}[/]")
    elif row.outcome is Outcome.EXCLUDED:
        fate.append(f"[dim]Excluded: {escape(row.reason)}[/]")
    fate += [f"[cyan]{escape(note.text)}[/]" for note in row.notes if note.flag and not row.queue]
    return [
        "\n".join(fate),
        escape(row.erp_number or ""),
        escape(row.subsidiary or ""),
        _amount(row.crm_total, row.currency),
        _amount(row.erp_total, row.currency),
    ]


def _amount(amount: Decimal | None, currency: str | None) -> str:
    return "" if amount is None else f"{amount:,} {currency or ''}".strip()
