"""How blocks appear in Prefect's forms, and what its forms do to them."""

from __future__ import annotations

import inspect
from copy import deepcopy
from decimal import Decimal
from typing import Annotated, Any

from prefect.blocks.core import Block
from pydantic import HttpUrl, PlainSerializer, SecretStr, WithJsonSchema

LOGO_URL = HttpUrl("https://raw.githubusercontent.com/prefect-crm-erp/prefect-crm-erp/main/docs/logo.png")
DOCUMENTATION_URL = HttpUrl("https://github.com/prefect-crm-erp/prefect-crm-erp#readme")

_AS_NUMBER = PlainSerializer(float, return_type=float, when_used="json")
Percent = Annotated[Decimal, _AS_NUMBER, WithJsonSchema({"type": "number"})]
"""A share in percent: exact, and one plain field of the form, where a Decimal would be a choice of number or text."""


_SCHEMAS: dict[type[OrderedForm], dict[str, Any]] = {}


class OrderedForm:
    """Shows a block's fields in the order of its class, and what it inherits after them.

    Without it the order is that of the stored schema, which PostgreSQL does not keep.
    """

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema, with the place of each field in the form.

        Prefect asks for it once for each flow and each block within a block, so that it is made once and copied.
        """
        if args or kwargs:
            return cls._ordered_schema(*args, **kwargs)
        if cls not in _SCHEMAS:
            _SCHEMAS[cls] = cls._ordered_schema()
        return deepcopy(_SCHEMAS[cls])

    @classmethod
    def _ordered_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        schema: dict[str, Any] = super().model_json_schema(*args, **kwargs)  # type: ignore[misc]  # of the block
        own_first = dict.fromkeys(name for base in cls.__mro__ for name in inspect.get_annotations(base))
        fields = schema.get("properties", {})
        schema["properties"] = {name: fields[name] for name in own_first if name in fields} | fields
        for position, field in enumerate(schema["properties"].values()):
            field["position"] = position
        return schema


def holds_masked_secret(block: Block) -> bool:
    """Whether a secret of the block is what a form shows instead of it: asterisks."""
    secrets = (getattr(block, name) for name in type(block).model_fields)
    return any(isinstance(each, SecretStr) and set(each.get_secret_value()) == {"*"} for each in secrets)
