"""Reading deals from Salesforce: what is read, in how few calls, and what the org may lack."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from fixtures_salesforce import Company, SandboxOrg

from prefect_crm_erp.blocks.crm.salesforce import Salesforce
from prefect_crm_erp.blocks.crm.values import CustomFields, RoutingFields
from prefect_crm_erp.models.errors import ConfigurationError, RateLimitError
from prefect_crm_erp.models.records import Account, Address, Deal, DealLine, DealSource

WON, QUOTES, ORDERS = DealSource.CLOSED_WON, DealSource.ACCEPTED_QUOTES, DealSource.ACTIVATED_ORDERS
QUERY = "GET /services/data/v64.0/query"
NEXT_PAGE = "GET /services/data/v64.0/query/{id}"
DESCRIBE = "POST /services/data/v64.0/composite"


def read(connection: Salesforce, source: DealSource = WON, **options: Any) -> list[Deal]:
    return [deal for page in connection.deals(source, **options) for deal in page]


def data_calls(org: SandboxOrg) -> dict[str, int]:
    return {name: count for name, count in org.calls().items() if "/services/data/" in name}


@pytest.fixture
def company(new_company: Callable[..., Company]) -> Company:
    made = new_company()
    made.product("NL-1", "Probe", QuantityUnitOfMeasure="Each")
    made.product("NL-2", " Cable ")
    return made


def sell(company: Company, count: int, lines: int = 1) -> list[str]:
    """Deals of one account."""
    buyer = company.account()
    ids = company.opportunities([{"AccountId": buyer, "CloseDate": "2026-03-31"} for _ in range(count)])
    rows = [{"sku": "NL-1", "Quantity": 2, "UnitPrice": "10.50"}] * lines
    company.create("OpportunityLineItem", [row for deal in ids for row in company.line_rows(deal, rows)])
    return ids


class TestRecords:
    @pytest.mark.requirement("F01")
    def test_an_opportunity_with_its_buyer_and_lines(self, empty_org: SandboxOrg, company: Company) -> None:
        street = {"BillingStreet": "1 Main Street\nSuite 4", "BillingCity": "Seattle", "BillingState": "WA"}
        buyer = company.account(
            "O'Brien \\ 100% Ltd",
            **street,
            BillingPostalCode="98101",
            BillingCountry="US",
            ShippingCity="Tacoma",
            Phone="+1 206 555 0100",
            Type="Prospect",
            CurrencyIsoCode="USD",
            ERP_Subsidiary__c="US",
            Payment_Terms__c="Net 45",
            VAT_Number__c="US123",
            Push_To_ERP__c=False,
        )
        (deal_id,) = company.opportunities([{"Name": "Probes", "AccountId": buyer, "CurrencyIsoCode": "EUR"}])
        discounted = {"sku": "NL-1", "Quantity": 3, "UnitPrice": "33.33", "Discount": "7.5", "Description": "for Bonn"}
        line_id, _ = company.lines(deal_id, [discounted, {"sku": "NL-2", "Quantity": "2.5", "UnitPrice": 4}], "EUR")
        (deal,) = read(empty_org.block())
        assert (deal.name, deal.source, deal.currency) == ("Probes", WON, "EUR")
        assert (deal.opportunity_id, deal.opportunity_stage) == (deal_id, "Closed Won")
        assert deal.closed_on == date(2026, 3, 31)
        assert deal.total == Decimal("102.49")
        assert deal.tax is None
        assert deal.push_to_erp
        assert deal.owner_name
        first, second = deal.lines
        assert first == DealLine(
            crm_id=line_id,
            sku="NL-1",
            product_id=company.products["NL-1"],
            product_name="Probe",
            description="for Bonn",
            quantity=Decimal(3),
            unit_price=Decimal("33.33"),
            list_price=Decimal("100.00"),
            discount_percent=Decimal("7.5"),
            amount=Decimal("92.49"),
            unit="Each",
            currency="EUR",
        )
        assert (second.quantity, second.unit_price, second.amount) == (Decimal("2.5"), Decimal(4), Decimal(10))
        assert deal.account is not None
        assert deal.account == Account(
            crm_id=buyer,
            name="O'Brien \\ 100% Ltd",
            type="Prospect",
            billing=Address(
                street="1 Main Street\nSuite 4", city="Seattle", state="WA", postal_code="98101", country="US"
            ),
            shipping=Address(city="Tacoma"),
            phone="+1 206 555 0100",
            vat_number="US123",
            payment_terms="Net 45",
            currency="USD",
            subsidiary="US",
            push_to_erp=False,
            owner_id=deal.owner_id,
            modified_at=deal.account.modified_at,
        )

    @pytest.mark.requirement("F02")
    def test_an_accepted_quote_with_tax_shipping_and_header_discount(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        buyer = company.account()
        (opportunity,) = company.opportunities([{"AccountId": buyer, "StageName": "Negotiation/Review"}])
        quote = {
            "Name": "Probes for Bonn",
            "OpportunityId": opportunity,
            "Pricebook2Id": company.price_book,
            "Tax": "19.05",
            "ShippingHandling": "12.50",
            "Header_Discount__c": "5.25",
            "ShippingCity": "Bonn",
            "ShippingCountry": "Germany",
        }
        accepted, _ = company.create("Quote", [{**quote, "Status": status} for status in ("Draft", "Draft")])
        company.lines(accepted, [{"sku": "NL-1", "Quantity": 3, "UnitPrice": "33.33", "Discount": 10}])
        company.sf.Quote.update(accepted, {"Status": "Accepted"})
        (deal,) = read(empty_org.block(), QUOTES)
        assert (deal.crm_id, deal.name, deal.source) == (accepted, "Probes for Bonn", QUOTES)
        assert deal.number
        assert (deal.tax, deal.shipping, deal.header_discount_percent) == (
            Decimal("19.05"),
            Decimal("12.50"),
            Decimal("5.25"),
        )
        assert deal.total == Decimal("121.54")
        assert deal.lines[0].discount_percent == 10
        assert (deal.opportunity_id, deal.opportunity_stage) == (opportunity, "Negotiation/Review")
        assert deal.shipping_address == Address(city="Bonn", country="Germany")
        assert deal.account is not None
        assert deal.account.crm_id == buyer

    def test_an_activated_order_with_the_buyers_number(self, empty_org: SandboxOrg, company: Company) -> None:
        order = {
            "AccountId": company.account(),
            "EffectiveDate": "2026-04-01",
            "Status": "Draft",
            "Pricebook2Id": company.price_book,
            "PoNumber": "PO 77",
        }
        activated, _ = company.create("Order", [order, order])
        company.lines(activated, [{"sku": "NL-2", "Quantity": 2, "UnitPrice": "19.99"}])
        company.sf.Order.update(activated, {"Status": "Activated"})
        connection = empty_org.block()
        (deal,) = read(connection, ORDERS)
        assert (deal.crm_id, deal.customer_reference) == (activated, "PO 77")
        assert (deal.closed_on, deal.total) == (date(2026, 4, 1), Decimal("39.98"))
        assert deal.lines[0].discount_percent == 0
        assert connection.is_deal(deal)

    def test_a_deal_without_lines_buyer_or_amount_is_read_as_it_is(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        company.opportunities([{"AccountId": None}])
        (deal,) = read(empty_org.block())
        assert (deal.account, deal.lines, deal.total) == (None, (), None)

    def test_the_address_of_the_first_contact_in_finance_is_the_accounts(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        buyer, other = company.account("Acme"), company.account("Other")
        contacts = [
            {"LastName": "None", "AccountId": buyer, "Title": "Billing"},
            {"LastName": "Lab", "AccountId": buyer, "Email": "lab@acme.example"},
            {"LastName": "Pay", "AccountId": buyer, "Email": "ap@acme.example", "Title": "Accounts Payable"},
            {"LastName": "Pay2", "AccountId": buyer, "Email": "late@acme.example", "Department": "Finance"},
            {"LastName": "Else", "AccountId": other, "Email": "else@other.example"},
        ]
        company.create("Contact", contacts)
        found = {account.crm_id: account.email for account in empty_org.block().accounts([buyer, other])}
        assert found == {buyer: "ap@acme.example", other: "else@other.example"}
        assert [account.email for account in empty_org.block(read_emails=False).accounts([buyer])] == [None]

    @pytest.mark.requirement("GB17")
    def test_a_customers_own_fields_in_any_case_and_of_related_records(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        buyer = company.account(Legacy_Code__c="L-7", Site="Plant 2")
        (deal_id,) = company.opportunities([{"AccountId": buyer, "LeadSource": "Web"}])
        company.lines(deal_id, [{"sku": "NL-1", "Quantity": 1, "UnitPrice": 1}])
        custom = CustomFields(
            account=("legacy_code__C", "Site"), deal=("leadsource", "Owner.Username"), line=("Product2.Family",)
        )
        connection = empty_org.block()
        assert connection.missing_fields(WON, custom) == []
        (deal,) = read(connection, custom=custom)
        assert deal.account is not None
        assert deal.account.custom == {"legacy_code__C": "L-7", "Site": "Plant 2"}
        assert deal.custom["leadsource"] == "Web"
        assert deal.custom["Owner"]["Username"] == empty_org.access.username
        assert deal.lines[0].custom == {"Product2": {"Family": None}}

    def test_the_sku_is_where_the_block_says_without_blanks_around_it(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        company.product("CODE-3", StockKeepingUnit="SKU-3")
        (deal_id,) = company.opportunities([{}])
        company.lines(deal_id, [{"sku": "CODE-3", "Quantity": 1, "UnitPrice": 1}])
        (deal,) = read(empty_org.block(sku_field="stockkeepingunit"))
        assert deal.lines[0].sku == "SKU-3"


class TestCalls:
    @pytest.mark.requirement("GB16")
    def test_a_run_reads_everything_in_three_calls(self, empty_org: SandboxOrg, company: Company) -> None:
        sell(company, 250, lines=2)
        empty_org.clear_calls()
        connection = empty_org.block()
        assert connection.missing_fields(WON, CustomFields()) == []
        deals = read(connection)
        assert (len(deals), sum(len(deal.lines) for deal in deals)) == (250, 500)
        assert data_calls(empty_org) == {DESCRIBE: 1, QUERY: 2}, "one for the deals, one for e-mail addresses"

    def test_a_run_without_news_reads_no_addresses(self, empty_org: SandboxOrg) -> None:
        assert read(empty_org.block()) == []
        assert data_calls(empty_org) == {DESCRIBE: 1, QUERY: 1}

    def test_long_results_are_read_while_they_are_used(self, empty_org: SandboxOrg, company: Company) -> None:
        ids = sell(company, 25)
        empty_org.settings(max_page_size=10)
        empty_org.clear_calls()
        pages = empty_org.block(read_emails=False).deals(WON, page_size=5)
        first = next(pages)
        assert (len(first), first.expected) == (5, 25)
        assert data_calls(empty_org).get(NEXT_PAGE, 0) == 0
        rest = [deal.crm_id for page in pages for deal in page]
        assert data_calls(empty_org)[NEXT_PAGE] == 2
        assert {*rest, *(deal.crm_id for deal in first)} == set(ids)

    def test_a_deal_with_more_lines_than_an_answer_holds_is_complete(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        sell(company, 2, lines=25)
        empty_org.settings(max_page_size=10)
        deals = read(empty_org.block())
        assert [len({line.crm_id for line in deal.lines}) for deal in deals] == [25, 25]

    @pytest.mark.requirement("GB11")
    def test_a_place_that_salesforce_forgot_is_found_again(self, empty_org: SandboxOrg, company: Company) -> None:
        ids = sell(company, 25)
        empty_org.settings(max_page_size=10)
        gone = [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]
        empty_org.fault(r"/query/0r8", status=400, body=gone, times=2)
        pages = list(empty_org.block().deals(WON))
        assert [deal.crm_id for page in pages for deal in page] == ids
        assert {page.expected for page in pages} == {25}

    def test_a_place_that_is_always_forgotten_is_given_up(self, empty_org: SandboxOrg, company: Company) -> None:
        sell(company, 2, lines=25)
        empty_org.settings(max_page_size=10)
        gone = [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]
        empty_org.fault(r"/query/0r8", status=400, body=gone, times=None)
        with pytest.raises(Exception, match="invalid query locator"):
            read(empty_org.block())

    @pytest.mark.requirement("GB06")
    def test_many_ids_are_asked_for_in_addresses_that_salesforce_takes(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        ids = sell(company, 3)
        others = [f"006gl0000{number:06d}" for number in range(400)]
        empty_org.clear_calls()
        assert {deal.crm_id for deal in read(empty_org.block(), ids=[*others, *ids])} == set(ids)
        assert data_calls(empty_org)[QUERY] <= 4

    def test_a_next_page_elsewhere_is_not_followed(self, empty_org: SandboxOrg) -> None:
        elsewhere = {"totalSize": 1, "done": False, "records": [], "nextRecordsUrl": "https://elsewhere.example.com/x"}
        empty_org.fault("/query", status=200, body=elsewhere)
        with pytest.raises(ConfigurationError, match="unexpected address"):
            read(empty_org.block())


class TestLimits:
    @pytest.mark.requirement("GB16")
    def test_check_tells_the_calls_of_the_day(self, empty_org: SandboxOrg) -> None:
        connection = empty_org.block()
        details = connection.check().details or {}
        assert details["API calls in 24 hours"] == f"{connection.calls.used} of 15,000"

    @pytest.mark.requirement("T02")
    def test_a_used_up_day_says_so(self, empty_org: SandboxOrg) -> None:
        connection = empty_org.block()
        connection.check()
        empty_org.settings(daily_limit=connection.calls.used or 0)
        with pytest.raises(RateLimitError, match=r"TotalRequests Limit exceeded.*last 24 hours") as caught:
            read(connection)
        assert caught.value.retry_after is None

    def test_too_many_requests_at_once_pass_after_a_moment(self, empty_org: SandboxOrg) -> None:
        empty_org.fault("/query", throttle="concurrent", times=2)
        assert read(empty_org.block()) == []


Change = Callable[[dict[str, Any]], None]


def org_without(org: SandboxOrg, change: Change, objects: Collection[str]) -> None:
    """Let the org describe itself differently: `change` gets each describe."""
    sf: Any = org.client()
    parts = []
    for name in objects:
        describe = getattr(sf, name).describe()
        change(describe)
        parts.append(
            {"referenceId": name, "httpStatusCode": 200, "httpHeaders": {}, "body": json.loads(json.dumps(describe))}
        )
    org.clear_calls()
    org.fault("composite$", method="POST", status=200, body={"compositeResponse": parts}, times=None)


READ_OBJECTS = ("Opportunity", "OpportunityLineItem", "Account", "Product2", "PricebookEntry", "Contact")


def without(*names: str) -> Change:
    def change(describe: dict[str, Any]) -> None:
        describe["fields"] = [field for field in describe["fields"] if field["name"] not in names]

    return change


class TestOrgs:
    def test_an_org_with_one_currency_asks_which(self, empty_org: SandboxOrg, company: Company) -> None:
        sell(company, 1)
        org_without(empty_org, without("CurrencyIsoCode"), READ_OBJECTS)
        with pytest.raises(ConfigurationError, match="fill in 'Currency'"):
            read(empty_org.block())
        (deal,) = read(empty_org.block(currency="JPY"))
        assert deal.currency == "JPY"
        assert deal.account is not None
        assert deal.account.currency == "JPY"

    def test_an_org_without_fields_of_its_own_is_read_without_them(
        self, empty_org: SandboxOrg, company: Company
    ) -> None:
        buyer = company.account(Payment_Terms__c="Net 45", VAT_Number__c="X")
        company.opportunities([{"AccountId": buyer}])
        org_without(empty_org, without("Payment_Terms__c", "VAT_Number__c"), READ_OBJECTS)
        connection = empty_org.block()
        assert connection.missing_fields(WON, CustomFields()) == []
        (deal,) = read(connection)
        assert deal.account is not None
        assert (deal.account.payment_terms, deal.account.vat_number) == (None, None)

    def test_what_no_amount_hangs_on_may_be_hidden(self, empty_org: SandboxOrg, company: Company) -> None:
        sell(company, 1)
        org_without(empty_org, without("QuantityUnitOfMeasure", "Title", "Department"), READ_OBJECTS)
        connection = empty_org.block()
        assert connection.missing_fields(WON, CustomFields()) == []
        assert read(connection)[0].lines[0].unit is None

    def test_fields_that_the_block_switches_off_are_not_read(self, empty_org: SandboxOrg, company: Company) -> None:
        company.opportunities([{"AccountId": company.account(Payment_Terms__c="Net 45")}])
        (deal,) = read(empty_org.block(payment_terms_field="", vat_number_field=""))
        assert deal.account is not None
        assert deal.account.payment_terms is None

    @pytest.mark.requirement("GB13")
    def test_a_field_that_the_block_names_has_to_be_there(self, empty_org: SandboxOrg) -> None:
        connection = empty_org.block(payment_terms_field="Terms__c", sku_field="Item__c")
        missing = connection.missing_fields(WON, CustomFields())
        assert missing == ["OpportunityLineItem.Product2.Item__c", "Account.Terms__c"]
        with pytest.raises(ConfigurationError, match=r"Terms__c|Item__c"):
            read(connection)

    @pytest.mark.parametrize("name", ["Name FROM Account", "", "Région__c", "Owner.", "(SELECT Id FROM Contacts)"])
    def test_what_is_no_field_name_does_not_get_into_a_query(self, empty_org: SandboxOrg, name: str) -> None:
        with pytest.raises(ConfigurationError, match="is no API name"):
            read(empty_org.block(), custom=CustomFields(account=(name,)))
        assert QUERY not in empty_org.calls()

    @pytest.mark.requirement("GB13")
    def test_fields_of_the_package_that_are_missing_hidden_or_read_only_are_named(self, empty_org: SandboxOrg) -> None:
        def change(describe: dict[str, Any]) -> None:
            without("ERP_Status__c", "ERP_Subsidiary__c")(describe)
            for field in describe["fields"]:
                field["updateable"] &= field["name"] != "ERP_Sync_Error__c"
                if field["name"] == "ERP_Sync_Status__c":
                    field["picklistValues"] = [each for each in field["picklistValues"] if each["value"] != "Retry"]

        org_without(empty_org, change, READ_OBJECTS)
        assert empty_org.block().missing_fields(WON, CustomFields()) == [
            "Opportunity.ERP_Status__c",
            "Account.ERP_Subsidiary__c",
            "Opportunity.ERP_Sync_Status__c = 'Retry'",
            "Opportunity.ERP_Sync_Error__c (read-only)",
        ]

    @pytest.mark.requirement("GB13")
    def test_an_object_that_the_org_does_not_have_is_named(self, empty_org: SandboxOrg) -> None:
        gone = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
        names = ("Quote", "QuoteLineItem", "Account", "Product2", "PricebookEntry", "Opportunity", "Contact")
        parts = [{"referenceId": name, "httpStatusCode": 404, "httpHeaders": {}, "body": gone} for name in names]
        empty_org.fault("composite$", method="POST", status=200, body={"compositeResponse": parts}, times=None)
        missing = empty_org.block().missing_fields(QUOTES, CustomFields())
        assert missing == ["Quote.*", "QuoteLineItem.*", "Account.*"]

    def test_a_status_of_accepted_quotes_may_have_any_name(self, empty_org: SandboxOrg) -> None:
        assert read(empty_org.block(accepted_status='O\'Brien \\ 100% "signed"\n_'), QUOTES) == []


class TestRoutingFacts:
    """What routing rules ask for is read only when they ask for it."""

    ROUTING = RoutingFields(
        record_types=("Renewal",),
        product_lines=("Services",),
        product_line_field="family",
        owner_regions=("EMEA Sales",),
        owner_region_field="userrole.name",
    )

    @pytest.mark.requirement("O03")
    def test_record_type_product_line_and_owners_region(self, empty_org: SandboxOrg, company: Company) -> None:
        company.product("NL-9", "Training", Family="Services")
        (renewal,) = company.create("RecordType", [record_type("Renewal")])
        (role,) = company.create("UserRole", [{"Name": "EMEA Sales"}])
        (seller,) = company.create("User", [user(UserRoleId=role)])
        rows = [{"AccountId": company.account(), "RecordTypeId": renewal, "OwnerId": seller}, {"AccountId": None}]
        first, _ = company.opportunities(rows)
        company.lines(first, [{"sku": sku, "Quantity": 1, "UnitPrice": 5} for sku in ("NL-9", "NL-1")])
        empty_org.clear_calls()
        found, plain = read(empty_org.block(), custom=CustomFields(routing=self.ROUTING))
        assert (found.record_type, found.owner_region) == ("Renewal", "EMEA Sales")
        assert [line.product_line for line in found.lines] == ["Services", None]
        assert (plain.record_type, plain.owner_region) == (None, None)
        asked = [query for query in empty_org.queries() if "FROM User " in query]
        assert len(asked) == 1

    def test_nothing_is_read_that_no_rule_asks_for(self, empty_org: SandboxOrg, company: Company) -> None:
        sell(company, 1)
        empty_org.clear_calls()
        (deal,) = read(empty_org.block(), custom=CustomFields(routing=RoutingFields(owner_region_field="Nowhere__c")))
        assert (deal.record_type, deal.owner_region) == (None, None)
        assert not [query for query in empty_org.queries() if "RecordType" in query or "FROM User " in query]

    @pytest.mark.requirement("GB13")
    def test_what_the_org_does_not_have_is_named_before_a_run(self, empty_org: SandboxOrg, company: Company) -> None:
        company.create("RecordType", [record_type("New Business"), record_type("Renewal", IsActive=False)])
        wrong = replace(self.ROUTING, product_line_field="Line__c", owner_region_field="Region__c")
        connection = empty_org.block()
        assert connection.missing_fields(WON, CustomFields(routing=wrong)) == [
            "OpportunityLineItem.Product2.Line__c",
            "User.Region__c",
            "Opportunity.RecordType = 'Renewal'",
        ]
        # Quotes of this org have no record types at all.
        assert "Quote.RecordType.Name" in connection.missing_fields(QUOTES, CustomFields(routing=self.ROUTING))


def record_type(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "DeveloperName": name.replace(" ", "_"),
        "SobjectType": "Opportunity",
        "IsActive": True,
        **fields,
    }


def user(**fields: Any) -> dict[str, Any]:
    return {"Username": "rep@example.com", "LastName": "Ray", "Email": "rep@example.com", "Alias": "ray", **fields}
