"""Fixtures for other people's tests: local servers, and what a test said to them.

    def test_the_mail_arrives(smtp_server, recording):
        send_report(smtp_server.host, smtp_server.port)

The servers are those of one Lab, started when the first test asks for one, and brought back
to their beginning for each test. When a test with `recording` fails, its conversations are
in the report, in a section "Conversation" with the secrets hidden, as captured logs are.
All else is imported when a fixture is used, so that pytest starts no slower.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .fixtures import Address, Lab
    from .recorder import Recording

RECORDING: "pytest.StashKey[Recording]" = pytest.StashKey()


@pytest.fixture(scope="session")
def _protoclients_lab() -> "Iterator[Lab]":
    from .fixtures import Lab

    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(_protoclients_lab: "Lab") -> "Lab":
    """Local servers for every protocol, as at their start."""
    _protoclients_lab.reset()
    return _protoclients_lab


@pytest.fixture
def http_server(lab: "Lab") -> "Address":
    """Where the Lab's HTTP server is: host, port, tls_port, user, password."""
    return lab.http


@pytest.fixture
def smtp_server(lab: "Lab") -> "Address":
    """Where the Lab's SMTP server is: host, port, tls_port, user, password."""
    return lab.smtp


@pytest.fixture
def pop3_server(lab: "Lab") -> "Address":
    """Where the Lab's POP3 server is: host, port, tls_port, user, password."""
    return lab.pop3


@pytest.fixture
def ftp_server(lab: "Lab") -> "Address":
    """Where the Lab's FTP server is: host, port, tls_port, user, password."""
    return lab.ftp


@pytest.fixture
def nntp_server(lab: "Lab") -> "Address":
    """Where the Lab's NNTP server is: host, port, tls_port, user, password."""
    return lab.nntp


@pytest.fixture
def telnet_server(lab: "Lab") -> "Address":
    """Where the Lab's Telnet server is: host, port, user, password."""
    return lab.telnet


@pytest.fixture
def echo_server(lab: "Lab") -> "Address":
    """Where the Lab's Echo server is: host, and the port for TCP and UDP."""
    return lab.echo


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> "Iterator[Recording]":
    """What the test says on the network, threads included; shown if the test fails."""
    from .recorder import record

    with record(threads=True) as heard:
        request.node.stash[RECORDING] = heard
        yield heard


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add the conversations to the report of a test that failed."""
    report = yield
    heard = item.stash.get(RECORDING, None)
    if report.failed and heard is not None and heard.calls:
        from .views import terminal

        shown = terminal.text(heard.conversations, terminal.Look(code=True))
        report.sections.append(("Conversation", shown))
    return report
