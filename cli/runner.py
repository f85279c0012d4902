"""Registers and runs the demo's deployments: `python -m prefect_crm_erp.cli.runner INTEGRATION READY_FILE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import get_args

from prefect.deployments.runner import EntrypointType
from prefect.runner import Runner

from prefect_crm_erp.flows import quote_to_order
from prefect_crm_erp.flows.quote_to_order import Source


async def serve(integration: str, ready: Path) -> None:
    """Register one deployment for each source, say so in the file, and run what is scheduled until terminated."""
    runner = Runner(name="prefect-crm-erp", query_seconds=1, limit=3, pause_on_shutdown=False)
    for source in get_args(Source):
        deployment = await quote_to_order.ato_deployment(
            name=source,
            parameters={
                "integration": {"$ref": {"block_document_slug": f"crm-erp-integration/{integration}"}},
                "source": source,
            },
            description=f"Turns {source} of the CRM into orders of the ERP.",
            tags=["order-to-cash"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        await runner.aadd_deployment(deployment)
    ready.touch()
    await runner.start()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
