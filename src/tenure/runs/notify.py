"""Telling someone that a scheduled run failed: a webhook, an e-mail, a chat, whatever Apprise can address."""

from __future__ import annotations

import os

from tenure.core.errors import RunError, UsageError
from tenure.core.plain_text import for_chat
from tenure.core.secrets import without_secrets

ADDRESS = "TENURE_NOTIFY"


def notify(title: str, text: str) -> bool:
    """Send a message to the address in ``TENURE_NOTIFY``, as in ``mailtos://user:password@host``.

    Returns whether it was sent; without an address nothing is.

    Raises
    ------
    UsageError : Apprise is not installed, or cannot read the address. RunError : nobody took the message there.
    """
    address = os.environ.get(ADDRESS, "")
    if not address:
        return False
    try:
        import apprise
    except ImportError:
        raise UsageError(
            f"{ADDRESS} is set, but Apprise is not installed. Install it: pip install -e '.[notify]' in the project's folder."
        ) from None
    sender = apprise.Apprise()
    if not sender.add(address):
        raise UsageError(
            f"{ADDRESS} is no address that Apprise reads. Expected one as in jsons://host/hook or mailtos://user:password@host."
        )
    if not sender.notify(title=title, body=for_chat(without_secrets(text)), body_format="text"):
        raise RunError(
            f"{ADDRESS}: the message was not delivered. Expected a service that answers and takes it; check the address and the network."
        )
    return True
