"""The daemons as fixtures: each is started when the first test asks for it, and stopped
when the last test is over."""

import contextlib
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from subprocess import PIPE

import pytest

from .dovecot import running_dovecot
from .inn import running_inn
from .nginx import running_nginx
from .postfix import running_postfix, running_sink
from .running import ENVIRONMENT, Certificate, Ports, Server, directory, issue_certificate
from .telnetd import running_busybox, running_inetutils
from .vsftpd import running_vsftpd

Curl = Callable[..., bytes]
Sink = Callable[..., Server]


def need(program: str) -> None:
    """Skip the test if `program` is not there or may not be started; in CI, fail."""
    if not shutil.which(program, path=ENVIRONMENT["PATH"]):
        give_up(f"{program} is not installed: sudo .ci/install-daemons")
    if os.geteuid() != 0:
        give_up("only root can start these servers, which then drop root's rights")


def give_up(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def ports() -> Iterator[Ports]:
    with contextlib.closing(Ports()) as ports:
        yield ports


@pytest.fixture(scope="session")
def certificate() -> Iterator[Certificate]:
    with directory() as place:
        yield issue_certificate(place)


@pytest.fixture(scope="session")
def trust(certificate: Certificate) -> ssl.SSLContext:
    """What a client needs in order to trust the daemons."""
    return ssl.create_default_context(cafile=certificate.cafile)


@pytest.fixture(scope="session")
def curl(certificate: Certificate) -> Curl:
    """A function that runs curl with these arguments, and returns what it fetches."""
    need("curl")

    def run(*arguments: str, input: bytes = b"") -> bytes:
        command = ("curl", "-sS", "--cacert", str(certificate.cafile), *arguments)
        return subprocess.run(command, input=input, stdout=PIPE, check=True).stdout

    return run


@pytest.fixture(scope="session")
def nginx(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    need("nginx")
    with directory() as place, running_nginx(place, ports, certificate) as server:
        yield server


@pytest.fixture(scope="session")
def postfix(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    need("postfix")
    need("saslpasswd2")
    with directory() as place, running_postfix(place, ports, certificate) as server:
        yield server


@pytest.fixture
def sink(ports: Ports) -> Iterator[Sink]:
    """A function that starts smtp-sink with the switches that it is given."""
    need("smtp-sink")
    with contextlib.ExitStack() as at_end:

        def start(*switches: str) -> Server:
            place = at_end.enter_context(directory())
            return at_end.enter_context(running_sink(place, ports, *switches))

        yield start


@pytest.fixture(scope="session")
def dovecot(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    need("dovecot")
    with directory() as place, running_dovecot(place, ports, certificate) as server:
        yield server


@contextlib.contextmanager
def start_vsftpd(ports: Ports, tls: Certificate, *settings: str) -> Iterator[Server]:
    need("vsftpd")
    with directory() as place, running_vsftpd(place, ports, tls, *settings) as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    with start_vsftpd(ports, certificate, "require_ssl_reuse=NO") as server:
        yield server


@pytest.fixture(scope="session")
def strict_vsftpd(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    """vsftpd that wants the control connection's TLS session on each data connection."""
    with start_vsftpd(ports, certificate, "require_ssl_reuse=YES") as server:
        yield server


@pytest.fixture(scope="session")
def old_vsftpd(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    """vsftpd that has PASV, but not EPSV."""
    settings = ("require_ssl_reuse=NO", "cmds_denied=EPSV")
    with start_vsftpd(ports, certificate, *settings) as server:
        yield server


@pytest.fixture(scope="session")
def hasty_vsftpd(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    """vsftpd that ends a session of which it hears nothing for a second."""
    with start_vsftpd(ports, certificate, "idle_session_timeout=1") as server:
        yield server


@pytest.fixture(scope="session")
def implicit_vsftpd(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    """vsftpd whose connections begin with TLS."""
    settings = ("implicit_ssl=YES", "force_anon_data_ssl=YES")
    with start_vsftpd(ports, certificate, *settings) as server:
        yield server


@contextlib.contextmanager
def start_inn(ports: Ports, tls: Certificate) -> Iterator[Server]:
    need("innd")
    need("openssl")
    with directory() as place, running_inn(place, ports, tls) as server:
        yield server


@pytest.fixture(scope="session")
def inn(ports: Ports, certificate: Certificate) -> Iterator[Server]:
    with start_inn(ports, certificate) as server:
        yield server


@pytest.fixture(scope="session")
def two_inns(ports: Ports, certificate: Certificate) -> Iterator[tuple[Server, Server]]:
    """Two more, which nobody uses but those who want them to be alike."""
    with start_inn(ports, certificate) as one, start_inn(ports, certificate) as two:
        yield one, two


@pytest.fixture(scope="session")
def inetutils() -> Iterator[Server]:
    need("telnetd")
    with directory() as place, running_inetutils(place) as server:
        yield server


@pytest.fixture(scope="session")
def busybox(ports: Ports) -> Iterator[Server]:
    need("busybox")
    if "telnetd" not in subprocess.check_output(("busybox", "--list"), text=True).split():
        give_up("this busybox has no telnetd: sudo .ci/install-daemons")
    with directory() as place, running_busybox(place, ports) as server:
        yield server
