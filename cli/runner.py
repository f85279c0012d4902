"""Registers and runs the demo's deployments: `python -m prefect_crm_erp.cli.runner INTEGRATION READY_FILE`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from prefect import Flow
from prefect.deployments.runner import EntrypointType
from prefect.runner import Runner

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows import account_sync, duplicate_report, quote_to_order, reconcile
from prefect_crm_erp.flows.quote_to_order import Source

DESCRIPTION = (
    "Turns {source} of the CRM into orders of the ERP, each exactly once. What cannot be ordered yet is parked: "
    "the tables of the run, and the record in the CRM, say why."
)


class Offered(NamedTuple):
    """A deployment without schedule, to be run by hand."""

    flow: Flow[..., Any]
    name: str
    description: str
    tags: list[str]
    parameters: dict[str, Any] = {}


ABOUT_ACCOUNTS = (
    Offered(
        account_sync,
        "accounts and customers",
        "Keeps accounts and contacts of the CRM and customers of the ERP in step, each field by its owner. What cannot "
        "be decided is parked: the tables of the run, and the account in the CRM, say why.",
        ["accounts"],
        {"direction": "both"},
    ),
    Offered(
        reconcile,
        "daily reconciliation",
        "Compares the key fields of linked accounts and customers on both sides as they stand, and writes nothing to "
        "either. What differs again and again is named, with the ownership that needs tightening.",
        ["accounts", "data-quality"],
    ),
    Offered(
        duplicate_report,
        "weekly duplicate report",
        "Finds duplicates in the CRM, in each ERP, and accounts and customers that look alike without being linked. "
        "Nothing is written to any of them. Run it before a first load, too.",
        ["accounts", "data-quality"],
    ),
)


def offered() -> Iterator[Offered]:
    """The demo's deployments: quote-to-order for each source, and what keeps accounts in step."""
    for source in get_args(Source):
        description = DESCRIPTION.format(source=source)
        yield Offered(quote_to_order, source, description, ["order-to-cash"], {"source": source})
    yield from ABOUT_ACCOUNTS


async def serve(integration: str, ready: Path) -> None:
    """Register the deployments, say so in the file, and run what is scheduled until terminated."""
    # By its id: the run form then shows it as chosen already, which it does not by its name.
    saved: Integration = await Integration.aload(integration)
    chosen = {"$ref": {"block_document_id": str(saved._block_document_id)}}
    runner = Runner(name="prefect-crm-erp", query_seconds=1, limit=3, pause_on_shutdown=False)
    for each in offered():
        deployment = await each.flow.ato_deployment(
            name=each.name,
            parameters={"integration": chosen, **each.parameters},
            description=each.description,
            tags=each.tags,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        await runner.aadd_deployment(deployment)
    ready.touch()
    await runner.start()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
