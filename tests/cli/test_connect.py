"""A company's connections are saved from variables, and no secret is seen on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values
from fixtures_salesforce import SandboxOrg
from prefect.settings import PREFECT_API_URL
from pydantic import SecretStr
from world import World

from prefect_crm_erp.blocks import Integration, OrderPolicy, Salesforce
from prefect_crm_erp.cli import environment
from prefect_crm_erp.cli.connect import run_connect
from prefect_crm_erp.flows import quote_to_order
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.sandbox.tryton import TrytonAccess

ROOT = Path(__file__).resolve().parents[2]
THREE = "\nUS: US, CA, JP\nUK = UK: GB, Ireland\nDE = DE: DE, FR, SE\n"


def variables(org: SandboxOrg, erp: TrytonAccess, **changes: str) -> dict[str, str]:
    """Access to both systems, by JWT bearer on the CRM's side."""
    access = org.access
    return {
        "SALESFORCE_INSTANCE_URL": access.http_url,
        "SALESFORCE_CONSUMER_KEY": access.jwt_client_id,
        "SALESFORCE_PRIVATE_KEY_FILE": access.jwt_private_key_file,
        "SALESFORCE_USERNAME": access.username,
        "TRYTON_SERVER_URL": erp.url,
        "TRYTON_DATABASE": erp.database,
        "TRYTON_USERNAME": erp.user,
        "TRYTON_PASSWORD": erp.password,
        "SUBSIDIARIES": THREE,
        **changes,
    }


def write_file(folder: Path, values: dict[str, str]) -> Path:
    path = folder / ".env"
    path.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
    return path


def connect(name: str, folder: Path, *words: str, **set_variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, against the tests' Prefect server."""
    environ = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), **set_variables}
    command = [sys.executable, "-m", "prefect_crm_erp.cli.main", "connect", name, *words]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)


def is_saved(name: str) -> bool:
    try:
        Integration.load(name, _sync=True)
    except ValueError:
        return False
    return True


@pytest.mark.requirement("A15")
def test_the_variables_of_a_file_and_of_the_environment_make_an_integration_that_works(
    world: World, tmp_path: Path
) -> None:
    deal = world.deal()
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    write_file(tmp_path, variables(world.org, world.access, TRYTON_DATABASE="another", LEDGER_URL=ledger))
    done = connect("from-file", tmp_path, TRYTON_DATABASE=world.access.database)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[0].startswith("Connected: Northlight Instruments (Salesforce at ")
    assert told[1].startswith("Connected: Tryton 8.0")
    assert told[-3:] == ["  US = US: US, CA, JP", "  UK = UK: GB, Ireland", "  DE = DE: DE, FR, SE"]
    key = Path(world.org.access.jwt_private_key_file).read_text()
    for secret in (world.access.password, key.splitlines()[1]):
        assert secret not in done.stdout + done.stderr
    report = quote_to_order(integration=Integration.load("from-file", _sync=True), dry_run=True)
    assert world.row(report, deal).subsidiary == "US"
    assert (tmp_path / "ledger.db").exists()


@pytest.mark.requirement("A15", "T07")
def test_a_refused_connection_ends_in_a_sentence_and_nothing_is_saved(world: World, tmp_path: Path) -> None:
    wrong = {"TRYTON_PASSWORD": "canary-password", "LEDGER_URL": "postgresql://me:canary-ledger@127.0.0.1:9/ledger"}
    write_file(tmp_path, variables(world.org, world.access, **wrong))
    done = connect("refused", tmp_path)
    assert done.returncode == 1
    assert "Tryton: " in done.stderr
    assert "Ledger: " in done.stderr
    assert "Nothing was saved" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not is_saved("refused")


@pytest.mark.requirement("A15")
def test_missing_and_misspelt_variables_are_all_named_at_once(tmp_path: Path) -> None:
    path = write_file(tmp_path, {"SALESFORCE_PRIVATE_KEY_FILE": "key.pem", "TRYTON_USERNAME": "ann"})
    with pytest.raises(ConfigurationError) as missing:
        run_connect("nothing", env_file=path, check=False)
    named = ("SALESFORCE_INSTANCE_URL", "SALESFORCE_USERNAME", "SALESFORCE_CONSUMER_KEY", "TRYTON_SERVER_URL")
    assert all(name in str(missing.value) for name in (*named, "TRYTON_DATABASE", "TRYTON_PASSWORD", "SUBSIDIARIES"))
    assert not any(f"{name};" in str(missing.value) for name in ("TRYTON_USERNAME", "SALESFORCE_CONSUMER_SECRET"))
    path = write_file(tmp_path, {"TRYTON_PASSWRD": "canary", "TRYTON_CA": "x"})
    with pytest.raises(ConfigurationError, match=r"TRYTON_PASSWRD \(is it TRYTON_PASSWORD\?\), TRYTON_CA") as misspelt:
        run_connect("nothing", env_file=path, check=False)
    assert "canary" not in str(misspelt.value)
    path.write_text("TRYTON_DATABASE=erp\nTRYTON_PASSWORD='canary\n")
    with pytest.raises(ConfigurationError, match=r"\.env, line 2: not NAME=VALUE, or a quote that is not closed$"):
        run_connect("nothing", env_file=path, check=False)
    with pytest.raises(ConfigurationError, match=r"gone\.env cannot be read: No such file"):
        run_connect("nothing", env_file=tmp_path / "gone.env", check=False)


def test_values_are_taken_as_they_are_written(tmp_path: Path) -> None:
    path = write_file(tmp_path, {"TRYTON_PASSWORD": "a ${HOME} #1 secret", "SALESFORCE_PASSWORD": " "})
    assert environment.read_variables(path) == {"TRYTON_PASSWORD": "a ${HOME} #1 secret"}


@pytest.mark.requirement("A15")
def test_without_subsidiaries_the_companies_of_the_erp_are_proposed_and_none_is_taken(
    world: World, tmp_path: Path
) -> None:
    values = variables(world.org, world.access, SUBSIDIARIES="")
    with pytest.raises(ConfigurationError) as missing:
        run_connect("no-default", env_file=write_file(tmp_path, values), check=True)
    assert "never a default" in str(missing.value)
    first, second, third = world.access.companies
    proposed = "; ".join(f"{each.code} = {each.name}:" for each in (first, second, third))
    assert f"SUBSIDIARIES='{proposed}'".replace(":;", ": ;") in str(missing.value)
    assert not is_saved("no-default")
    values = variables(world.org, world.access, SUBSIDIARIES="US: US; UK = Acme: US")
    with pytest.raises(ConfigurationError, match="United States belongs to US and to UK"):
        run_connect("no-default", env_file=write_file(tmp_path, values), check=True)
    values = variables(world.org, world.access, SUBSIDIARIES="US: US; UK = Acme: GB")
    with pytest.raises(ConfigurationError, match=r"There is no company 'Acme'; there are: [^\n]+\nNothing was saved"):
        run_connect("no-default", env_file=write_file(tmp_path, values), check=True)


@pytest.mark.requirement("A15")
def test_connecting_again_changes_the_credentials_and_keeps_what_was_set_up_in_the_browser(
    world: World, tmp_path: Path
) -> None:
    values = variables(world.org, world.access)
    run_connect("again", env_file=write_file(tmp_path, values), check=False)
    before = Integration.load("again", _sync=True)
    OrderPolicy(shipping_sku="FREIGHT").save("again-orders", overwrite=True)
    before.crm.model_copy(update={"payment_terms_field": "Terms__c"}).save("again-salesforce", overwrite=True)
    access = world.org.access
    for name in ("SALESFORCE_PRIVATE_KEY_FILE", "SALESFORCE_USERNAME", "SUBSIDIARIES"):
        del values[name]
    values |= {"SALESFORCE_CONSUMER_KEY": access.client_id, "SALESFORCE_CONSUMER_SECRET": access.client_secret}
    run_connect("again", env_file=write_file(tmp_path, values), check=False)
    after = Integration.load("again", _sync=True)
    assert isinstance(after.crm, Salesforce)
    assert after.crm.consumer_secret == SecretStr(access.client_secret)
    assert (after.crm.private_key, after.crm.username) == (None, None)
    assert after.crm.payment_terms_field == "Terms__c"
    assert after.orders.shipping_sku == "FREIGHT"
    assert after.routing.subsidiaries == before.routing.subsidiaries
    assert after._block_document_id == before._block_document_id


def test_the_example_file_names_every_variable() -> None:
    known = {*environment.SALESFORCE, *environment.TRYTON, *environment.LEDGER, environment.SUBSIDIARIES}
    assert dotenv_values(ROOT / ".env.example").keys() == known
