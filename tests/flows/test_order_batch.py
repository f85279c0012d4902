"""Files of orders from the field become orders of the ERP, each once; what is wrong is named by file and line."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from artifacts import published
from cutting_proxy import Cut, CuttingProxy
from flow_process import flow_process
from once import assert_one_customer_each
from pydantic import SecretStr
from world import World, cents

from prefect_crm_erp.blocks import Integration, Ledger, OrderEntryPolicy, OwnerCheck
from prefect_crm_erp.flows import order_batch
from prefect_crm_erp.models.outcomes import Outcome, Queue, ReportRow
from prefect_crm_erp.tasks.batch_report import BatchReport, FileReport, file_key

HEADER = (
    "order reference,representative,account,order date,currency,SKU,quantity,unit price,discount,customer reference"
)
CREATE_CUSTOMER = "model.party.party.create"
CREATE, QUOTE, CONFIRM = (f"model.sale.sale.{name}" for name in ("create", "quote", "confirm"))


class Field:
    """Two representatives with an account each, and the folder that their files come to.

    Args:
        world: The org and the ERP.
        folder: The folder.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.ids = [world.user(), world.user()]
        rows = [world.crm(each, "Username", "Email", object_name="User") for each in self.ids]
        self.users, self.emails = [row["Username"] for row in rows], [row["Email"] for row in rows]
        self.accounts = [world.account(OwnerId=each) for each in self.ids]
        self.names = [world.crm(each, "Name", object_name="Account")["Name"] for each in self.accounts]

    def integration(self, policy: dict[str, Any] | None = None, **changes: Any) -> Integration:
        """The integration that reads this folder."""
        return self.world.integration(order_entry=OrderEntryPolicy(batch_folder=self.folder, **policy or {}), **changes)

    def write(self, name: str, *lines: str, header: str = HEADER) -> str:
        """A file of these lines; gives its name."""
        (self.folder / name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return name

    def line(self, reference: str, sku: str = "NL-400", *, of: int = 0, quantity: str = "1", price: str = "100") -> str:
        """A good line."""
        return f"{reference},{self.users[of]},{self.accounts[of]},2026-03-31,USD,{sku},{quantity},{price},,"

    def run(self, *files: str, integration: Integration | None = None, **parameters: Any) -> BatchReport:
        """Run the flow, and check that every order is accounted for."""
        report = order_batch(integration=integration or self.integration(), files=list(files), **parameters)
        for each in report.files:
            assert each.source == each.written + each.unchanged + each.queued + each.excluded == len(each.rows)
        return report

    def one(self, file: str, **parameters: Any) -> FileReport:
        """Run the flow over one file."""
        (report,) = self.run(file, **parameters).files
        return report


@pytest.fixture
def field(world: World, tmp_path: Path) -> Field:
    """Representatives and their folder."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return Field(world, folder)


def of(report: BatchReport | FileReport, words: str) -> ReportRow:
    """The row whose name has these words."""
    (row,) = [row for row in report.rows if words in row.name]
    return row


def keys(report: BatchReport | FileReport) -> list[str]:
    """Keys of the orders, in the order of the file."""
    return [row.crm_id for row in report.rows]


# -------------------------------------------------------------------- good files


@pytest.mark.requirement("F10", "F09", "B07")
def test_orders_of_several_representatives_in_one_file_are_placed_to_the_cent_and_once(field: Field) -> None:
    rep, other = field.users[0], field.emails[1]
    field.write(
        "orders.csv",
        f"17,{rep},{field.accounts[0][:15]},2026-03-31,USD,NL-400,3,189.90,12.5,PO-1",
        f"17,{other},{field.names[1]},2026-03-30,EUR,NL-410,7,24.95,,",
        f"17,{rep},{field.accounts[0]},,,NL-500,11,64.33,3,",
        f"18,{rep},{field.names[0]},2026-03-31,USD,NL-410,1,24.95,,",
    )
    report = field.one("orders.csv")
    assert (report.lines, report.source, report.written) == (4, 3, 3), [row.reason for row in report.rows]
    first, second, _ = (of(report, words) for words in ("lines 2–4: 17", "line 3: 17", "line 5: 18"))
    sales = {sale["reference"]: sale for sale in field.world.sales(*keys(report))}
    assert len(sales) == 3
    assert cents(sales[first.crm_id]["untaxed_amount"]) == Decimal("498.49") + Decimal("686.40")
    assert sales[first.crm_id]["comment"] == "Customer's purchase order: PO-1"
    assert sales[second.crm_id]["currency."]["code"] == "EUR"
    assert sales[second.crm_id]["party."]["name"] == field.names[1]
    assert str(sales[second.crm_id]["sale_date"]) == "2026-03-30"
    assert {sale["state"] for sale in sales.values()} <= {"confirmed", "processing"}
    assert field.world.crm(field.accounts[0], "Type", object_name="Account")["Type"] == "Customer"
    again = field.one("orders.csv")
    assert (again.written, again.unchanged) == (0, 3)
    assert len(field.world.sales(*keys(report))) == 3


@pytest.mark.requirement("F10")
def test_a_file_that_excel_has_saved_and_one_of_json_lines_say_the_same(field: Field) -> None:
    rep, name = field.users[0], field.names[0].replace('"', '""')
    header = "Order Reference;Representative;Account;Date;Currency;SKU;Quantity;Unit_Price;Discount;Customer reference"
    excel = [
        "sep=;",
        header,
        f'E1;{rep.upper()};"{name}";31.03.2026;usd;NL-400;2;1234,5;;"Müller; ""rush"""',
        ";;;;;;;;;",
        f"E2;{rep};{name};31.03.2026;USD;NL-400;1.000;5;;",
    ]
    (field.folder / "excel.CSV").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(excel).encode())
    values = {"order reference": "J1", "representative": rep, "account": name, "SKU": "NL-400", "currency": "USD"}
    values |= {"order date": "2026-03-31", "customer reference": 'Müller; "rush"'}
    numbers = '"quantity": 2, "unit price": 1234.50'
    (field.folder / "app.jsonl").write_text(f"{json.dumps(values)[:-1]}, {numbers}}}\n", encoding="utf-8")
    report = field.run("*.csv", "*.CSV", "*.jsonl")
    assert [each.file for each in report.files] == ["excel.CSV", "app.jsonl"]
    sales = field.world.sales(of(report, "E1").crm_id, of(report, "J1").crm_id)
    assert [cents(sale["untaxed_amount"]) for sale in sales] == [Decimal("2469.00")] * 2
    assert {sale["comment"] for sale in sales} == {'Customer\'s purchase order: Müller; "rush"'}
    assert "may be thousands or decimals" in of(report, "E2").reason


@pytest.mark.requirement("F10", "GB03")
def test_a_dry_run_shows_what_would_be_written_and_writes_nothing(field: Field) -> None:
    field.write("orders.csv", field.line("1"))
    report = field.one("orders.csv", dry_run=True)
    assert report.written == 1
    assert not field.world.sales(*keys(report))
    assert any(change.field == "order.line 1" for change in report.rows[0].changes)


# -------------------------------------------------------------------- bad lines


@pytest.mark.requirement("F10", "P03")
def test_bad_lines_never_stop_the_others_and_are_named_with_their_reason(field: Field) -> None:
    rep, account = field.users[0], field.accounts[0]
    start = f"{rep},{account},2026-03-31,USD"
    bad = [
        (f"b3,{start},NL-999,1,5,,", "NL-999 of Line 3 of the file"),
        (f"b4,{start},NL-400,many,5,,", "Line 4: the quantity “many” is no number"),
        (f"b5,{start},NL-400,-2,5,,", "Line 5: the quantity -2 is not more than zero"),
        (f"b6,{start},NL-400,1,,,", "Line 6: the unit price is missing"),
        (f"b7,{start},NL-400,1", "Line 7: it has 7 cells, and the header has 10 columns"),
        (f"b8,{rep},Nobody & Sons,2026-03-31,USD,NL-400,1,5,,", "there is no account “Nobody & Sons”"),
        (f"b9,nobody@field.example,{account},,USD,NL-400,1,5,,", "Line 9: there is no active CRM user"),
        (f'b10,"{start},NL-400,1,5,,', "Line 10: a quote is not closed"),
        (f"b11,{start},NL-400,1e3,5,,", "Line 11: the quantity “1e3” is no number"),
        (f"b12,{rep},{account},03/31/2026,USD,NL-400,1,5,101,", "the order date “03/31/2026” is no day"),
    ]
    good = [field.line("g2"), *(line for line, _ in bad), field.line("g13")]
    field.write("orders.csv", *good)
    with (field.folder / "orders.csv").open("ab") as file:
        file.write(f"b14,{rep},Caf\xe9,,USD,NL-400,1,5,,\n".encode("latin-1") + b"x" * 70_000 + b"\n")
        file.write(field.line("g16").encode())
    report = field.one("orders.csv")
    assert report.written == 3, [row.reason for row in report.rows]
    assert len(field.world.sales(*keys(report))) == 3
    reasons = [row.reason for row in report.rows if row.queue is Queue.DATA_QUALITY]
    assert len(reasons) == len(bad) + 2
    for _, words in bad:
        assert [words in reason for reason in reasons].count(True) == 1, (words, reasons)
    assert any("Line 14: the account is not UTF-8" in reason for reason in reasons)
    assert any("Line 15: it has more than 64 KiB" in reason for reason in reasons)
    with field.integration().ledger.open().for_integration("test") as store:
        assert len(store.parked(kind="field order")) == len(reasons)
    field.write("orders.csv", *good[:1])
    assert field.one("orders.csv").unchanged == 1
    with field.integration().ledger.open().for_integration("test") as store:
        assert store.parked(kind="field order") == []


@pytest.mark.requirement("F10")
def test_an_order_with_one_bad_line_is_not_placed_in_part(field: Field) -> None:
    field.write("orders.csv", field.line("1"), field.line("2"), field.line("1", quantity="none"))
    report = field.one("orders.csv")
    assert "Line 4" in of(report, ": 1").reason
    assert [sale["reference"] for sale in field.world.sales(*keys(report))] == [of(report, ": 2").crm_id]


@pytest.mark.requirement("F10")
def test_contradictions_and_duplicates_within_a_file_are_named(field: Field) -> None:
    email = f"1,{field.emails[0]},{field.accounts[0]},,USD,NL-410,1,5,,"
    other_account = f"2,{field.users[0]},{field.accounts[1]},,USD,NL-410,1,5,,"
    field.write("orders.csv", field.line("1"), email, field.line("2"), other_account)
    report = field.one("orders.csv")
    assert (report.written, report.queued) == (1, 2)
    assert "the order “1” of this representative came before" in of(report, "line 3").reason
    assert "Line 5: the account" in of(report, ": 2").reason


@pytest.mark.requirement("F10", "GB02")
def test_a_corrected_file_places_only_what_is_new_and_asks_about_what_has_changed(field: Field) -> None:
    field.write("monday.csv", field.line("1"), field.line("2"), field.line("3", quantity="x"))
    first = field.one("monday.csv")
    assert (first.written, first.queued) == (2, 1)
    field.write("tuesday.csv", field.line("1"), field.line("2", quantity="5"), field.line("3"), field.line("4"))
    second = field.one("tuesday.csv")
    assert (second.written, second.unchanged, second.queued) == (2, 1, 1)
    assert of(second, ": 2").queue is Queue.MANUAL_REVIEW
    assert "changed after order" in of(second, ": 2").reason
    assert len(field.world.sales(*keys(second))) == 4


# -------------------------------------------------------------------- checks and crashes


@pytest.mark.requirement("F10", "G06")
def test_a_representative_does_not_sell_to_somebody_elses_account(field: Field) -> None:
    alien = f"2,{field.users[0]},{field.accounts[1]},2026-03-31,USD,NL-400,1,100,,"
    field.write("orders.csv", field.line("1"), alien)
    report = field.one("orders.csv", integration=field.integration({"owner_check": OwnerCheck.OWNER}))
    assert of(report, ": 1").outcome is Outcome.WRITTEN
    assert (of(report, ": 2").queue, len(field.world.sales(*keys(report)))) == (Queue.PENDING_REVIEW, 1)


@pytest.mark.requirement("F10", "G08")
def test_a_column_of_the_file_may_say_that_a_cash_sale_is_secured(field: Field) -> None:
    rules = [{"field": "Receipt", "condition": "is filled in"}]
    policy = {"cash_terms": ["Due on receipt"], "secured_rules": rules}
    field.world.company.sf.Account.update(field.accounts[0], {"Payment_Terms__c": "Due on receipt"})
    field.write("orders.csv", f"{field.line('1')},", f"{field.line('2')},R-77", header=f"{HEADER},RECEIPT")
    report = field.one("orders.csv", integration=field.integration(policy))
    assert (of(report, ": 1").queue, of(report, ": 2").outcome) == (Queue.PENDING_REVIEW, Outcome.WRITTEN)


@pytest.mark.requirement("F10", "GB02")
def test_a_run_that_is_killed_at_every_step_in_turn_loses_and_doubles_nothing(field: Field, line: CuttingProxy) -> None:
    field.write("orders.csv", *(field.line(str(number), of=number % 2) for number in range(3)))
    ledger = Ledger(url=SecretStr(f"sqlite:///{field.world.folder / 'ledger.sqlite'}"), lease_seconds=2)
    integration = field.integration(ledger=ledger, erp=field.world.tryton(server_url=line.url))
    for where, step in (
        (Cut.AFTER, CREATE_CUSTOMER),
        (Cut.BEFORE, CREATE),
        (Cut.AFTER, CREATE),
        (Cut.AFTER, QUOTE),
        (Cut.AFTER, CONFIRM),
    ):
        options = {"flow": "order_batch", "files": ["orders.csv"]}
        with (
            line.hold(where, containing=step, then_cut=True) as hold,
            flow_process(integration, **options) as process,
        ):
            hold.wait()
            process.kill()
    report = field.one("orders.csv", integration=integration)
    assert (report.source, report.queued) == (3, 0)
    sales = field.world.sales(*keys(report))
    assert sorted(sale["reference"] for sale in sales) == sorted(keys(report))
    assert {sale["state"] for sale in sales} <= {"confirmed", "processing"}
    assert_one_customer_each(field.world, field.accounts)


# -------------------------------------------------------------------- files that nobody trusts


@pytest.mark.requirement("F10")
def test_only_files_of_the_folder_are_read(field: Field) -> None:
    secret = field.folder.parent / "secret.csv"
    secret.write_text(HEADER)
    (field.folder / "link.csv").symlink_to(secret)
    (field.folder / "folder.csv").mkdir()
    (field.folder / "empty.csv").touch()
    (field.folder / "utf16.csv").write_text(HEADER, encoding="utf-16")
    (field.folder / "large.csv").write_bytes(b"x" * 1_100_000)
    field.write("short.csv", header="order reference,SKU")
    reasons = {
        "/etc/passwd": "outside of the folder",
        "../secret.csv": "outside of the folder",
        "link.csv": "outside of the folder",
        "folder.csv": "no plain file",
        "missing.csv": "no such file",
        "nul\0.csv": "no such file",
        f"{'long' * 200}.csv": "no such file",
        "empty.csv": "is empty",
        "utf16.csv": "UTF-16",
        "large.csv": "more than the 1 MB",
        "short.csv": "does not name the columns representative, account, quantity, unit price",
    }
    field.write("good.csv", field.line("1"))
    report = field.run(*reasons, "good.csv", integration=field.integration({"batch_megabytes": 1}))
    for each in report.refused:
        assert reasons[each.file.replace("\N{REPLACEMENT CHARACTER}", "\0")] in str(each.refused), each.refused
    assert len(report.refused) == len(reasons)
    assert report.files[-1].written == 1


@pytest.mark.requirement("F10")
def test_what_a_file_says_is_neither_markup_nor_a_formula_in_the_report(field: Field) -> None:
    field.write("=cmd.csv", f"=1+1,{field.users[0]},=HYPERLINK|x,,USD,NL-400,1,<b>,,")
    field.one("=cmd.csv")
    shown = published(file_key("=cmd.csv"))
    assert "'=cmd.csv" in shown
    assert "| =" not in shown
    assert "<b>" not in shown
