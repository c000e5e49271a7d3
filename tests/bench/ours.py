"""The jobs, by our clients."""

from __future__ import annotations

import protoclients as ours

from .contestant import HOST, RECIPIENT, SENDER, TIMEOUT, Job


def http_session(job: Job) -> ours.HTTP:
    return ours.HTTP(HOST, job.port, timeout=TIMEOUT)


def http_get(job: Job) -> int:
    with http_session(job) as http, job.into() as into, job.clock:
        return http.get("/", into=into).size


http_get_file = http_chunked_64k = http_chunked_100 = http_chunked_mixed = http_get


def http_small(job: Job) -> int:
    with http_session(job) as http, job.clock:
        return sum(len(http.get("/").body) for _ in job.numbers)


def http_small_many(job: Job) -> int:
    targets = ["/" for _ in job.numbers]
    with http_session(job) as http, job.clock:
        return sum(len(response.body) for response in http.get_many(targets))


def http_connect(job: Job) -> int:
    octets, _ = 0, ours.HTTP  # which imports it, before the clock starts
    with job.clock:
        for _ in job.numbers:
            with http_session(job) as http:
                octets += len(http.get("/").body)
    return octets


def http_put(job: Job) -> int:
    with http_session(job) as http, job.source() as source, job.clock:
        http.put("/", source)
    return job.item.size


def ftp_session(job: Job) -> ours.FTP:
    ftp = ours.FTP(HOST, job.port, timeout=TIMEOUT)
    ftp.login()
    return ftp


def ftp_retr(job: Job) -> int:
    with ftp_session(job) as ftp, job.into() as into, job.clock:
        return ftp.retr("file", into)


ftp_retr_file = ftp_retr


def ftp_stor(job: Job) -> int:
    with ftp_session(job) as ftp, job.source() as source, job.clock:
        return ftp.stor("file", source)


def ftp_list(job: Job) -> int:
    with ftp_session(job) as ftp, job.clock:
        return len(ftp.list())


def ftp_mlsd(job: Job) -> int:
    with ftp_session(job) as ftp, job.clock:
        return len(ftp.mlsd())


def ftp_small(job: Job) -> int:
    with ftp_session(job) as ftp, job.clock:
        return sum(len(ftp.retr(f"{number}.txt")) for number in job.numbers)


def ftp_small_many(job: Job) -> int:
    paths = [f"{number}.txt" for number in job.numbers]
    with ftp_session(job) as ftp, job.clock:
        return sum(map(len, ftp.retr_many(paths, ahead=True)))


def pop3_session(job: Job) -> ours.POP3:
    pop3 = ours.POP3(HOST, job.port, timeout=TIMEOUT)
    pop3.login("student", "lab-secret")
    return pop3


def pop3_retr(job: Job) -> int:
    with pop3_session(job) as pop3, job.into() as into, job.clock:
        return pop3.retr(1, into)


def pop3_small(job: Job) -> int:
    with pop3_session(job) as pop3, job.clock:
        return sum(len(pop3.retr(number)) for number in job.numbers)


def pop3_small_many(job: Job) -> int:
    with pop3_session(job) as pop3, job.clock:
        return sum(len(message) for message in pop3.retr_many(job.numbers))


def pop3_uidl(job: Job) -> int:
    with pop3_session(job) as pop3, job.clock:
        return len(pop3.uidl())


def nntp_session(job: Job) -> ours.NNTP:
    nntp = ours.NNTP(HOST, job.port, timeout=TIMEOUT)
    nntp.group("misc.test")
    return nntp


def nntp_over(job: Job) -> int:
    with nntp_session(job) as nntp, job.clock:
        return len(nntp.over((1, job.item.number)))


def nntp_small(job: Job) -> int:
    with nntp_session(job) as nntp, job.clock:
        return sum(len(nntp.article(number).content) for number in job.numbers)


def nntp_small_many(job: Job) -> int:
    with nntp_session(job) as nntp, job.clock:
        return sum(len(found.content) for found in nntp.article_many(job.numbers))


def nntp_body(job: Job) -> int:
    with nntp_session(job) as nntp, job.into() as into, job.clock:
        return nntp.body(1, into=into)


def smtp_session(job: Job) -> ours.SMTP:
    smtp = ours.SMTP(HOST, job.port, timeout=TIMEOUT)
    smtp.ehlo()
    return smtp


def smtp_small(job: Job) -> int:
    mail = job.source_octets()
    with smtp_session(job) as smtp, job.clock:
        for _ in job.numbers:
            smtp.send(SENDER, [RECIPIENT], mail)
    return job.item.total


def smtp_small_many(job: Job) -> int:
    mails = [(SENDER, [RECIPIENT], job.source_octets()) for _ in job.numbers]
    with smtp_session(job) as smtp, job.clock:
        smtp.send_many(mails)
    return job.item.total


def smtp_data(job: Job) -> int:
    with smtp_session(job) as smtp, job.source() as source, job.clock:
        smtp.send(SENDER, [RECIPIENT], source)
    return job.item.total


def smtp_bdat(job: Job) -> int:
    with smtp_session(job) as smtp, job.source() as source:
        with job.clock:
            smtp.send(SENDER, [RECIPIENT], source)
        if "BDAT" not in smtp.quit().text:  # the server tells what it heard
            raise ValueError("that was DATA")
    return job.item.total


def telnet_text(job: Job) -> int:
    telnet = ours.Telnet(HOST, job.port, timeout=TIMEOUT)
    with telnet, job.into() as into, job.clock:
        return telnet.read_all(into)


telnet_binary = telnet_text
