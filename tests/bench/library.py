"""The jobs, by the standard library, as its documentation has them done."""

import ftplib
import http.client
import nntplib
import poplib
import shutil
import smtplib
import telnetlib

from .contestant import HOST, RECIPIENT, SENDER, Job

# telnetlib goes octet by octet: it does this part of the work, and its time is multiplied.
TELNET_PART = 100


def http_session(job: Job) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(HOST, job.port)
    connection.connect()
    return connection


def get(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/")
    return len(connection.getresponse().read())


def http_get(job: Job) -> int:
    connection = http_session(job)
    with job.into() as into:
        with job.clock:
            connection.request("GET", "/")
            shutil.copyfileobj(connection.getresponse(), into)
        return into.tell()


http_get_file = http_chunked_64k = http_chunked_100 = http_chunked_mixed = http_get


def http_small(job: Job) -> int:
    connection = http_session(job)
    with job.clock:
        return sum(get(connection) for _ in job.numbers)


http_small_many = http_small  # no pipelining here


def http_connect(job: Job) -> int:
    octets = 0
    with job.clock:
        for _ in job.numbers:
            connection = http.client.HTTPConnection(HOST, job.port)
            octets += get(connection)
            connection.close()
    return octets


def http_put(job: Job) -> int:
    connection = http_session(job)
    with job.source() as source, job.clock:
        connection.request("PUT", "/", source, {"Content-Length": str(job.item.size)})
        connection.getresponse().read()
    return job.item.size


def ftp_session(job: Job) -> ftplib.FTP:
    ftp = ftplib.FTP()
    ftp.connect(HOST, job.port)
    ftp.login()
    return ftp


def ftp_retr(job: Job) -> int:
    with ftp_session(job) as ftp, job.into() as into:
        with job.clock:
            ftp.retrbinary("RETR file", into.write)
        return into.tell()


ftp_retr_file = ftp_retr


def ftp_stor(job: Job) -> int:
    with ftp_session(job) as ftp, job.source() as source, job.clock:
        ftp.storbinary("STOR file", source)
    return job.item.size


def ftp_list(job: Job) -> int:
    lines: list[str] = []
    with ftp_session(job) as ftp, job.clock:
        ftp.dir(lines.append)
    return len(lines)


def ftp_mlsd(job: Job) -> int:
    with ftp_session(job) as ftp, job.clock:
        return len(list(ftp.mlsd()))


def ftp_small(job: Job) -> int:
    octets = 0
    with ftp_session(job) as ftp, job.clock:
        for number in job.numbers:
            pieces: list[bytes] = []
            ftp.retrbinary(f"RETR {number}.txt", pieces.append)
            octets += len(b"".join(pieces))
    return octets


ftp_small_many = ftp_small


def pop3_session(job: Job) -> poplib.POP3:
    pop3 = poplib.POP3(HOST, job.port)
    pop3.user("student")
    pop3.pass_("lab-secret")
    return pop3


def pop3_small(job: Job) -> int:
    pop3 = pop3_session(job)
    with job.clock:
        octets = sum(len(b"\r\n".join(pop3.retr(n)[1])) + 2 for n in job.numbers)
    pop3.quit()
    return octets


pop3_small_many = pop3_small  # no pipelining here


def pop3_retr(job: Job) -> int:
    pop3 = pop3_session(job)
    with job.clock:
        octets = pop3.retr(1)[2]
    pop3.quit()
    return octets


def pop3_uidl(job: Job) -> int:
    pop3 = pop3_session(job)
    with job.clock:
        rows = [line.decode().split() for line in pop3.uidl()[1]]
        ids = [(int(number), unique_id) for number, unique_id in rows]
    pop3.quit()
    return len(ids)


def nntp_session(job: Job) -> nntplib.NNTP:
    nntp = nntplib.NNTP(HOST, job.port)
    nntp.group("misc.test")
    return nntp


def nntp_over(job: Job) -> int:
    with nntp_session(job) as nntp, job.clock:
        return len(nntp.over((1, job.item.number))[1])


def nntp_small(job: Job) -> int:
    with nntp_session(job) as nntp, job.clock:
        found = (nntp.article(number)[1].lines for number in job.numbers)
        return sum(len(b"\r\n".join(lines)) + 2 for lines in found)


nntp_small_many = nntp_small  # no pipelining here


def nntp_body(job: Job) -> int:
    with nntp_session(job) as nntp:
        with job.clock:
            lines = nntp.body(1)[1].lines
        return sum(map(len, lines)) + 2 * len(lines)


def smtp_session(job: Job) -> smtplib.SMTP:
    smtp = smtplib.SMTP(HOST, job.port, local_hostname="bench")
    smtp.ehlo()
    return smtp


def smtp_small(job: Job) -> int:
    mail = job.source_octets()
    with smtp_session(job) as smtp, job.clock:
        for _ in job.numbers:
            smtp.sendmail(SENDER, [RECIPIENT], mail)
    return job.item.total


smtp_small_many = smtp_small  # no PIPELINING here


def smtp_data(job: Job) -> int:
    with smtp_session(job) as smtp, job.source() as source, job.clock:
        smtp.sendmail(SENDER, [RECIPIENT], source.read())
    return job.item.total


smtp_bdat = smtp_data  # no CHUNKING here


def telnet_text(job: Job) -> int:
    part = max(1, job.item.size // TELNET_PART)
    octets = 0
    with telnetlib.Telnet(HOST, job.port) as telnet:
        with job.clock:
            while octets < part:
                octets += len(telnet.read_some())
        job.clock.seconds *= job.item.size / octets
        job.clock.cpu *= job.item.size / octets
    return job.item.size


telnet_binary = telnet_text
