"""What Prefect's form shows of a flow's parameters."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def titled(title: str) -> Any:
    """Title of a parameter in the form, to be put into its annotation: `Annotated[bool, titled("Dry run")]`.

    Prefect sets the title of every parameter to its Python name; what a field adds to the schema is kept.
    """
    return Field(json_schema_extra={"title": title})
