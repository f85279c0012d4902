"""Notify: send a message through a saved notification block of Prefect, and say plainly when that did not work."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SendgridEmail
from prefect.types import SecretDict

RECIPIENTS = "recipients"
"""Name of the secret of a Custom Webhook block in whose place the e-mail addresses of a message go."""


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told.

    Attributes:
        subject: One line.
        body: Plain text.
        emails: Addresses of those whom it is for; a channel such as Slack's has its own readers.
    """

    subject: str
    body: str
    emails: tuple[str, ...] = ()


def send(slug: str, message: Message) -> str | None:
    """Send a message through a notification block.

    A block that sends e-mail (Sendgrid Email, or a Custom Webhook with a secret of the name `recipients`) sends it to
    the message's own addresses; where it has none, to those that the block names.

    Args:
        slug: The saved block: `slack-webhook/sales`.
        message: What to send.

    Returns:
        None when it was sent; else what went wrong, without the block's address, which is a secret.
    """
    try:
        block = Block.load(slug, _sync=True)  # type: ignore[call-arg]  # of Prefect's dispatch
    except ValueError:
        return f"there is no saved block {slug}"
    if not isinstance(block, NotificationBlock):
        return f"the block {slug} sends no notifications"
    try:
        with block.raise_on_failure():
            _addressed(block, message).notify(message.body, message.subject, _sync=True)  # type: ignore[call-arg,unused-coroutine]  # of Prefect's dispatch
    except httpx.HTTPStatusError as error:
        return f"the answer was HTTP {error.response.status_code}"
    except Exception as error:  # noqa: BLE001  # whatever a channel raises, the others and the report go on
        return f"it was not taken ({type(error).__name__})"
    return None


def _addressed(block: NotificationBlock, message: Message) -> NotificationBlock:
    if isinstance(block, SendgridEmail) and message.emails:
        block.to_emails = list(message.emails)
    if isinstance(block, CustomWebhookNotificationBlock):
        known = block.secrets.get_secret_value()
        if RECIPIENTS in known and message.emails:
            block.secrets = SecretDict({**known, RECIPIENTS: ", ".join(message.emails)})
    return block
