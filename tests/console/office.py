"""A server that requires tokens, a provider at which people sign in, and a console."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.conftest import ServerProcess
from tests.console.conftest import TIMEOUT_MS, ConsoleProcess
from tests.console.provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from tests.support.identities import FLAGS, VARIABLES


@dataclass
class Office:
    """The three processes. `console_with` starts another console."""

    server: ServerProcess
    provider: Provider
    console: ConsoleProcess

    def console_with(self, *flags: str) -> ConsoleProcess:
        return _console(self.server, self.provider, *flags)


@contextmanager
def running_office(folder: Path) -> Iterator[Office]:
    """Starts all three, and stops them at the end."""
    server = ServerProcess(folder, *FLAGS, "--database-url", "embedded", environment=VARIABLES)
    with running_provider() as provider:
        console = _console(server, provider)
        yield Office(server, provider, console)
        console.stop()
    server.stop()


def _console(server: ServerProcess, provider: Provider, *flags: str) -> ConsoleProcess:
    issuer = ("--issuer", provider.issuer, "--client-id", CLIENT_ID)
    return ConsoleProcess(server, *issuer, *flags, environment={"AFFILIA_CONSOLE_CLIENT_SECRET": CLIENT_SECRET})


def open_browser(browser: Browser, console: ConsoleProcess) -> Page:
    context = browser.new_context(base_url=console.url)
    context.set_default_timeout(TIMEOUT_MS)
    return context.new_page()


def sign_in(page: Page, name: str, at: str = "/") -> None:
    page.goto(at)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("searchbox")).to_be_visible()
