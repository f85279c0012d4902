"""What is Tryton's own in keeping customers in step: how contacts, parents, merges and changes show there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fixtures_tryton import TrytonHarness, new_key
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from prefect_crm_erp.blocks.erp._tryton_maps import one_line
from prefect_crm_erp.blocks.erp._tryton_mechanisms import Mechanism, contacts_of
from prefect_crm_erp.blocks.erp.tryton import Tryton
from prefect_crm_erp.models.errors import RejectedRecordError
from prefect_crm_erp.models.outcomes import Rejected, Written
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import Company, Contact, Customer, SalesOrder

PHONE = "+44 113 496 0000"


@pytest.fixture
def tryton(tryton_erp: TrytonHarness) -> Tryton:
    return tryton_erp.shared


@pytest.fixture
def uk(tryton: Tryton) -> Company:
    return tryton.company("UK")


@pytest.fixture
def buyer(tryton_erp: TrytonHarness, tryton: Tryton, uk: Company) -> Customer:
    return write(tryton, tryton_erp.customer(), uk)


def write(tryton: Tryton, record: Any, company: Company) -> Any:
    (result,) = tryton.write([record], company)
    assert isinstance(result, Written), result
    return result.record


def after(record: Any) -> Cursor:
    """The place right after a record's last change."""
    return Cursor(record.modified_at + timedelta(microseconds=1))


def changed(tryton: Tryton, since: Cursor | None) -> list[Customer]:
    return [each for page in tryton.changes(Customer, since) for each in page]


def party(customer: Customer) -> int:
    return int(str(customer.erp_id))


class TestContacts:
    def test_a_person_in_tryton_reads_whom_a_number_belongs_to(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        person = tryton_erp.contact(first_name="Anna", last_name="van der Berg", title="Head of Accounting")
        customer = write(tryton, tryton_erp.customer(contacts=(person,)), uk)
        comment = f"CRM contact {person.key}\nTitle: Head of Accounting\nLast name: van der Berg"
        assert mechanisms(tryton_erp, customer) == [
            ("email", person.email, "Anna van der Berg", comment),
            ("phone", person.phone, "Anna van der Berg", comment),
        ]

    def test_what_people_write_into_the_comment_and_how_they_correct_a_name_stays_readable(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        person = tryton_erp.contact(phone=None, last_name="van der Berg")
        customer = write(tryton, tryton_erp.customer(contacts=(person,)), uk)
        (row,) = tryton_erp.stored(customer, "contact_mechanisms")
        comment = f"Call before noon\nCRM contact {person.key}\nLast name: van der Berg\nSpeaks French"
        values = {"name": "Anna Maria Bauer", "comment": comment}
        tryton_erp.witness("model.party.contact_mechanism.write", [row], values, {})
        (read,) = tryton.read(Customer, [str(customer.erp_id)])
        assert [(each.first_name, each.last_name) for each in read.contacts] == [("Anna Maria", "Bauer")]
        write(tryton, customer, uk)
        ((_, _, name, comment),) = mechanisms(tryton_erp, customer)
        assert name == "Anna van der Berg"
        assert comment.splitlines()[-2:] == ["Call before noon", "Speaks French"]

    def test_a_number_that_is_the_customers_and_a_persons_stands_there_once_and_serves_both(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        person = tryton_erp.contact(phone=PHONE)
        customer = write(tryton, tryton_erp.customer(contacts=(person,), phone=PHONE, email=person.email), uk)
        assert (customer.phone, customer.email, customer.contacts) == (PHONE, person.email, (person,))
        assert len(mechanisms(tryton_erp, customer)) == 2
        both = {"email": "new@example.org", "contacts": (person.model_copy(update={"email": "new@example.org"}),)}
        customer = write(tryton, customer.model_copy(update=both), uk)
        assert (customer.email, customer.contacts[0].email) == ("new@example.org", "new@example.org")
        assert len(mechanisms(tryton_erp, customer)) == 2
        moved = (person.model_copy(update={"phone": "+44 113 496 0999", "email": "new@example.org"}),)
        customer = write(tryton, customer.model_copy(update={"contacts": moved}), uk)
        assert (customer.phone, customer.contacts) == (PHONE, moved)
        customer = write(tryton, customer.model_copy(update={"contacts": ()}), uk)
        assert (customer.phone, customer.email, customer.contacts) == (PHONE, "new@example.org", ())
        assert [row[2:] for row in mechanisms(tryton_erp, customer)] == [(None, None)] * 2

    def test_a_persons_number_is_not_the_customers_own(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        person = tryton_erp.contact()
        customer = write(tryton, tryton_erp.customer(contacts=(person,)), uk)
        assert (customer.phone, customer.email) == (None, None)
        customer = write(tryton, customer.model_copy(update={"phone": PHONE}), uk)
        assert (customer.phone, customer.contacts) == (PHONE, (person,))
        customer = write(tryton, customer.model_copy(update={"phone": None}), uk)
        assert (customer.phone, customer.contacts) == (None, (person,))

    @pytest.mark.requirement("U09")
    @pytest.mark.parametrize("method", ["create", "write"])
    def test_an_address_that_only_tryton_refuses_does_not_lose_the_customer(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer, method: str
    ) -> None:
        words = 'The email address "a@b.invalid" for party "X" is not valid.'
        refusal = json.dumps({"id": 1, "error": ["UserError", [words, "", None]]})
        tryton_erp.proxy.answer(refusal, containing=f"model.party.party.{method}")
        person = tryton_erp.contact(email="a@b.invalid", phone=None)
        start = tryton_erp.customer() if method == "create" else buyer
        (result,) = tryton.write([start.model_copy(update={"contacts": (person,)})], uk)
        assert isinstance(result, Written)
        assert result.record.contacts == (person,)
        assert words in result.notes[-1].text

    @given(
        first=st.one_of(st.none(), st.text(max_size=12)),
        last=st.text(min_size=1, max_size=12),
        title=st.one_of(st.none(), st.text(max_size=12)),
        notes=st.text(max_size=20),
    )
    def test_any_name_and_title_come_back_from_the_comment(
        self, first: str | None, last: str, title: str | None, notes: str
    ) -> None:
        meant = Contact(key="003D000000abCDEIA2", first_name=first, last_name=last, title=title, email="a@example.org")
        mechanism = Mechanism.of({"id": 1, "type": "email", "value": "a@example.org", "name": None, "comment": notes})
        mechanism.tie(meant)
        (contact,) = contacts_of([Mechanism.of(mechanism.values() | {"id": 1})])
        clean = {name: one_line(getattr(meant, name)) for name in ("first_name", "last_name", "title")}
        if clean["last_name"]:
            assert contact == meant.model_copy(update=clean)


def mechanisms(harness: TrytonHarness, customer: Customer) -> list[tuple[Any, ...]]:
    """Type, value, name and comment of a party's contact mechanisms, as another client reads them."""
    domain, fields = [("party", "=", party(customer))], ["type", "value", "name", "comment"]
    rows = harness.witness("model.party.contact_mechanism.search_read", domain, 0, None, [("id", "ASC")], fields, {})
    return [tuple(row[name] for name in fields) for row in rows]


class TestHierarchy:
    def test_a_relation_that_people_made_at_the_parent_counts_and_is_turned_to_another_one(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        group, holding = (write(tryton, tryton_erp.customer(), uk) for _ in range(2))
        relate(tryton_erp, group, "is parent of", buyer)
        (child,) = tryton.read(Customer, [str(buyer.erp_id)])
        assert child.parent_id == group.erp_id
        moved = write(tryton, child.model_copy(update={"parent_id": holding.erp_id}), uk)
        assert (moved.parent_id, tryton_erp.parents(moved)) == (holding.erp_id, [holding.erp_id])

    def test_a_block_without_the_relations_name_leaves_parents_alone(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        child = write(tryton, tryton_erp.customer(parent_id=buyer.erp_id), uk)
        plain = tryton_erp.connect(subsidiary_relation="")
        (read,) = plain.read(Customer, [str(child.erp_id)])
        assert read.parent_id is None
        write(plain, read, uk)
        assert tryton_erp.parents(child) == [buyer.erp_id]

    def test_a_tryton_without_the_module_is_worked_with_all_the_same(
        self, tryton_erp: TrytonHarness, uk: Company, buyer: Customer
    ) -> None:
        fields = tryton_erp.witness("model.party.party.fields_get", {})
        bare = {name: {"type": each["type"]} for name, each in fields.items() if name != "relations"}
        tryton_erp.proxy.answer(json.dumps({"id": 1, "result": bare}), containing="party.party.fields_get")
        tryton = tryton_erp.connect()
        tryton_erp.proxy.requests.clear()
        child = write(tryton, tryton_erp.customer(parent_id=buyer.erp_id), uk)
        assert child.parent_id is None
        assert child.erp_id in {each.erp_id for each in changed(tryton, Cursor(child.modified_at))}
        assert not [body for body in tryton_erp.proxy.requests if "relation" in body]

    def test_a_relation_type_that_is_not_there_is_told(
        self, tryton_erp: TrytonHarness, uk: Company, buyer: Customer
    ) -> None:
        tryton = tryton_erp.connect(subsidiary_relation="belongs to")
        details = tryton.check().details or {}
        assert "'belongs to'" in details["hierarchy"]
        assert "'is subsidiary of'" in details["hierarchy"]
        (result,) = tryton.write([tryton_erp.customer(parent_id=buyer.erp_id)], uk)
        assert isinstance(result, Written)
        assert ["belongs to" in note.text for note in result.notes] == [True]


def relate(harness: TrytonHarness, one: Customer, how: str, other: Customer) -> None:
    """What a person does in the list of relations."""
    (kind,) = harness.witness("model.party.relation.type.search", [("name", "=", how)], 0, None, None, {})
    values = {"from_": party(one), "to": party(other), "type": kind}
    harness.witness("model.party.relation.all.create", [values], {})


class TestMerges:
    @pytest.mark.requirement("GB09")
    def test_a_party_that_was_merged_is_read_as_the_survivor_and_not_changed_any_more(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        gone, middle, survivor = (write(tryton, tryton_erp.customer(name="Twin Ltd"), uk) for _ in range(3))
        merge(tryton_erp, gone, middle)
        merge(tryton_erp, middle, survivor)
        read = tryton.read(Customer, [str(gone.erp_id), str(survivor.erp_id)])
        assert [(each.erp_id, each.is_active) for each in read] == [(survivor.erp_id, True)]
        (result,) = tryton.write([gone.model_copy(update={"name": "Triplet Ltd"})], uk)
        assert isinstance(result, Rejected)
        assert isinstance(result.error, RejectedRecordError)
        assert "merged" in result.error.message
        found = [each.erp_id for each in changed(tryton, Cursor(gone.modified_at))]
        assert gone.erp_id not in found
        assert found.count(survivor.erp_id) == 1

    def test_a_child_of_a_merged_party_gets_the_survivor_as_parent(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        gone, survivor = (write(tryton, tryton_erp.customer(name="Twin Ltd"), uk) for _ in range(2))
        merge(tryton_erp, gone, survivor)
        child = write(tryton, tryton_erp.customer(parent_id=gone.erp_id), uk)
        assert tryton_erp.parents(child) == [survivor.erp_id]


def merge(harness: TrytonHarness, source: Customer, target: Customer) -> None:
    """What a person does with Tryton's wizard to replace a party."""
    ids = {"source": party(source), "destination": party(target)}
    context = {"active_model": "party.party", "active_id": ids["source"], "active_ids": [ids["source"]]}
    session, _, _ = harness.witness("wizard.party.replace.create", {})
    harness.witness("wizard.party.replace.execute", session, {"ask": ids}, "replace", context)


class TestChanges:
    def test_a_customer_changes_with_a_relation_at_both_ends(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        group, child, last = (write(tryton, tryton_erp.customer(), uk) for _ in range(3))
        relate(tryton_erp, child, "is subsidiary of", group)
        assert {each.erp_id for each in changed(tryton, after(last))} == {child.erp_id, group.erp_id}
        freed = write(tryton, tryton.read(Customer, [str(child.erp_id)])[0].model_copy(update={"parent_id": None}), uk)
        assert freed.erp_id in {each.erp_id for each in changed(tryton, after(last))}

    def test_all_customers_come_once_in_order_at_their_last_change_and_trytons_own_companies_do_not(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Tryton, "capabilities", replace(Tryton.capabilities, page_size=2))
        first, *_, last = (write(tryton, tryton_erp.customer(phone=PHONE), uk) for _ in range(5))
        rows = tryton_erp.stored(first, "contact_mechanisms")
        tryton_erp.witness("model.party.contact_mechanism.write", rows, {"value": "+44 113 496 0999"}, {})
        found = changed(tryton, None)
        ids = [each.erp_id for each in found]
        assert len(ids) == len(set(ids))
        assert ids[-2:] == [last.erp_id, first.erp_id]
        assert [each.modified_at for each in found] == sorted(each.modified_at for each in found if each.modified_at)
        companies = tryton_erp.witness("model.company.company.search_read", [], 0, None, None, ["party"], {})
        assert not {str(row["party"]) for row in companies} & set(ids)

    def test_nothing_new_is_seen_in_a_call_for_each_model(
        self, tryton_erp: TrytonHarness, tryton: Tryton, buyer: Customer
    ) -> None:
        changed(tryton, after(buyer))
        tryton_erp.forget_requests()
        assert changed(tryton, after(buyer)) == []
        assert tryton_erp.requests() <= 7

    def test_a_user_who_may_not_read_the_books_sees_the_customers_own_changes(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        other = write(tryton, tryton_erp.customer(), uk)
        write(tryton, tryton_erp.order(other, uk), uk)
        tryton_erp.change(buyer)
        narrow = clerk(tryton_erp)
        assert [each.erp_id for each in changed(narrow, after(other))] == [buyer.erp_id]
        assert narrow.have_bought([str(other.erp_id)]) == frozenset()
        assert other.erp_id in {each.erp_id for each in changed(tryton, after(other))}


def clerk(harness: TrytonHarness) -> Tryton:
    """A connection of a user who keeps addresses and sees neither books nor sales."""
    group = harness.witness("model.ir.model.data.get_id", "party", "group_party_admin", {})
    login, password, companies = (
        f"clerk-{new_key('005')}",
        "northlight-clerk",
        harness.witness("model.company.company.search", [], 0, None, None, {}),
    )
    values = {
        "name": "Clerk",
        "login": login,
        "password": password,
        "groups": [("add", [group])],
        "companies": [("add", companies)],
        "company": companies[0],
        "company_filter": "all",
    }
    harness.witness("model.res.user.create", [values], {})
    return harness.connect(username=login, password=SecretStr(password))


class TestPurchases:
    def test_a_cancelled_sale_is_none_and_an_invoice_without_sale_is_one(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        other = write(tryton, tryton_erp.customer(), uk)
        draft = write(tryton, tryton_erp.order(buyer, uk, key=new_key("006")), uk)
        tryton_erp.witness("model.sale.sale.cancel", [int(draft.erp_id)], {"company": int(uk.id)})
        assert tryton.read(SalesOrder, [draft.erp_id])
        invoice(tryton_erp, other, uk)
        tryton_erp.forget_requests()
        assert tryton.have_bought([str(buyer.erp_id), str(other.erp_id)]) == {other.erp_id}
        assert tryton_erp.requests() <= 2

    def test_more_sales_than_fit_an_answer_do_not_hide_a_buyer(
        self,
        tryton_erp: TrytonHarness,
        tryton: Tryton,
        uk: Company,
        buyer: Customer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        other = write(tryton, tryton_erp.customer(), uk)
        orders = [tryton_erp.order(customer, uk) for customer in (*[buyer] * 5, other)]
        assert all(isinstance(each, Written) for each in tryton.write(orders, uk))
        monkeypatch.setattr("prefect_crm_erp.blocks.erp._tryton_accounts._ROWS_PER_CALL", 3)
        assert tryton.have_bought([str(buyer.erp_id), str(other.erp_id)]) == {buyer.erp_id, other.erp_id}

    def test_200_credit_positions_take_one_call(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        ids = [str(buyer.erp_id), *(str(number) for number in range(1, 200))]
        tryton.credit(ids[:1], uk)
        tryton_erp.forget_requests()
        position = tryton.credit(ids, uk)[ids[0]]
        assert (position.limit, position.used, position.outstanding) == (None, Decimal(0), Decimal(0))
        assert tryton_erp.requests() == 1


def invoice(harness: TrytonHarness, customer: Customer, company: Company) -> None:
    """A person makes out an invoice by hand."""
    number, context = int(company.id), {"company": int(company.id)}
    receivable = [("company", "=", number), ("type.receivable", "=", True), ("closed", "!=", True)]
    (account, *_) = harness.witness("model.account.account.search", receivable, 0, 1, None, context)
    (address,) = harness.stored(customer, "addresses")
    values = {
        "type": "out",
        "company": number,
        "party": party(customer),
        "invoice_address": address,
        "account": account,
    }
    harness.witness("model.account.invoice.create", [values], context)
