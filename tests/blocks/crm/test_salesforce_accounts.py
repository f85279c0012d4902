"""Account sync with Salesforce: in how few calls, and what is Salesforce's own about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fixtures_salesforce import Company, SandboxOrg

from prefect_crm_erp.blocks.crm.salesforce import Salesforce
from prefect_crm_erp.blocks.crm.values import ContactScope, CrmObject, CustomFields, Update
from prefect_crm_erp.models.errors import ConfigurationError, RejectedRecordError
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import Account, AccountStatus, Address, Customer

from .test_salesforce_reading import DESCRIBE, NEXT_PAGE, QUERY, data_calls, org_without, without

QUERY_ALL = "GET /services/data/v64.0/queryAll"
COLLECTION = "PATCH /services/data/v64.0/composite/sobjects"
UPSERT = f"{COLLECTION}/Account/ERP_Id__c"
OBJECTS = ("Account", "Contact")
ALL = ContactScope.ALL


@pytest.fixture
def company(new_company: Callable[..., Company]) -> Company:
    return new_company()


def read(connection: Salesforce, **options: Any) -> list[Account]:
    return [account for page in connection.account_pages(**options) for account in page]


def write(connection: Salesforce, account: str, **values: Any) -> RejectedRecordError | None:
    (result,) = connection.write_back([Update(CrmObject.ACCOUNT, account, values)])
    assert result.error is None or isinstance(result.error, RejectedRecordError)
    return result.error


def fill(company: Company, count: int, contacts: int = 1) -> list[str]:
    """Accounts with contacts."""
    ids = company.create("Account", [{"Name": f"Account {number}"} for number in range(count)])
    company.create("Contact", [{"LastName": "Ray", "AccountId": each} for each in ids for _ in range(contacts)])
    return ids


class TestReading:
    @pytest.mark.requirement("GB16")
    def test_accounts_and_their_contacts_come_in_one_call_for_each_full_answer(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        fill(company, 1000)
        empty_org.settings(max_page_size=250)
        empty_org.clear_calls()
        accounts = read(empty_org.block(), contacts=ALL)
        assert sum(len(account.contacts) for account in accounts) == 1000
        assert data_calls(empty_org) == {DESCRIBE: 1, QUERY_ALL: 1, NEXT_PAGE: 3}

    def test_long_results_are_read_while_they_are_used(self, empty_org: SandboxOrg, company: Company) -> None:
        fill(company, 25)
        empty_org.settings(max_page_size=10)
        empty_org.clear_calls()
        pages = empty_org.block().account_pages(page_size=5)
        assert next(pages).expected == 25
        assert data_calls(empty_org).get(NEXT_PAGE, 0) == 0
        pages.close()  # type: ignore[attr-defined]

    def test_contacts_that_are_not_wanted_are_not_asked_for(self, empty_org: SandboxOrg, company: Company) -> None:
        fill(company, 1)
        org_without(empty_org, without(), ["Account"])
        (account,) = read(empty_org.block(read_emails=False))
        assert (account.contacts, account.email) == ((), None)

    def test_an_account_with_more_contacts_than_an_answer_holds_is_complete(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        fill(company, 2, contacts=25)
        empty_org.settings(max_page_size=10)
        accounts = read(empty_org.block(), contacts=ALL)
        assert [len({contact.key for contact in account.contacts}) for account in accounts] == [25, 25]

    @pytest.mark.requirement("GB11")
    def test_a_place_that_salesforce_forgot_is_found_again_deleted_accounts_included(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        ids = fill(company, 25)
        company.sf.Account.delete(ids[-1])
        empty_org.settings(max_page_size=10)
        gone = [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]
        empty_org.fault(r"/query/0r8", status=400, body=gone, times=2)
        everything = Cursor(datetime(2020, 1, 1, tzinfo=UTC))
        pages = list(empty_org.block().account_pages(since=everything))
        assert [account.crm_id for page in pages for account in page] == ids
        assert {page.expected for page in pages} == {25}

    def test_a_billing_contact_with_an_address_goes_before_one_without(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        (with_address, without_address) = company.create("Account", [{"Name": "A"}, {"Name": "B"}])
        contacts = [
            {"LastName": "1", "AccountId": with_address, "Title": "Billing"},
            {"LastName": "2", "AccountId": with_address, "Email": "lab@acme.example"},
            {"LastName": "3", "AccountId": with_address, "Email": "ap@acme.example", "Department": "Finance"},
            {"LastName": "4", "AccountId": without_address, "Email": "lab@acme.example"},
            {"LastName": "5", "AccountId": without_address, "Title": "CFO"},
        ]
        company.create("Contact", contacts)
        accounts = {each.crm_id: each for each in read(empty_org.block(), contacts=ContactScope.BILLING)}
        chosen = [accounts[each].contacts[0].last_name for each in (with_address, without_address)]
        assert chosen == ["3", "5"]

    @pytest.mark.requirement("GB17")
    def test_a_customers_own_fields_and_those_that_the_block_names(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        company.account(Legacy_Code__c="L-7", Site="Net 99", Industry="Retail", Push_To_ERP__c=False)
        connection = empty_org.block(payment_terms_field="site", vat_number_field="")
        (account,) = read(connection, custom=CustomFields(account=("legacy_code__C", "Owner.Username")))
        assert account.custom == {"legacy_code__C": "L-7", "Owner": {"Username": empty_org.access.username}}
        assert (account.payment_terms, account.vat_number, account.push_to_erp) == ("Net 99", None, False)

    def test_the_one_currency_of_an_org_is_the_accounts(self, empty_org: SandboxOrg, company: Company) -> None:
        company.account()
        org_without(empty_org, without("CurrencyIsoCode"), OBJECTS)
        assert [account.currency for account in read(empty_org.block(currency="JPY"))] == ["JPY"]


class TestFields:
    @pytest.mark.requirement("GB13")
    def test_what_the_org_lacks_hides_or_protects_is_named(self, empty_org: SandboxOrg) -> None:
        def change(describe: dict[str, Any]) -> None:
            without("ERP_Credit_Limit__c", "ERP_Subsidiary__c", "Email", "Title")(describe)
            for field in describe["fields"]:
                field["updateable"] &= field["name"] not in ("ERP_Outstanding__c", "Phone", "Site", "VAT_Number__c")
                if field["name"] == "ERP_Sync_Status__c":
                    field["picklistValues"] = [each for each in field["picklistValues"] if each["value"] != "Retry"]

        org_without(empty_org, change, OBJECTS)
        missing = empty_org.block().missing_account_fields(CustomFields(account=("Site", "Fax")), ["site"])
        assert missing == [
            "Account.ERP_Subsidiary__c",
            "Account.ERP_Credit_Limit__c",
            "Account.ERP_Outstanding__c (read-only)",
            "Account.ERP_Sync_Status__c = 'Retry'",
            "Account.Site (read-only)",
        ]

    @pytest.mark.requirement("GB13")
    def test_values_that_a_restricted_picklist_no_longer_has_are_named(self, empty_org: SandboxOrg) -> None:
        terms = {"payment_terms": ["Net 30", "Net 45", "NET 60"]}
        assert empty_org.block().missing_choices(terms) == []

        def change(describe: dict[str, Any]) -> None:
            for field in describe["fields"]:
                if field["name"] == "Payment_Terms__c":
                    listed = [("Net 30", True), ("Net 45", False), ("Net 60", True)]
                    values = [{"value": value, "active": active} for value, active in listed]
                    field |= {"restrictedPicklist": True, "picklistValues": values}

        org_without(empty_org, change, OBJECTS)
        missing = empty_org.block().missing_choices(terms)
        assert missing == ["Account.Payment_Terms__c = 'Net 45'", "Account.Payment_Terms__c = 'NET 60'"]

    @pytest.mark.requirement("GB13")
    def test_contacts_that_the_user_does_not_see_are_named_and_not_read_as_none(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        fill(company, 1)
        sf: Any = company.sf
        gone = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
        parts = [
            {"referenceId": "Account", "httpStatusCode": 200, "httpHeaders": {}, "body": sf.Account.describe()},
            {"referenceId": "Contact", "httpStatusCode": 404, "httpHeaders": {}, "body": gone},
        ]
        empty_org.fault("composite$", method="POST", status=200, body={"compositeResponse": parts}, times=None)
        connection = empty_org.block()
        assert connection.missing_account_fields(CustomFields()) == ["Contact.*"]
        refusal = [{"errorCode": "INVALID_TYPE", "message": "sObject type 'Contacts' is not supported."}]
        empty_org.fault("queryAll", status=400, body=refusal)
        with pytest.raises(ConfigurationError, match="no object Contacts"):
            read(connection, contacts=ALL)

    def test_what_of_a_contact_is_hidden_is_not_read(self, empty_org: SandboxOrg, company: Company) -> None:
        person = {"LastName": "Ray", "FirstName": "Ada", "Title": "CFO", "AccountId": company.account()}
        company.create("Contact", [person])
        org_without(empty_org, without("FirstName", "Department", "Email"), OBJECTS)
        connection = empty_org.block()
        assert connection.missing_account_fields(CustomFields()) == []
        (account,) = read(connection, contacts=ContactScope.BILLING)
        assert (account.contacts[0].last_name, account.contacts[0].first_name) == ("Ray", None)


class TestWriting:
    @pytest.mark.requirement("GB17")
    def test_a_customers_own_fields_are_written_in_any_case(self, empty_org: SandboxOrg, company: Company) -> None:
        account = company.account(Site="old")
        custom = {"annualrevenue": Decimal("1234567890123"), "numberOfEmployees": 7, "SITE": None, "Industry": "Retail"}
        assert write(empty_org.block(), account, custom=custom) is None
        row = company.sf.Account.get(account)
        assert [row[name] for name in ("AnnualRevenue", "NumberOfEmployees", "Site", "Industry")] == [
            Decimal(1234567890123),
            7,
            None,
            "Retail",
        ]

    def test_days_and_moments_travel_as_salesforce_writes_them(self, empty_org: SandboxOrg, company: Company) -> None:
        account = company.account()
        custom = {"Legacy_Code__c": date(2026, 3, 1), "Site": datetime(2026, 3, 1, 12, 30, 0, 5, UTC)}
        assert write(empty_org.block(), account, custom=custom) is None
        row = company.sf.Account.get(account)
        assert (row["Legacy_Code__c"], row["Site"]) == ("2026-03-01", "2026-03-01T12:30:00.000Z")

    @pytest.mark.requirement("T06")
    def test_too_long_texts_have_salesforces_words_and_field(self, empty_org: SandboxOrg, company: Company) -> None:
        account = company.account()
        connection = empty_org.block()
        values = {"name": "x" * 256, "billing": Address(street="x" * 256), "erp_customer_number": "9" * 41}
        errors = [write(connection, account, **{name: value}) for name, value in values.items()]
        assert [error.code for error in errors if error] == ["STRING_TOO_LONG"] * 3
        assert [error.fields for error in errors if error] == [
            ("Name",),
            ("BillingStreet",),
            ("ERP_Customer_Number__c",),
        ]

    def test_words_for_people_are_cut_to_the_fields_of_this_org(self, empty_org: SandboxOrg, company: Company) -> None:
        account = company.account()
        assert write(empty_org.block(), account, erp_payment_terms="x" * 100) is None
        assert company.sf.Account.get(account)["ERP_Payment_Terms__c"] == "x" * 79 + "…"

    @pytest.mark.requirement("T06")
    def test_a_value_for_which_salesforce_refuses_a_whole_call_harms_its_row_only(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        ids = fill(company, 7, contacts=0)
        updates = [Update(CrmObject.ACCOUNT, each, {"phone": "1"}) for each in ids]
        updates[4] = Update(CrmObject.ACCOUNT, ids[4], {"custom": {"NumberOfEmployees": "many"}})
        errors = [result.error for result in empty_org.block().write_back(updates)]
        assert [error is None for error in errors] == [index != 4 for index in range(7)]
        assert isinstance(errors[4], RejectedRecordError)
        assert errors[4].code == "JSON_PARSER_ERROR"
        assert company.sf.query("SELECT COUNT() FROM Account WHERE Phone = '1'")["totalSize"] == 6

    def test_what_the_org_has_no_field_for_or_protects_is_left_out(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        account = company.account(VAT_Number__c="old")

        def change(describe: dict[str, Any]) -> None:
            without("Payment_Terms__c")(describe)
            for field in describe["fields"]:
                field["updateable"] &= field["name"] != "VAT_Number__c"

        org_without(empty_org, change, OBJECTS)
        connection = empty_org.block()
        assert write(connection, account, vat_number="DE136695976", payment_terms="Net 30") is None
        assert COLLECTION not in empty_org.calls(), "nothing is left to write"
        assert write(connection, account, vat_number="DE136695976", phone="1") is None
        (made,) = connection.upsert_accounts(
            [Account(crm_id="", erp_id="K-1", name="New", vat_number="DE136695976", payment_terms="Net 30")]
        )
        assert made.error is None
        stored = [company.sf.Account.get(each)["VAT_Number__c"] for each in (account, made.crm_id)]
        assert stored == ["old", None]

    @pytest.mark.requirement("GB16")
    def test_values_whose_place_is_known_take_one_call(self, empty_org: SandboxOrg, company: Company) -> None:
        account = company.account()
        empty_org.clear_calls()
        assert (
            write(empty_org.block(), account, name="Acme", billing=Address(city="Bonn"), erp_credit_limit=None) is None
        )
        assert data_calls(empty_org) == {COLLECTION: 1}


class TestUpserting:
    @pytest.mark.requirement("GB16")
    def test_two_hundred_accounts_travel_in_a_call(self, empty_org: SandboxOrg) -> None:
        accounts = [Account(crm_id="", erp_id=f"K-{number}", name=f"Account {number}") for number in range(450)]
        results = empty_org.block().upsert_accounts(accounts)
        assert all(result.created for result in results)
        assert data_calls(empty_org) == {DESCRIBE: 1, UPSERT: 3}
        ids = [result.crm_id for result in results if result.crm_id]
        names = {account.crm_id: account.name for account in read(empty_org.block())}
        assert [names[record_id] for record_id in ids] == [account.name for account in accounts]

    def test_what_a_duplicate_rule_stops_is_refused(self, empty_org: SandboxOrg, company: Company) -> None:
        company.account("Acme", BillingPostalCode="98101")
        empty_org.settings(duplicate_rule="block")
        twin = Account(crm_id="", erp_id="K-1", name="Acme", billing=Address(postal_code="98101"))
        other = Account(crm_id="", erp_id="K-2", name="Other", billing=Address(postal_code="98101"))
        refused, made = empty_org.block().upsert_accounts([twin, other])
        assert isinstance(refused.error, RejectedRecordError)
        assert refused.error.code == "DUPLICATES_DETECTED"
        assert (refused.crm_id, made.created) == (None, True)

    def test_subsidiary_and_own_fields_are_written_and_hierarchy_and_contacts_are_not(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        parent = company.account()
        account = Account(
            crm_id=parent, erp_id="K/1 ü", name="New", subsidiary="DE", parent_id=parent, custom={"site": "Plant 2"}
        )
        (made,) = empty_org.block().upsert_accounts([account])
        assert made.crm_id != parent
        row = company.sf.Account.get(made.crm_id)
        written = ("ERP_Id__c", "ERP_Subsidiary__c", "Site", "ParentId")
        assert [row[name] for name in written] == ["K/1 ü", "DE", "Plant 2", None]

    def test_a_single_currency_org_gets_no_currency(self, empty_org: SandboxOrg, company: Company) -> None:
        org_without(empty_org, without("CurrencyIsoCode"), OBJECTS)
        (made,) = empty_org.block().upsert_accounts([Account(crm_id="", erp_id="K-1", name="New", currency="XXX")])
        assert made.error is None

    def test_an_account_in_the_recycle_bin_is_not_the_one(self, empty_org: SandboxOrg, company: Company) -> None:
        gone = company.account(ERP_Id__c="K-1")
        company.sf.Account.delete(gone)
        (made,) = empty_org.block().upsert_accounts(
            [Account(crm_id="", erp_id="K-1", name="New", shown=AccountStatus(erp_sync_error="x" * 40_000))]
        )
        assert made.created
        assert made.crm_id != gone


class TestCandidates:
    @pytest.mark.requirement("GB16")
    def test_a_page_of_customers_is_searched_in_a_few_calls_that_salesforce_takes(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        customers = [
            Customer(
                name=f"Österreichische Brückenbau {number:03} Gesellschaft GmbH",
                vat_number=f"ATU{number:08}",
                billing=Address(postal_code=f"{number:05}"),
            )
            for number in range(1, 201)
        ]
        wanted = company.create("Account", [{"Name": each.name.upper().replace("Ö", "OE")} for each in customers[::20]])
        empty_org.clear_calls()
        found = empty_org.block().account_candidates(customers)
        assert {account.crm_id for account in found} == set(wanted)
        assert data_calls(empty_org)[QUERY] <= 8

    def test_a_short_number_must_be_the_same_and_an_org_without_numbers_is_searched_too(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        company.account("Zzz", VAT_Number__c="10203")
        short = company.account("Yyy", VAT_Number__c="123", BillingPostalCode="98101")
        wanted = [Customer(name="Qqq", vat_number="123", billing=Address(postal_code="98101"))]
        assert [account.crm_id for account in empty_org.block().account_candidates(wanted)] == [short]
        no_numbers = empty_org.block(vat_number_field="")
        assert [account.crm_id for account in no_numbers.account_candidates(wanted)] == [short]


def test_the_clock_is_known_from_the_first_answer(empty_org: SandboxOrg) -> None:
    empty_org.clock(skew_seconds=3600)
    connection = empty_org.block()
    read(connection)
    assert abs(connection.clock_offset - timedelta(hours=1)) < timedelta(seconds=2)
