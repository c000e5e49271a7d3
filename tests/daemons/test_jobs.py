"""The jobs of the demo, by hand and by library, with real servers in the Lab's place."""

import re
import shutil
from dataclasses import dataclass, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from protoclients.fixtures.lab import Address
from protoclients.fixtures.store import SAMPLES
from protoclients.jobs import Job, jobs_of

from .dovecot import fill
from .inn import post_samples
from .running import Certificate, Server, eventually

pytestmark = pytest.mark.daemons

# What these servers do not have, or never do twice alike.
MISSING = {
    "early-hints": "nginx 1.22 sends no 103",
    "xml-rpc": "nginx runs no procedures",
    "listing": "vsftpd has no MLSD",
    "options-agreed": "types ahead, and a real terminal echoes that when it has time",
}
# Header lines in which a server says when and how a mail or article came.
TRACE = re.compile(
    rb"^(?:Return-Path|X-Original-To|Delivered-To|Received|Date|Injection-Date"
    rb"|Injection-Info): .*\r\n(?:[ \t].*\r\n)*",
    re.MULTILINE,
)
README = "incoming/README.txt"
Lab = SimpleNamespace
numbers = count(1)


@dataclass
class MailLab:
    """A Lab with Postfix, whose mail is Dovecot's too."""

    cafile: str
    smtp: Server
    dovecot: Server
    refused = "nobody@example.test"

    @property
    def pop3(self) -> Address:
        """Dovecot, as soon as Postfix has delivered all that it has taken."""
        queues = [self.smtp.place / "queue" / name for name in ("incoming", "active")]
        assert eventually(lambda: not any(list(queue.iterdir()) for queue in queues))
        maildrop = self.dovecot.place / "mail" / "inbox"
        if not maildrop.exists():
            maildrop.symlink_to(self.smtp.place / "mail" / "inbox")
        return replace(self.dovecot, user="inbox")


def every_job(protocol: str) -> pytest.MarkDecorator:
    """Run a test with each job for which there is a server here."""
    jobs = [job for job in jobs_of(protocol) if job.name not in MISSING]
    return pytest.mark.parametrize("job", jobs, ids=[job.name for job in jobs])


def without_trace(result: Any) -> Any:
    """A job's result without what no two mails or articles have in common."""
    if isinstance(result, bytes):
        return TRACE.sub(b"", result)
    if isinstance(result, list | tuple):
        return [without_trace(part) for part in result]
    return result


@pytest.fixture
def lab(certificate: Certificate) -> Lab:
    """What the jobs know of the Lab, but for the one address that each of them needs."""
    return Lab(cafile=str(certificate.cafile))


@every_job("http")
def test_http(job: Job, lab: Lab, nginx: Server) -> None:
    lab.http = nginx
    assert job.by_hand(lab) == job.by_library(lab)


@every_job("smtp")
def test_smtp(job: Job, lab: Lab, postfix: Server, dovecot: Server) -> None:
    mail_lab = MailLab(lab.cafile, postfix, dovecot)
    by_hand = without_trace(job.by_hand(mail_lab))
    assert by_hand == without_trace(job.by_library(mail_lab))


@every_job("pop3")
def test_pop3(job: Job, lab: Lab, dovecot: Server) -> None:
    mails = [path.read_bytes() for path in sorted((SAMPLES / "mail").iterdir())]
    results = []
    for side in (job.by_hand, job.by_library):
        lab.pop3 = replace(dovecot, user=f"jobs{next(numbers)}")
        fill(dovecot, lab.pop3.user, mails)
        results.append(side(lab))
    assert results[0] == results[1]


@every_job("ftp")
def test_ftp(job: Job, lab: Lab, vsftpd: Server) -> None:
    lab.ftp = vsftpd
    results = []
    for side in (job.by_hand, job.by_library):
        # One of the jobs takes it away.
        shutil.copy(SAMPLES / "ftp" / README, vsftpd.place / "files" / README)
        results.append(side(lab))
    assert results[0] == results[1]


@pytest.fixture(scope="session")
def news(two_inns: tuple[Server, Server]) -> tuple[Server, Server]:
    """Two servers with the same articles, for what can be posted once only."""
    for server in two_inns:
        post_samples(server)
    return two_inns


@every_job("nntp")
def test_nntp(job: Job, lab: Lab, news: tuple[Server, Server]) -> None:
    results = []
    for side, lab.nntp in zip((job.by_hand, job.by_library), news, strict=True):
        results.append(without_trace(side(lab)))
    assert results[0] == results[1]


@every_job("telnet")
@pytest.mark.parametrize("daemon", ["inetutils", "busybox"])
def test_telnet(request: pytest.FixtureRequest, job: Job, lab: Lab, daemon: str) -> None:
    lab.telnet = request.getfixturevalue(daemon)
    assert job.by_hand(lab) == job.by_library(lab)
