"""Real servers in place of ours, for the items that one is installed for.

Each has a configuration of its own, made for measuring, and serves what our server would:
the contestants do not know whom they talk to. But what it says before a body is its own
affair, so the bare loop, which has to know how many octets come, has no place here.

INN sends an article in two pieces, and the second only when the first is acknowledged;
which, for nntplib, Linux does after 40 ms. So its 5,000 articles take minutes.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from protoclients import POP3
from tests.daemons.inn import settings, write_files
from tests.daemons.running import (
    ENVIRONMENT,
    HOST,
    MAIL_OWNER,
    PASSWORD,
    USER,
    Ports,
    issue_certificate,
    running,
)

from .content import Answer, dotted, ftp, message, text
from .contestant import TIMEOUT
from .items import KIB, PIECE, Item

NGINX = """\
daemon off;
user www-data;
pid {place}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {place}/temporary1;
    proxy_temp_path {place}/temporary2;
    fastcgi_temp_path {place}/temporary3;
    uwsgi_temp_path {place}/temporary4;
    scgi_temp_path {place}/temporary5;
    server {{
        listen {host}:{port} backlog=1000;
        root {place};
        location / {{ try_files /body =404; }}
    }}
}}
"""
# No space around "=". Clients may not write to the root, but to a file that is there.
VSFTPD = """\
listen=YES
listen_address={host}
listen_port={port}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={place}/files
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
secure_chroot_dir={place}/empty
pasv_min_port={passive[0]}
pasv_max_port={passive[1]}
connect_from_port_20=NO
xferlog_enable=NO
"""
DOVECOT = """\
protocols = pop3
listen = {host}
base_dir = {place}/run
state_dir = {place}/run
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{place}/mail
pop3_no_flag_updates = yes
pop3_fast_size_lookups = yes
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={place}/mail
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
}}
"""
MAIL_HEADER = b"From: student@example.test\r\nSubject: a mail\r\n\r\n"
ARTICLE_HEADER = """\
Path: bench!not-for-mail\r
From: A Student <student@example.test>\r
Newsgroups: misc.test\r
Subject: Re: A subject of some words\r
Date: Tue, 01 Sep 2026 12:00:00 +0000\r
Message-ID: <{n:010}@example.test>\r
References: <{n:010}.0@example.test>\r
Xref: news.example.test misc.test:{n}\r
Lines: 26\r
\r
"""


def write(path: Path, answer: Answer) -> None:
    """Make a file of what our server would say."""
    with path.open("wb") as file:
        file.write(answer.head)
        for _ in range(answer.times):
            file.write(answer.block)
        file.write(answer.tail)


@contextlib.contextmanager
def nginx(item: Item, place: Path, ports: Ports) -> Iterator[int]:
    """One file, whatever is asked for."""
    port = ports.free()
    write(place / "body", ftp(item))
    configuration = place / "nginx.conf"
    configuration.write_text(NGINX.format(host=HOST, port=port, place=place))
    with running(("nginx", "-c", configuration), place, port):
        yield port


@contextlib.contextmanager
def vsftpd(item: Item, place: Path, ports: Ports) -> Iterator[int]:
    """The file that is asked for, or as many as are to be listed or fetched."""
    port, passive = ports.free(), ports.range(20)
    files = place / "files"
    files.mkdir()
    (place / "empty").mkdir()
    if item.name == "ftp-stor":
        (files / "file").touch()
        (files / "file").chmod(0o666)
    elif item.name.startswith(("ftp-list", "ftp-small")):
        for number in range(1, item.number + 1):
            (files / f"{number}.txt").write_bytes(text(item.size))
    else:
        write(files / "file", ftp(item))
    configuration = place / "vsftpd.conf"
    facts = {"host": HOST, "port": port, "place": place, "passive": passive}
    configuration.write_text(VSFTPD.format(**facts))
    with running(("vsftpd", configuration), place, port):
        yield port


@contextlib.contextmanager
def smtp_sink(item: Item, place: Path, ports: Ports) -> Iterator[int]:
    """It takes every mail, and forgets it."""
    port = ports.free()
    with running(("smtp-sink", "-u", "nobody", f"{HOST}:{port}", "100"), place, port):
        yield port


@contextlib.contextmanager
def dovecot(item: Item, place: Path, ports: Ports) -> Iterator[int]:
    """A Maildir; it has been looked at, so the index is there."""
    port = ports.free()
    fill(place / "mail", item)
    configuration = place / "dovecot.conf"
    facts = {"host": HOST, "port": port, "place": place}
    account = {"password": PASSWORD, "owner": MAIL_OWNER}
    configuration.write_text(DOVECOT.format(**facts, **account))
    with running(("dovecot", "-F", "-c", configuration), place, port):
        with POP3(HOST, port, timeout=TIMEOUT) as pop3:
            pop3.login(USER, PASSWORD)
        yield port


def fill(maildir: Path, item: Item) -> None:
    """As many mails as are wanted; with CR LF inside, Dovecot sends them as they are."""
    for folder in (maildir, *(maildir / name for name in ("new", "cur", "tmp"))):
        folder.mkdir()
        os.chown(folder, MAIL_OWNER, MAIL_OWNER)
    content = mail(item.size or KIB)
    for number in range(1, item.number + 1):
        # Names that differ at their end: by others, Dovecot's table of them gets slow.
        write(maildir / "cur" / f"{10**9}.bench.{number:06}:2,", content)


def mail(size: int) -> Answer:
    """A mail of so many octets, the header among them."""
    first = min(size, PIECE)
    begin = MAIL_HEADER + message(first - len(MAIL_HEADER))
    return Answer(begin, message(PIECE), (size - first) // PIECE)


@contextlib.contextmanager
def inn(item: Item, place: Path, ports: Ports) -> Iterator[int]:
    """A group with its articles, which are put where INN has them, and then made known."""
    port, environment = ports.free(), settings(place)
    write_files(place, port, issue_certificate(place))
    group = place / "spool" / "articles" / "misc" / "test"
    group.mkdir(parents=True)
    for number in range(1, item.number + 1):
        write(group / str(number), article(item, number))
    with (place / "db" / "active").open("a") as active:
        active.write(f"misc.test {item.number:010} 0000000001 y\n")
    # All in one go: after the last of several goes it fails if nothing is left for it.
    command = ("makehistory", "-O", "-l", str(item.number + 1))
    subprocess.run(
        command, env=environment, user="news", group="news", check=True, capture_output=True
    )
    # innd heeds SIGTERM only when the next thing happens, which may be in minutes.
    stop = signal.SIGKILL
    with running(("innd", "-f"), place, port, environment=environment, stop=stop):
        yield port


def article(item: Item, number: int) -> Answer:
    """An article as INN stores it, which is as it is sent."""
    header = ARTICLE_HEADER.format(n=number).encode()
    if item.name == "nntp-body":
        return dotted(header, item.size)
    return dotted(header, max(0, item.size - len(header)))


class Daemon(NamedTuple):
    """The programs that are needed for it, how it is run, and the items it can serve."""

    programs: tuple[str, ...]
    run: Callable[[Item, Path, Ports], AbstractContextManager[int]]
    items: tuple[str, ...]


DAEMONS = [
    Daemon(
        ("nginx",),
        nginx,
        ("http-get", "http-get-file", "http-small", "http-small-many", "http-connect"),
    ),
    Daemon(
        ("vsftpd",),
        vsftpd,
        (
            *("ftp-retr", "ftp-retr-file", "ftp-stor", "ftp-list"),
            *("ftp-small", "ftp-small-many"),
        ),
    ),
    Daemon(("smtp-sink",), smtp_sink, ("smtp-small", "smtp-small-many", "smtp-data")),
    Daemon(
        ("dovecot",),
        dovecot,
        ("pop3-retr", "pop3-small", "pop3-small-many", "pop3-uidl"),
    ),
    Daemon(
        ("innd", "makehistory", "openssl"),
        inn,
        ("nntp-over", "nntp-small", "nntp-small-many", "nntp-body"),
    ),
]
BY_ITEM = {item: daemon for daemon in DAEMONS for item in daemon.items}


def missing(name: str, rtt: float) -> str:
    """Why there is no real server for an item; "" if there is one."""
    if name not in BY_ITEM:
        return "no daemon here serves it"
    for program in BY_ITEM[name].programs:
        if not shutil.which(program, path=ENVIRONMENT["PATH"]):
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "only root can start the daemon"
    if rtt and name.startswith("ftp"):
        return "its data connections know no longer way"
    return ""


@contextlib.contextmanager
def daemon(item: Item, place: Path) -> Iterator[int]:
    """The port of a real server for the item, which works in `place`."""
    place.chmod(0o755)  # daemons have to read it after they have dropped root
    run = BY_ITEM[item.name].run
    with contextlib.closing(Ports()) as ports, run(item, place, ports) as port:
        yield port
