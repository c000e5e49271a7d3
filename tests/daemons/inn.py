"""INN: a news server. innd takes the connections and hands readers to nnrpd."""

import contextlib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from protoclients import NNTP
from protoclients.fixtures.store import SAMPLES

from .running import ENVIRONMENT, HOST, PASSWORD, USER, Certificate, Ports, Server, running

GROUPS = {
    "lab.numbers": "A hundred articles, with gaps",
    "lab.test": "What the tests post",
    "lab.large": "Twenty mebibytes an article",
    "lab.empty": "Nothing here",
    "lab.private": "Only for those who log in",
    # The Lab's own
    "lab.protocols.history": "Where the protocols come from",
    "lab.protocols.help": "Questions about the wire",
    "lab.announce": "Announcements of the lab. (Moderated)",
}
CREATED = 1_700_000_000
# The groups that INN itself needs are closed to posters.
ACTIVE = [(name, "n") for name in ("control", "control.cancel", "junk")]
ACTIVE += [(name, "m" if name == "lab.announce" else "y") for name in GROUPS]
FOLDERS = (
    *("etc", "db", "run", "log", "tmp", "spool/outgoing", "spool/incoming"),
    *("spool/archive", "spool/articles", "spool/overview"),
)
CONFIGURATION = """\
pathhost: news.example.test
domain: example.test
organization: "a test"
mta: "/bin/true"
hismethod: hisv6
ovmethod: tradindexed
enableoverview: true
pathnews: /usr/lib/news
pathdb: {place}/db
pathetc: {place}/etc
pathrun: {place}/run
pathlog: {place}/log
pathtmp: {place}/tmp
pathspool: {place}/spool
pathoutgoing: {place}/spool/outgoing
pathincoming: {place}/spool/incoming
patharchive: {place}/spool/archive
patharticles: {place}/spool/articles
pathoverview: {place}/spool/overview
port: {port}
bindaddress: {host}
bindaddress6: none
allownewnews: true
maxartsize: 0
localmaxartsize: 0
tlscafile: {tls.cafile}
tlscertfile: {tls.certificate}
tlskeyfile: {place}/key.pem
"""
READERS = """\
auth "all" {{
    hosts: "{host}"
    auth: "ckpasswd -f {place}/passwords"
    default: "nobody"
}}
access "nobody" {{
    users: "nobody"
    newsgroups: "*,!lab.private"
    access: "RP"
}}
access "user" {{
    users: "{user}"
    newsgroups: "*"
    access: "RPAIN"
}}
"""
STORAGE = """\
method tradspool {
    newsgroups: *
    class: 0
}
"""


@contextlib.contextmanager
def running_inn(place: Path, ports: Ports, tls: Certificate) -> Iterator[Server]:
    """INN with `GROUPS`, and no articles."""
    port, tls_port = ports.free(), ports.free()
    write_files(place, port, tls)
    innd = ("innd", "-f")
    # For connections that begin with TLS; innd starts its own for all others.
    nnrpd = ("nnrpd", "-D", "-f", "-S", "-p", str(tls_port), "-4", HOST)
    make_history = ("makedbz", "-i", "-o")
    environment = settings(place)
    subprocess.run(make_history, env=environment, user="news", group="news", check=True)
    with (
        # innd heeds SIGTERM only when the next thing happens, which may be in minutes.
        running(innd, place, port, environment=environment, stop=signal.SIGKILL),
        running(nnrpd, place, tls_port, environment=environment),
    ):
        yield Server(HOST, port, tls_port, USER, PASSWORD, place)


def settings(place: Path) -> dict[str, str]:
    """The environment that makes INN's programs use `place`."""
    return {**ENVIRONMENT, "INNCONF": str(place / "etc" / "inn.conf")}


def write_files(place: Path, port: int, tls: Certificate) -> None:
    """Everything that INN reads, and the directories that it writes to."""
    for folder in FOLDERS:
        (place / folder).mkdir(parents=True)
    facts = {"place": place, "host": HOST, "port": port, "tls": tls, "user": USER}
    files = {
        "etc/inn.conf": CONFIGURATION.format(**facts),
        "etc/readers.conf": READERS.format(**facts),
        "etc/storage.conf": STORAGE,
        "etc/newsfeeds": "ME:*::\n",
        "etc/incoming.conf": "",
        "etc/moderators": "",
        "etc/control.ctl": "all:*:*:drop\n",
        "etc/expire.ctl": "/remember/:11\n*:A:never:never:never\n",
        "passwords": f"{USER}:{encrypted(PASSWORD)}\n",
        "db/active": "".join(
            f"{name} 0000000000 0000000001 {may_post}\n" for name, may_post in ACTIVE
        ),
        "db/active.times": "".join(
            f"{name} {CREATED} usenet@example.test\n" for name in GROUPS
        ),
        "db/newsgroups": "".join(f"{name}\t{text}\n" for name, text in GROUPS.items()),
        "db/history": "",
        "key.pem": tls.key.read_text(),
    }
    for name, content in files.items():
        (place / name).write_text(content)
    (place / "key.pem").chmod(0o600)
    for path in (place, *place.rglob("*")):
        shutil.chown(path, "news", "news")


def encrypted(password: str) -> str:
    """A password as crypt(3) keeps it; Python has no crypt any more."""
    command = ("openssl", "passwd", "-6", "-stdin")
    return subprocess.check_output(command, input=password, text=True).strip()


def cancel(server: Server, message_id: str) -> None:
    """Take an article out of its group: its number is not given again."""
    command = ("ctlinnd", "-s", "cancel", message_id)
    subprocess.run(command, env=settings(server.place), check=True)


def post_samples(server: Server) -> None:
    """Post the Lab's articles, in the order of their numbers. An old Date would be refused,
    and one in two groups is posted once."""
    posted = set()
    with NNTP(server.host, server.port) as client:
        client.login(server.user, server.password)
        for path in sorted(SAMPLES.glob("news/*/*.txt"), key=lambda path: int(path.stem)):
            header, _, body = path.read_bytes().partition(b"\r\n\r\n")
            header = re.sub(rb"(?m)^(Date|Path): .*\r\n", b"", header + b"\r\n")
            if header not in posted:
                client.post(header + b"\r\n" + body)
                posted.add(header)
