"""Signing in to Salesforce: every way, every refusal, and what the form says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fixtures_salesforce import SandboxOrg
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from pydantic import SecretStr, ValidationError

from prefect_crm_erp.blocks.crm._salesforce_auth import SignIn, own_address
from prefect_crm_erp.blocks.crm.salesforce import Salesforce
from prefect_crm_erp.models.errors import AuthenticationError, ConfigurationError, RateLimitError, TransientError

HOME = "https://acme.my.salesforce.com"
NO_PASSWORD: dict[str, Any] = {"username": None, "password": None, "security_token": None}
CANARY = "c4nary-s3cret"


def with_key(org: SandboxOrg, key: str | None = None, **changes: Any) -> Salesforce:
    """A block that signs in by JWT bearer."""
    pem = key or Path(org.access.jwt_private_key_file).read_text()
    fields = {**NO_PASSWORD, "username": org.access.username, "consumer_key": org.access.jwt_client_id}
    return org.block(**{**fields, "private_key": pem, **changes})


def with_secret(org: SandboxOrg, **changes: Any) -> Salesforce:
    """A block that signs in by client credentials."""
    fields = {**NO_PASSWORD, "consumer_key": org.access.client_id, "consumer_secret": org.access.client_secret}
    return org.block(**{**fields, **changes})


class TestWays:
    def test_by_user_name_and_password(self, empty_org: SandboxOrg) -> None:
        assert empty_org.block().check().user == empty_org.access.username
        assert empty_org.calls()["POST /services/Soap/u/64.0"] == 1

    def test_by_client_credentials_which_tell_the_user(self, empty_org: SandboxOrg) -> None:
        assert with_secret(empty_org).check().user == empty_org.access.username

    def test_by_jwt_bearer(self, empty_org: SandboxOrg) -> None:
        assert with_key(empty_org).check().user == empty_org.access.username

    @pytest.mark.parametrize("line_end", [" ", "", "\\n", "\r\n"])
    def test_by_a_key_that_lost_its_line_ends_in_a_form(self, empty_org: SandboxOrg, line_end: str) -> None:
        pem = Path(empty_org.access.jwt_private_key_file).read_text().strip()
        assert with_key(empty_org, pem.replace("\n", line_end)).check().user

    def test_by_a_ready_session(self, empty_org: SandboxOrg) -> None:
        token = empty_org.client().session_id
        empty_org.clear_calls()
        assert empty_org.block(**NO_PASSWORD, session_id=token).check().name
        assert not [call for call in empty_org.calls() if "token" in call or "Soap" in call]

    def test_over_tls_with_the_companys_own_authority(self, empty_org: SandboxOrg) -> None:
        access = empty_org.access
        assert empty_org.block(instance_url=access.https_url, ca_file=access.ca_file).check().user == access.username

    def test_not_through_a_proxy_of_the_environment(
        self, empty_org: SandboxOrg, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert empty_org.block().check().name

    def test_a_general_sign_in_leads_to_the_orgs_own_address_and_nowhere_else(self) -> None:
        general = SignIn("https://login.salesforce.com", "64.0", 10)
        assert own_address(general, "acme.my.salesforce.com") == HOME
        assert own_address(SignIn(HOME, "64.0", 10), "elsewhere.example.com") == HOME
        with pytest.raises(AuthenticationError, match="unexpected host"):
            own_address(general, "salesforce.com.example.com")


class TestRefusals:
    @pytest.mark.requirement("T07")
    @pytest.mark.parametrize(
        ("changes", "advice"),
        [
            ({"password": CANARY}, "security token"),
            ({"security_token": CANARY}, "security token"),
            ({"username": "nobody@example.com"}, "check user name"),
        ],
    )
    def test_a_wrong_password_says_what_to_check(
        self, empty_org: SandboxOrg, changes: dict[str, str], advice: str
    ) -> None:
        with pytest.raises(AuthenticationError, match=advice) as caught:
            empty_org.block(**changes).check()
        assert "INVALID_LOGIN" in str(caught.value)
        assert CANARY not in str(caught.value)

    def test_a_wrong_consumer_secret_says_what_to_check(self, empty_org: SandboxOrg) -> None:
        with pytest.raises(AuthenticationError, match="consumer secret"):
            with_secret(empty_org, consumer_secret=CANARY).check()

    def test_a_wrong_consumer_key_says_what_to_check(self, empty_org: SandboxOrg) -> None:
        with pytest.raises(AuthenticationError, match="check the consumer key"):
            with_key(empty_org, consumer_key="nobody").check()

    def test_a_key_that_is_not_the_apps_says_what_to_check(self, empty_org: SandboxOrg) -> None:
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = stranger.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        with pytest.raises(AuthenticationError, match="private key belongs to the app's certificate"):
            with_key(empty_org, pem).check()

    @pytest.mark.parametrize("key", [CANARY, f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"])
    def test_what_is_no_key_is_refused_before_anything_is_sent(self, empty_org: SandboxOrg, key: str) -> None:
        with pytest.raises(ConfigurationError, match="private key") as caught:
            with_key(empty_org, key).check()
        assert CANARY not in str(caught.value)
        assert empty_org.calls() == {}

    def test_an_ended_ready_session_asks_for_a_new_one(self, empty_org: SandboxOrg) -> None:
        with pytest.raises(AuthenticationError, match="give a new one"):
            empty_org.block(**NO_PASSWORD, session_id="00D000000000000!" + CANARY).check()

    def test_an_unknown_authority_speaks_of_the_ca_file(self, empty_org: SandboxOrg) -> None:
        with pytest.raises(ConfigurationError, match="give the CA file"):
            empty_org.block(instance_url=empty_org.access.https_url).check()

    def test_a_ca_file_that_is_not_there_is_named(self, empty_org: SandboxOrg, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"absent\.pem cannot be used"):
            empty_org.block(instance_url=empty_org.access.https_url, ca_file=tmp_path / "absent.pem").check()

    def test_an_api_version_that_does_not_exist_is_spoken_of(self, empty_org: SandboxOrg) -> None:
        with pytest.raises(ConfigurationError, match="API version"):
            with_secret(empty_org, api_version="99.0").check()

    @pytest.mark.parametrize("status", [200, 404])
    def test_an_address_that_is_no_salesforce_says_so(self, empty_org: SandboxOrg, status: int) -> None:
        empty_org.fault("/services/", status=status, body="<html>Welcome to our shop</html>", times=None)
        for connection in (empty_org.block(), with_secret(empty_org)):
            with pytest.raises(ConfigurationError, match="check the address"):
                connection.check()

    def test_a_page_in_place_of_data_says_so(self, empty_org: SandboxOrg) -> None:
        empty_org.fault("/query", status=200, body="<html>Down for maintenance</html>")
        with pytest.raises(ConfigurationError, match="check that the address is that of a Salesforce org"):
            empty_org.block().check()

    def test_a_redirect_does_not_carry_the_password_elsewhere(self, empty_org: SandboxOrg) -> None:
        elsewhere = {"Location": "https://elsewhere.example.com/services/Soap/u/64.0"}
        empty_org.fault("Soap", status=302, headers=elsewhere, body="moved", times=None)
        with pytest.raises(ConfigurationError, match="My Domain"):
            empty_org.block().check()
        assert sum(empty_org.calls().values()) == 1

    def test_a_sign_in_that_is_down_for_a_moment_is_tried_again(self, empty_org: SandboxOrg) -> None:
        empty_org.fault("token", status=503, body="<h1>Service Unavailable</h1>", times=2)
        assert with_secret(empty_org).check().name

    def test_a_sign_in_that_stays_down_is_a_matter_of_time(self, empty_org: SandboxOrg) -> None:
        empty_org.fault("Soap", drop="before", times=None)
        with pytest.raises(TransientError):
            empty_org.block().check()

    def test_too_many_sign_ins_are_a_limit(self, empty_org: SandboxOrg) -> None:
        limit = {"error": "LOGIN_RATE_EXCEEDED", "error_description": "login rate exceeded"}
        empty_org.fault("token", status=400, body=limit, times=None)
        with pytest.raises(RateLimitError, match="within an hour"):
            with_secret(empty_org).check()

    @pytest.mark.requirement("T02")
    def test_a_server_that_always_says_expired_is_asked_twice_and_no_more(self, empty_org: SandboxOrg) -> None:
        empty_org.fault("/services/data/", expire_session=True, times=None)
        with pytest.raises(AuthenticationError, match="session is not accepted"):
            empty_org.block().check()
        assert sum(empty_org.calls().values()) == 4, "two sign-ins, two tries"


class TestForm:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({}, "Missing: User name, Password. Signing in by user name and password"),
            ({"username": "a@b.c"}, "Missing: Password."),
            ({"consumer_key": "k"}, "Missing: Consumer secret. Signing in by client credentials"),
            ({"consumer_key": "k", "username": "a@b.c"}, "Missing: Private key. Signing in by JWT bearer"),
            ({"private_key": CANARY}, "Missing: Consumer key, User name."),
            ({"consumer_key": "k", "consumer_secret": CANARY, "private_key": "x"}, "not both"),
            ({"username": "a@b.c", "password": CANARY, "consumer_key": "k", "consumer_secret": "s"}, "not both"),
            ({"username": "a@b.c", "password": ""}, "Missing: Password."),
        ],
    )
    def test_it_says_what_is_missing_and_shows_no_secret(self, fields: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError) as caught:
            Salesforce(instance_url=HOME, **fields)
        assert message in str(caught.value)
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize("fields", [{"consumer_key": "k", "consumer_secret": "s"}, {"session_id": "s"}])
    def test_some_ways_need_the_orgs_own_address(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="My Domain address only"):
            Salesforce(instance_url="https://login.salesforce.com", **fields)

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("acme.my.salesforce.com", HOME),
            (" https://acme.my.salesforce.com/ ", HOME),
            ("https://Acme.lightning.force.com/lightning/page/home", HOME),
            ("https://acme--dev.sandbox.lightning.force.com", "https://acme--dev.sandbox.my.salesforce.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ],
    )
    def test_the_address_is_taken_as_people_copy_it(self, typed: str, meant: str) -> None:
        assert Salesforce(instance_url=typed, session_id="s").instance_url == meant

    @pytest.mark.parametrize("address", ["http://acme.my.salesforce.com", "ftp://x", "", f"https://me:{CANARY}@x.com"])
    def test_a_wrong_address_is_refused(self, address: str) -> None:
        with pytest.raises(ValidationError) as caught:
            Salesforce(instance_url=address, session_id="s")
        assert CANARY not in str(caught.value)

    def test_no_secret_shows_in_its_text_forms(self) -> None:
        block = Salesforce(instance_url=HOME, username="a@b.c", password=CANARY, security_token=SecretStr(CANARY))
        assert CANARY not in f"{block!r} {block!s} {block.model_dump()} {block.model_dump_json()}"

    def test_changed_credentials_open_a_connection_of_their_own(self, empty_org: SandboxOrg) -> None:
        block = empty_org.block()
        block.check()
        with pytest.raises(AuthenticationError):
            block.model_copy(update={"password": SecretStr("wrong")}).check()
        block.check()

    def test_a_record_opens_in_lightning(self) -> None:
        block = Salesforce(instance_url=HOME, session_id="s")
        assert block.url("006gl000000000mAAA") == f"{HOME}/lightning/r/006gl000000000mAAA/view"


class TestBlock(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Salesforce]:
        return Salesforce
