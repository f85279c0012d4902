"""Registers and runs the demo's deployments: `python -m prefect_crm_erp.cli.runner INTEGRATION READY_FILE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import get_args

from prefect.deployments.runner import EntrypointType
from prefect.runner import Runner

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows import quote_to_order
from prefect_crm_erp.flows.quote_to_order import Source

DESCRIPTION = (
    "Turns {source} of the CRM into orders of the ERP, each exactly once. What cannot be ordered yet is parked: "
    "the tables of the run, and the record in the CRM, say why."
)


async def serve(integration: str, ready: Path) -> None:
    """Register one deployment for each source, say so in the file, and run what is scheduled until terminated."""
    # By its id: the run form then shows it as chosen already, which it does not by its name.
    saved: Integration = await Integration.aload(integration)
    chosen = {"$ref": {"block_document_id": str(saved._block_document_id)}}
    runner = Runner(name="prefect-crm-erp", query_seconds=1, limit=3, pause_on_shutdown=False)
    for source in get_args(Source):
        deployment = await quote_to_order.ato_deployment(
            name=source,
            parameters={"integration": chosen, "source": source},
            description=DESCRIPTION.format(source=source),
            tags=["order-to-cash"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        await runner.aadd_deployment(deployment)
    ready.touch()
    await runner.start()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
