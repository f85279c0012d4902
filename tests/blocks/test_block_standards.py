"""What Prefect asks of every block, and what an operator may expect of a saved integration."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from pydantic import BaseModel, SecretStr

from prefect_crm_erp import blocks
from prefect_crm_erp.blocks import Integration, Ledger, Salesforce, Subsidiary, SubsidiaryRouting, Tryton
from prefect_crm_erp.models.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
RAW = "https://raw.githubusercontent.com/prefect-crm-erp/prefect-crm-erp/main/"
EXPORTED = [each for name in blocks.__all__ if issubclass(each := getattr(blocks, name), BaseModel)]
BLOCKS = [each for each in EXPORTED if issubclass(each, Block)]
SECRETS = ("canary-consumer", "canary-password", "canary-ledger")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
class TestEveryBlock(BlockStandardTestSuite):
    """Prefect's own suite, over every block that the package exports."""

    @pytest.fixture
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        return request.param

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's test opens the address, on the Internet; the picture behind it lies in this repository."""
        address = str(block._logo_url)
        assert address.startswith(RAW)
        picture = (ROOT / address.removeprefix(RAW)).read_bytes()
        assert picture.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", picture[16:24])
        assert 45 < width == height < 1000


@pytest.mark.parametrize("model", EXPORTED, ids=lambda model: model.__name__)
def test_every_field_has_a_title_a_sentence_and_its_place_in_the_form(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.title, name
        assert field.title[0].isupper(), name
        assert field.description, name
        assert field.description.endswith("."), name
    if issubclass(model, Block):
        fields = model.model_json_schema()["properties"]
        assert sorted(each["position"] for each in fields.values()) == list(range(len(fields)))


def test_a_connections_form_begins_with_the_address() -> None:
    for block, first in ((Salesforce, "instance_url"), (Tryton, "server_url")):
        assert block.model_json_schema()["properties"][first]["position"] == 0


def test_what_somebody_does_to_a_form_is_not_done_to_the_next_ones() -> None:
    form = Tryton.model_json_schema()
    before = json.dumps(form)
    form["properties"].clear()
    assert json.dumps(Tryton.model_json_schema()) == before


def test_no_block_forbids_the_extra_keys_that_prefect_adds() -> None:
    assert [block.__name__ for block in BLOCKS if block.model_config.get("extra") == "forbid"] == []


# -------------------------------------------------------------------- a saved integration


@pytest.fixture
def saved(prefect: None, tmp_path: Path) -> Iterator[str]:
    """An integration whose connections are saved on their own; gives its name."""
    parts: dict[str, Block] = {
        "crm": Salesforce(instance_url="http://127.0.0.1:1", consumer_key="key", consumer_secret=SECRETS[0]),
        "erp": Tryton(server_url="http://127.0.0.1:1", database="erp", username="crm", password=SECRETS[1]),
        "ledger": Ledger(url=SecretStr(f"sqlite:///{tmp_path}/{SECRETS[2]}.db")),
        "routing": SubsidiaryRouting(subsidiaries=[Subsidiary(name="US", company="Inc", countries=["US"])]),
    }
    for name, block in parts.items():
        block.save(f"standards-{name}", overwrite=True)
    Integration(**parts).save("standards", overwrite=True)
    yield "standards"
    for name, block in parts.items():
        type(block).delete(f"standards-{name}")
    Integration.delete("standards")


def stored(name: str, *, with_references: bool = False) -> dict[str, Any]:
    """The integration's document as the server has it, secrets shown; without what its references stand for."""
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(name, "crm-erp-integration", include_secrets=True)
    left_out = set() if with_references else set(document.block_document_references)
    return {key: value for key, value in document.data.items() if key not in left_out}


@pytest.mark.requirement("GB13")
def test_a_password_changed_in_its_own_block_is_changed_for_the_integration(saved: str) -> None:
    tryton = Tryton.load("standards-erp")
    tryton.password = SecretStr("canary-changed")
    tryton.save("standards-erp", overwrite=True)

    assert Integration.load(saved).erp.password.get_secret_value() == "canary-changed"


def test_secrets_live_in_their_own_documents_alone(saved: str) -> None:
    assert all(secret in json.dumps(stored(saved, with_references=True)) for secret in SECRETS)
    assert not any(secret in json.dumps(stored(saved)) for secret in SECRETS)


def test_secrets_are_masked_for_whoever_does_not_ask_for_them(saved: str) -> None:
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(saved, "crm-erp-integration", include_secrets=False)
    loaded = Integration.load(saved)
    for shown in (document.model_dump_json(), repr(loaded), str(loaded), loaded.model_dump_json()):
        assert not any(secret in shown for secret in SECRETS)


def overwrite(name: str, data: dict[str, Any]) -> None:
    """Save the document as a form of Prefect does."""
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(name, "crm-erp-integration")
        client.update_block_document(document.id, BlockDocumentUpdate(data=data, merge_existing_data=False))


def test_an_optional_erp_that_a_form_left_empty_is_none(saved: str) -> None:
    overwrite(saved, {**stored(saved, with_references=True), "second_erp": {}, "third_erp": {}})
    loaded = Integration.load(saved)
    assert loaded.second_erp is loaded.third_erp is None
    loaded.check_references()


@pytest.mark.requirement("T07")
def test_asterisks_that_a_form_saved_over_the_references_are_named(saved: str) -> None:
    with get_client(sync_client=True) as client:
        shown = client.read_block_document_by_name(saved, "crm-erp-integration", include_secrets=False)
    overwrite(saved, json.loads(shown.model_dump_json())["data"])
    with pytest.raises(ConfigurationError, match=r"CRM, Main ERP, Ledger.*'standards'.*choose the saved block"):
        Integration.load(saved).check_references()
