"""A failed run tells whoever asked to be told."""

import json

import pytest

from servers import web_hook
from tenure.core.errors import RunError, UsageError
from tenure.runs.notify import notify

pytest.importorskip("apprise", reason="the extra 'notify' is not installed")


@pytest.fixture
def webhook():
    """A real web server on loopback that keeps what it is sent."""
    with web_hook(json.loads) as started:
        yield started


def test_a_webhook_gets_the_message_without_secrets(webhook, monkeypatch):
    port, kept = webhook
    monkeypatch.setenv("TENURE_NOTIFY", f"json://127.0.0.1:{port}/hook")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter22")
    assert notify("tenure run demo failed", "refused hunter22")
    assert (kept[0]["title"], kept[0]["message"]) == ("tenure run demo failed", "refused ***")


def test_a_text_of_the_data_calls_nobody_and_links_nowhere(webhook, monkeypatch):
    port, kept = webhook
    monkeypatch.setenv("TENURE_NOTIFY", f"json://127.0.0.1:{port}/hook")
    assert notify("tenure run demo failed", "no column '<!channel> [free](http://x.org)\x1b[2J'\n  - amount")
    assert kept[0]["message"] == "no column '‹!channel› [free] (http://x.org)[2J'\n  - amount"


def test_without_an_address_nobody_is_told(monkeypatch):
    monkeypatch.delenv("TENURE_NOTIFY", raising=False)
    assert notify("title", "text") is False


def test_an_address_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("TENURE_NOTIFY", "nonsense")
    with pytest.raises(UsageError, match="TENURE_NOTIFY is no address that Apprise reads"):
        notify("title", "text")


def test_a_message_that_nobody_takes_is_told(monkeypatch):
    monkeypatch.setenv("TENURE_NOTIFY", "json://127.0.0.1:1/hook")
    with pytest.raises(RunError, match="was not delivered"):
        notify("title", "text")
