"""Orders that wait for an approval: reported after 24 hours, told to owner and manager after 48, and measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from artifacts import emitted, published
from erp_client import ErpClient
from fixtures_approvals import LARGE, ApprovingErp, Inbox
from prefect.blocks.notifications import CustomWebhookNotificationBlock, MattermostWebhook
from prefect.types import SecretDict
from pydantic import SecretStr
from world import World

from prefect_crm_erp.blocks import ApprovalPolicy
from prefect_crm_erp.blocks.ledger import Binding
from prefect_crm_erp.flows import order_status_sync, pending_approvals
from prefect_crm_erp.models.approvals import Origin
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.tasks.approvals_report import ApprovalReport

HOUR = timedelta(hours=1)
US = "Northlight Instruments Inc"


class Office:
    """A sales team whose large orders wait for the VP Finance.

    Args:
        world: The org, the ERP and the integration between them.
        erp: The ERP with its rules.
    """

    def __init__(self, world: World, erp: ApprovingErp) -> None:
        self.world = world
        self.erp = erp
        now = Cursor(datetime.now(UTC) + timedelta(minutes=10, seconds=-1))
        with world.integration().ledger.open().for_integration("test") as store:
            store.advance("order documents of main", now)
            store.advance("delivery documents of main", now)

    def user(self, name: str, manager: str | None = None) -> str:
        address = f"{name.lower()}@example.com"
        row = {"LastName": name, "Username": address, "Email": address, "Alias": name[:8], "IsActive": True}
        return self.world.company.create("User", [row | {"ManagerId": manager}])[0]

    def waiting(self, hours: float | None = None, **fields: Any) -> tuple[str, str]:
        """A deal whose order has waited for so many hours; the deal and the order."""
        deal = self.world.deal(LARGE, **fields)
        self.world.run(records=[deal])
        (sale,) = self.world.sales(deal)
        assert sale["state"] == "quotation"
        if hours is not None:
            self.erp.reached(str(sale["id"]), "quotation", timedelta(hours=hours))
        return deal, str(sale["id"])

    def sync(self) -> None:
        order_status_sync(integration=self.world.integration())

    def begin_anew(self, order: str) -> None:
        """A seller takes an order back to draft, and quotes it once more."""
        for button in ("draft", "quote"):
            self.erp.press(order, button, self.erp.access.user, self.erp.access.password)

    def look(self, policy: ApprovalPolicy | None = None, **options: Any) -> ApprovalReport:
        changes = {"approvals": policy} if policy else {}
        report: ApprovalReport = pending_approvals(integration=self.world.integration(**changes), **options)
        return report

    def sure(self, report: ApprovalReport, order: str) -> Any:
        """The report's late order with an id; None when it is not late."""
        return next((each for each in report.late if each.erp_id == order), None)


@pytest.fixture
def office(approving_world: World, approving_erp: ApprovingErp) -> Office:
    return Office(approving_world, approving_erp)


@pytest.fixture
def chat(prefect: None, inbox: Inbox) -> Inbox:
    """A saved Mattermost block whose server is the inbox: it takes what Slack takes, and may run anywhere."""
    block = MattermostWebhook(hostname="127.0.0.1", port=inbox.port, token=SecretStr("secret-token"))
    block.save("approvals", overwrite=True)
    return inbox


@pytest.mark.requirement("R01", "R02")
def test_an_order_that_waits_for_more_than_24_hours_is_reported_with_its_deal_and_its_owner(office: Office) -> None:
    owner = office.user("Berg")
    account = office.world.account(Name="Harbor Labs")
    deal, late = office.waiting(30.5, account=account, OwnerId=owner, Name="New laboratory")
    _, in_time = office.waiting(23.9)
    office.sync()
    assert office.world.crm(deal, "ERP_Status__c")["ERP_Status__c"] == "Pending Approval"

    report = office.look()
    order = office.sure(report, late)
    assert office.sure(report, in_time) is None
    assert report.waiting == 2
    assert (order.account_name, order.deal, order.deal_name) == ("Harbor Labs", deal, "New laboratory")
    assert (order.owner.name, order.company, order.currency, str(order.total)) == ("Berg", US, "USD", "70000.00")
    assert 30.4 < order.hours < 30.7
    assert order.is_confirmed
    shown = published("approvals-summary")
    assert f"[{order.number}]({order.url})" in shown
    assert f"[New laboratory]({order.deal_url})" in shown
    assert "70,000.00" in shown
    assert not report.alerts


@pytest.mark.requirement("R02")
def test_an_order_that_was_approved_after_orders_were_read_is_not_reported(office: Office) -> None:
    _, order = office.waiting(30)
    office.sync()
    office.erp.approve(order)
    report = office.look()
    assert office.sure(report, order) is None
    assert report.waiting == 0


@pytest.mark.requirement("R03")
def test_owner_and_manager_are_told_once_after_48_hours(office: Office, chat: Inbox) -> None:
    manager = office.user("Hill")
    owner = office.user("Berg", manager)
    deal, order = office.waiting(48.2, OwnerId=owner, Name="New laboratory")
    _, not_yet = office.waiting(47.9, OwnerId=owner)
    office.sync()
    policy = ApprovalPolicy(notifications=["mattermost-webhook/approvals"])
    assert not office.look(policy, dry_run=True).told
    assert not chat.received

    report = office.look(policy)
    (alert,) = report.alerts
    assert (alert.order.erp_id, alert.sent) == (order, ("event", "mattermost-webhook/approvals"))
    assert [person.email for person in alert.recipients.people] == ["berg@example.com", "hill@example.com"]
    (message,) = chat.received
    said = message["text"]
    assert all(each in said for each in ("Berg", "hill@example.com", alert.order.number, deal, "What to do"))
    event = emitted(
        "prefect-crm-erp.approval.late", f"prefect-crm-erp.order.main:order:{order}", since=office.world.began_at
    )
    assert event["payload"]["recipients"] == ["berg@example.com", "hill@example.com"]
    roles = {each["prefect.resource.role"]: each.get("prefect-crm-erp.email") for each in event["related"]}
    assert (roles["owner"], roles["manager"]) == ("berg@example.com", "hill@example.com")

    again = office.look(policy)
    assert (again.told, again.alerts[0].already) == (0, ("event", "mattermost-webhook/approvals"))
    assert len(chat.received) == 1
    assert office.sure(again, not_yet) is not None


@pytest.mark.requirement("R03")
def test_an_order_that_waits_anew_is_told_anew_and_a_reminder_comes_when_it_is_wanted(
    office: Office, chat: Inbox
) -> None:
    _, order = office.waiting(50)
    office.sync()
    policy = ApprovalPolicy(notifications=["mattermost-webhook/approvals"])
    assert office.look(policy).told == 1
    office.begin_anew(order)
    office.sync()
    assert not office.look(policy).alerts
    office.begin_anew(order)
    office.erp.reached(order, "quotation", 49 * HOUR)
    office.sync()
    assert office.look(policy).told == 1
    assert office.look(policy).told == 0
    assert len(chat.received) == 2
    eager = ApprovalPolicy(notifications=["mattermost-webhook/approvals"], remind_after_hours=1e-9)
    assert office.look(eager).told == 1
    assert len(chat.received) == 3


@pytest.mark.requirement("R03")
def test_an_alert_that_was_not_taken_is_sent_by_the_next_run(office: Office, chat: Inbox) -> None:
    office.waiting(50)
    office.sync()
    policy = ApprovalPolicy(notifications=["mattermost-webhook/approvals", "slack-webhook/none"])
    chat.status = 500
    report = office.look(policy)
    assert report.state == "Alerts not sent"
    assert [channel for channel, _ in report.alerts[0].trouble] == [
        "mattermost-webhook/approvals",
        "slack-webhook/none",
    ]
    shown = published("approvals-summary")
    assert "NOT SENT by mattermost-webhook/approvals" in shown.replace("<br>", " ")
    assert "secret-token" not in shown
    chat.status = 200
    report = office.look(policy)
    assert (report.alerts[0].sent, report.alerts[0].already) == (("mattermost-webhook/approvals",), ("event",))
    assert [channel for channel, _ in report.alerts[0].trouble] == ["slack-webhook/none"]
    assert len(chat.received) == 1


@pytest.mark.requirement("R03")
def test_who_cannot_be_told_shows_in_the_report_and_the_others_are_told(office: Office, inbox: Inbox) -> None:
    hook = CustomWebhookNotificationBlock(
        name="mail",
        url=f"http://127.0.0.1:{inbox.port}/mail",
        json_data={"to": "{{recipients}}", "subject": "{{subject}}", "text": "{{body}}"},
        secrets=SecretDict({"recipients": "nobody@example.com"}),
    )
    hook.save("approval-mail", overwrite=True)
    alone = office.user("Single")
    left = office.user("Gone", office.user("Boss"))
    _, without_manager = office.waiting(50, OwnerId=alone)
    _, of_inactive = office.waiting(51, OwnerId=left)
    office.world.company.sf.User.update(left, {"IsActive": False})
    party, entered = erp_born(office)
    office.sync()
    policy = ApprovalPolicy(notifications=["custom-webhook/approval-mail"], fallback_email="sales@example.com")
    report = office.look(policy)
    alerts = {each.order.erp_id: each for each in report.alerts}
    assert alerts[without_manager].recipients.remark == "Single has no manager"
    assert alerts[of_inactive].recipients.remark == "the owner Gone is inactive"
    assert alerts[of_inactive].recipients.emails == ("boss@example.com",)
    assert "entered in the ERP" in alerts[entered].recipients.remark
    assert party
    sent = {message["to"] for message in inbox.received}
    assert sent == {"single@example.com", "boss@example.com", "sales@example.com"}
    assert all(each.sent for each in report.alerts)


def erp_born(office: Office) -> tuple[str, str]:
    """A customer and its large order, entered in the ERP 60 hours ago; the customer has an account."""
    seller = ErpClient(office.erp.access)
    party = seller.customer("US", "US")
    order = seller.order("US", party, "USD", [seller.line("US", party, "NL-400", 1, "80000.00")])
    with office.world.integration().ledger.open().for_integration("test") as store:
        store.start_run("by hand", flow="account-sync", source="both", dry_run=False)
        account = office.world.account()
        store.bind("by hand", [Binding("customer", account, "main", "", str(party), "made by hand")])
    office.erp.reached(str(order), "quotation", 60 * HOUR)
    return str(party), str(order)


@pytest.mark.requirement("R06")
def test_approval_times_of_orders_from_the_crm_and_of_those_entered_by_hand(office: Office) -> None:
    before = office.look()
    assert not before.times
    for hours in (1, 3, 11):
        _, order = office.waiting()
        office.erp.approve(order)
        office.erp.reached(order, "quotation", timedelta(hours=20 + hours))
        office.erp.reached(order, "confirmed", timedelta(hours=20))
    _, entered = erp_born(office)
    office.erp.approve(entered)
    office.erp.reached(entered, "confirmed", 40 * HOUR)
    office.sync()
    report = office.look()
    ours, theirs = report.time_of(US, Origin.CRM), report.time_of(US, Origin.ERP)
    assert ours is not None
    assert theirs is not None
    assert (ours.orders, theirs.orders) == (3, 1)
    times = [ours.average, ours.median, ours.longest, theirs.average]
    assert [round(each / HOUR, 2) for each in times] == [5, 3, 11, 20]
    shown = published("approvals-summary")
    assert "5 hours" in shown
    assert "entered in the ERP" in shown
    assert not office.look(days=1).time_of(US, Origin.ERP)


@pytest.mark.requirement("R02")
def test_when_the_erp_does_not_answer_the_ledgers_word_stands_and_nobody_is_alarmed(office: Office) -> None:
    _, order = office.waiting(60)
    office.sync()
    down = office.world.tryton(server_url="http://127.0.0.1:9")
    report = pending_approvals(integration=office.world.integration(erp=down))
    late = office.sure(report, order)
    assert not late.is_confirmed
    assert report.unread == ("main",)
    assert "did not answer" in published("approvals-summary")
    assert (report.told, [each.sent for each in report.alerts]) == (0, [()])
