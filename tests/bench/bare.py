"""The jobs, by a loop that only counts: how fast it could be if nobody looked at anything.

It knows beforehand how many octets will come. No client can, so a client that gets there
has found a better way to receive or send.
"""

import socket

from . import content
from .contestant import HOST, RECIPIENT, SENDER, Job
from .items import PIECE

SPACE = memoryview(bytearray(PIECE))
GET = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n"
ENVELOPE = f"MAIL FROM:<{SENDER}>\r\n", f"RCPT TO:<{RECIPIENT}>\r\n"
MAIL, RCPT = (line.encode() for line in ENVELOPE)
DATA = b"DATA\r\n"
# The commands of POP3 and NNTP that are measured.
MEASURED = (b"RETR", b"UIDL", b"OVER", b"ARTICLE", b"BODY")


def connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def session(job: Job, *commands: bytes) -> socket.socket:
    """Connect, hear the greeting, and say what has to be said before."""
    connection = connect(job.port)
    heard(connection, 1)
    for command in commands:
        connection.sendall(command)
        connection.recv(4096)
    return connection


def count(connection: socket.socket, octets: int) -> None:
    """Receive so many octets."""
    while octets:
        octets -= connection.recv_into(SPACE, min(octets, PIECE)) or octets


def heard(connection: socket.socket, lines: int) -> None:
    """Receive so many lines."""
    while lines > 0:
        lines -= connection.recv(4096).count(b"\n")


def download(connection: socket.socket, octets: int, job: Job) -> None:
    """Receive so many octets into the file."""
    with job.into() as into:
        while octets:
            size = connection.recv_into(SPACE, min(octets, PIECE))
            into.write(SPACE[:size])
            octets -= size


def upload(connection: socket.socket, job: Job) -> None:
    """Send the file."""
    with open(job.path, "rb", buffering=0) as source:
        while size := source.readinto(SPACE):
            connection.sendall(SPACE[:size])


def each(job: Job, connection: socket.socket, asked: dict[bytes, int]) -> int:
    """Say a command, count the octets of its answer, say the next."""
    with connection, job.clock:
        for line, octets in asked.items():
            connection.sendall(line)
            count(connection, octets)
    return job.item.total


def at_once(job: Job, connection: socket.socket, asked: dict[bytes, int]) -> int:
    """Say all commands; the buffers on the way hold so few octets easily."""
    with connection, job.clock:
        connection.sendall(b"".join(asked))
        count(connection, sum(asked.values()))
    return job.item.total


def requests(job: Job) -> dict[bytes, int]:
    octets = content.http(job.item).octets
    return {GET.replace(b"/", b"/%d" % number, 1): octets for number in job.numbers}


def http_get(job: Job) -> int:
    return each(job, connect(job.port), requests(job))


http_chunked_64k = http_chunked_100 = http_chunked_mixed = http_small = http_get


def http_small_many(job: Job) -> int:
    return at_once(job, connect(job.port), requests(job))


def http_get_file(job: Job) -> int:
    head = len(content.http(job.item).head)
    with connect(job.port) as connection, job.clock:
        connection.sendall(GET)
        count(connection, head)
        download(connection, job.item.size, job)
    return job.item.total


def http_connect(job: Job) -> int:
    asked = requests(job)
    with job.clock:
        for line, octets in asked.items():
            with connect(job.port) as connection:
                connection.sendall(line)
                count(connection, octets)
    return job.item.total


def http_put(job: Job) -> int:
    with connect(job.port) as connection, job.clock:
        connection.sendall(PUT % job.item.size)
        upload(connection, job)
        heard(connection, 1)
    return job.item.total


def data_connection(control: socket.socket, command: bytes) -> socket.socket:
    """Ask for a port, connect to it, say what for."""
    control.sendall(b"EPSV\r\n")
    data = connect(int(control.recv(4096).split(b"|")[3]))
    control.sendall(command)
    return data


def ftp_retr(job: Job) -> int:
    octets = content.ftp(job.item).octets
    times = job.item.number if job.item.size else 1
    with session(job) as control, job.clock:
        for _ in range(times):
            with data_connection(control, b"RETR file\r\n") as data:
                count(data, octets)
            heard(control, 2)
    return job.item.total


ftp_list = ftp_mlsd = ftp_small = ftp_small_many = ftp_retr


def ftp_retr_file(job: Job) -> int:
    with session(job) as control, job.clock:
        with data_connection(control, b"RETR file\r\n") as data:
            download(data, job.item.size, job)
        heard(control, 2)
    return job.item.total


def ftp_stor(job: Job) -> int:
    with session(job) as control, job.clock:
        with data_connection(control, b"STOR file\r\n") as data:
            upload(data, job)
        heard(control, 2)
    return job.item.total


def measured(answers: dict[bytes, content.Answer]) -> dict[bytes, int]:
    """The commands whose answers are what the item is about, and how long they are."""
    return {
        line + b"\r\n": answer.octets
        for line, answer in answers.items()
        if line.startswith(MEASURED)
    }


def pop3_retr(job: Job) -> int:
    return each(job, session(job), measured(content.pop3(job.item)))


pop3_small = pop3_uidl = pop3_retr


def pop3_small_many(job: Job) -> int:
    return at_once(job, session(job), measured(content.pop3(job.item)))


def nntp_body(job: Job) -> int:
    return each(job, session(job), measured(content.nntp(job.item)))


nntp_small = nntp_over = nntp_body


def nntp_small_many(job: Job) -> int:
    return at_once(job, session(job), measured(content.nntp(job.item)))


def smtp_small(job: Job) -> int:
    mail = content.dotted(b"", job.item.size).head
    with session(job, b"EHLO bench\r\n") as connection, job.clock:
        for _ in job.numbers:
            for said in (MAIL, RCPT, DATA, mail):
                connection.sendall(said)
                heard(connection, 1)
    return job.item.total


def smtp_small_many(job: Job) -> int:
    """The next envelope goes with the mail before it: one round trip a mail."""
    mail = content.dotted(b"", job.item.size).head
    envelope = MAIL + RCPT + DATA
    with session(job, b"EHLO bench\r\n", envelope) as connection, job.clock:
        for _ in job.numbers[1:]:
            connection.sendall(mail + envelope)
            heard(connection, 4)
        connection.sendall(mail)
        heard(connection, 1)
    return job.item.total


def smtp_data(job: Job) -> int:
    mail = content.dotted(b"", job.item.size)
    with session(job, b"EHLO bench\r\n", MAIL, RCPT, DATA) as connection, job.clock:
        connection.sendall(mail.head)
        for _ in range(mail.times):
            connection.sendall(mail.block)
        connection.sendall(mail.tail)
        heard(connection, 1)
    return job.item.total


def smtp_bdat(job: Job) -> int:
    with session(job, b"EHLO bench\r\n", MAIL, RCPT) as connection, job.clock:
        connection.sendall(b"BDAT %d LAST\r\n" % job.item.size)
        upload(connection, job)
        heard(connection, 1)
    return job.item.total


def telnet_text(job: Job) -> int:
    octets = content.telnet(job.item).octets
    with connect(job.port) as connection, job.clock:
        count(connection, octets)
    return job.item.total


telnet_binary = telnet_text
