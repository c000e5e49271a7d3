"""protoclients.FTP against vsftpd."""

import ftplib
import io
import select
import ssl
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from protoclients import FTP
from protoclients.errors import LimitExceeded, Refused, WireError

from .conftest import Curl
from .running import Certificate, Server

pytestmark = pytest.mark.daemons

LARGE = bytes(range(256)) * 4096 * 20  # 20 MiB, with every octet
ROOT = ["/README.txt", "/incoming", "/pub"]
numbers = count(1)


def log_in(
    server: Server, trust: ssl.SSLContext | None = None, passive: bool = True
) -> FTP:
    """A session, under TLS if there is something to trust."""
    client = FTP(server.host, server.port, timeout=10, passive=passive)
    if trust:
        client.auth_tls(trust)
    client.login(server.user, server.password)
    return client


@pytest.fixture(params=["clear", "tls"])
def client(
    request: pytest.FixtureRequest, vsftpd: Server, trust: ssl.SSLContext
) -> Iterator[FTP]:
    with log_in(vsftpd, trust if request.param == "tls" else None) as client:
        yield client


@pytest.fixture
def folder(client: FTP, vsftpd: Server) -> Path:
    """A new directory, in which `client` is."""
    name = f"/incoming/{next(numbers)}"
    assert client.mkd(name) == name
    client.cwd(name)
    return vsftpd.place / "files" / name.removeprefix("/")


def test_the_session(client: FTP) -> None:
    assert client.greeting.code == 220
    assert client.syst() == "UNIX Type: L8"
    assert {"EPSV", "EPRT", "SIZE", "MDTM", "TVFS", "UTF8"} <= client.feat().keys()
    assert client.feat()["REST"] == ["STREAM"]
    assert "FTP server status:" in client.stat().text
    client.noop()
    assert client.abor().code == 225
    client.quit()
    assert client.wire.closed


def test_directories(client: FTP, folder: Path) -> None:
    name = f"/incoming/{folder.name}"
    assert client.pwd() == name
    assert client.mkd('a "quoted" name') == f'{name}/a "quoted" name'
    client.cwd('a "quoted" name')
    assert client.pwd() == f'{name}/a "quoted" name'
    client.cdup()
    assert client.pwd() == name
    client.rmd('a "quoted" name')
    assert client.nlst() == []


@pytest.mark.parametrize(
    "name",
    ["a name with spaces", "Übergröße ñ", "-dash", ".dot", "語.txt", 'a"b', "100%"],
)
def test_names_of_every_kind(client: FTP, folder: Path, name: str) -> None:
    assert client.stor(name, b"content") == 7
    assert [path.name for path in folder.iterdir()] == [name]
    assert client.retr(name) == b"content"
    assert client.size(name) == 7
    client.rename(name, "plain")
    client.rename("plain", name)
    client.dele(name)
    assert list(folder.iterdir()) == []


def test_a_name_that_is_no_utf_8_survives(client: FTP, folder: Path) -> None:
    (folder / "caf\udce9").write_bytes(b"Latin-1")
    (name,) = client.nlst()
    assert client.retr(name) == b"Latin-1"


def test_the_next_port_is_asked_for_ahead(client: FTP, folder: Path) -> None:
    names = [f"{number}" for number in range(9)]
    for name in names:
        (folder / name).write_bytes(name.encode() * 100_000)
    found = client.retr_many(names, ahead=True)
    assert found == [name.encode() * 100_000 for name in names]
    with pytest.raises(Refused) as caught:
        client.retr_many(["1", "nowhere", "2"], ahead=True)
    assert [path for path, _ in caught.value.done] == ["1", "2"]
    assert client.retr("3") == b"3" * 100_000


def test_listings(client: FTP, folder: Path) -> None:
    for name in ("one", "two words"):
        client.stor(name, b"12345")
    assert sorted(client.nlst()) == ["one", "two words"]
    lines = sorted(line.split(None, 8)[-1] for line in client.list())
    assert lines == ["one", "two words"]
    assert client.nlst("one") == ["one"]
    assert sorted(client.stat(".").text.split("\n"))[-1].startswith("drwx")
    assert client.nlst("nowhere") == []  # vsftpd answers an empty listing
    with pytest.raises(Refused, match="500"):
        client.mlsd()  # which vsftpd does not know
    client.noop()


def test_the_empty_directory_and_the_large_one(client: FTP, folder: Path) -> None:
    assert (client.list(), client.nlst()) == ([], [])
    names = [f"file {number:04}" for number in range(1000)]
    for name in names:
        (folder / name).touch()
    assert client.nlst() == names
    assert len(client.list()) == 1000


def test_store_fetch_append_and_delete(client: FTP, folder: Path) -> None:
    assert client.stor("note", b"\x00\r\n\xff") == 4
    assert client.retr("note") == b"\x00\r\n\xff"
    assert client.appe("note", b"more") == 4
    assert (folder / "note").read_bytes() == b"\x00\r\n\xffmore"
    assert len(client.mdtm("note")) == 14
    assert client.stor("empty", b"") == 0
    assert client.retr("empty") == b""
    client.dele("note")
    with pytest.raises(Refused, match="550"):
        client.retr("note")


def test_both_directions_resume(client: FTP, folder: Path) -> None:
    client.stor("note", b"0123456789")
    assert client.retr("note", offset=7) == b"789"
    file = io.BytesIO()
    assert client.retr("note", file, 4) == 6
    assert file.getvalue() == b"456789"
    assert client.stor("note", b"abcdef", offset=8) == 6
    assert (folder / "note").read_bytes() == b"01234567abcdef"
    assert client.retr("note") == b"01234567abcdef"  # the offset was for one command


def test_20_mebibytes_up_and_down(client: FTP, folder: Path) -> None:
    assert client.stor("large", LARGE) == len(LARGE)
    assert (folder / "large").read_bytes() == LARGE
    assert client.retr("large") == LARGE
    assert client.stor("again", io.BytesIO(LARGE)) == len(LARGE)
    file = io.BytesIO()
    assert client.retr("again", file) == len(LARGE)
    assert file.getvalue() == LARGE


def test_a_hundred_files_one_after_the_other(client: FTP, folder: Path) -> None:
    for number in range(100):
        client.stor(f"{number}", b"%d" % number)
    assert [client.retr(f"{number}") for number in range(100)] == [
        b"%d" % number for number in range(100)
    ]


def test_what_is_refused_leaves_the_session_good(client: FTP) -> None:
    refused = {
        "cwd": ("/nowhere",),
        "retr": ("/nowhere",),
        "size": ("/nowhere",),
        "mdtm": ("/nowhere",),
        "dele": ("/nowhere",),
        "rmd": ("/nowhere",),
        "mkd": ("/pub",),
        "rename": ("/nowhere", "/elsewhere"),
        "stor": ("/pub/forbidden", b"content"),
        "appe": ("/pub/forbidden", b"content"),
    }
    for method, arguments in refused.items():
        with pytest.raises(Refused, match=r"550|553"):
            getattr(client, method)(*arguments)
        client.noop()
    assert client.nlst("/") == ROOT


def test_a_file_beyond_the_limit_ends_the_connection(client: FTP, folder: Path) -> None:
    client.stor("large", LARGE)
    with pytest.raises(LimitExceeded):
        client.retr("large", limit=1000)
    assert client.wire.closed


@pytest.mark.parametrize("passive", [True, False])
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("daemon", ["vsftpd", "old_vsftpd"])
def test_every_kind_of_data_connection(
    request: pytest.FixtureRequest,
    trust: ssl.SSLContext,
    daemon: str,
    tls: bool,
    passive: bool,
) -> None:
    server = request.getfixturevalue(daemon)
    with log_in(server, trust if tls else None, passive) as client:
        name = f"/incoming/data {next(numbers)}"
        assert client.stor(name, LARGE[:100_000]) == 100_000
        assert client.retr(name) == LARGE[:100_000]
        assert client.nlst("/") == ROOT


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("passive", [True, False])
def test_a_server_that_demands_the_same_tls_session_is_served(
    strict_vsftpd: Server, certificate: Certificate, passive: bool, version: str
) -> None:
    trust = ssl.create_default_context(cafile=certificate.cafile)
    trust.minimum_version = trust.maximum_version = ssl.TLSVersion[version]
    with log_in(strict_vsftpd, trust, passive) as client:
        for content in (LARGE, b"small", b"one more"):
            name = f"/incoming/{next(numbers)}"
            assert client.stor(name, content) == len(content)
            assert client.retr(name) == content
        assert client.nlst("/") == ROOT


def test_ftplib_is_refused_by_such_a_server(
    strict_vsftpd: Server, trust: ssl.SSLContext
) -> None:
    with ftplib.FTP_TLS(context=trust, timeout=10) as library:
        library.connect(strict_vsftpd.host, strict_vsftpd.port)
        library.login(strict_vsftpd.user, strict_vsftpd.password)
        library.prot_p()
        with pytest.raises(ftplib.error_perm, match="522"):
            library.nlst("/")


def test_a_wrong_password_is_refused_and_another_may_be_tried(vsftpd: Server) -> None:
    with FTP(vsftpd.host, vsftpd.port, timeout=10) as client:
        with pytest.raises(Refused, match="530"):
            client.login(vsftpd.user, "wrong")
        with pytest.raises(Refused, match="530"):
            client.pwd()
        with pytest.raises(Refused, match="530"):
            client.login("somebody", "else")
        assert client.login(vsftpd.user, vsftpd.password).code == 230
        assert client.pwd() == "/"


def test_a_timeout_notice_is_not_taken_for_an_answer(hasty_vsftpd: Server) -> None:
    with log_in(hasty_vsftpd) as client:
        assert select.select([client.wire], [], [], 10)[0]
        with pytest.raises(WireError, match="421"):
            client.pwd()
        assert client.wire.closed


def test_a_certificate_by_a_stranger_is_refused(vsftpd: Server) -> None:
    with FTP(vsftpd.host, vsftpd.port) as client:
        with pytest.raises(WireError, match="certificate"):
            client.auth_tls()
        assert client.wire.closed


def test_implicit_tls(implicit_vsftpd: Server, trust: ssl.SSLContext) -> None:
    host, port = implicit_vsftpd.host, implicit_vsftpd.port
    with FTP(host, port, timeout=10, tls=trust) as client:
        client.login(implicit_vsftpd.user, implicit_vsftpd.password)
        assert client.stor("/incoming/note", b"content") == 7
        assert client.retr("/incoming/note") == b"content"
    with pytest.raises(WireError, match="certificate"):
        FTP(host, port, tls=True)


@pytest.mark.parametrize("daemon", ["vsftpd", "strict_vsftpd"])
def test_curl_fetches_the_same_octets(
    request: pytest.FixtureRequest, trust: ssl.SSLContext, curl: Curl, daemon: str
) -> None:
    server: Server = request.getfixturevalue(daemon)
    with log_in(server, trust) as client:
        client.stor("/incoming/for curl", LARGE)
    url = f"ftp://{server.user}:{server.password}@{server.host}:{server.port}"
    assert curl("--ssl-reqd", f"{url}/incoming/for%20curl") == LARGE
