"""POP3 by our client and by `poplib`.

`poplib` gives a message as lines without their ends. RFC 1939 has every line end with CR
LF, so putting those back gives the message octet for octet.
"""

import functools
import poplib
import ssl
from contextlib import closing

from protoclients import POP3

from . import Job, Lab, Plain, add_job

JOBS: list[Job] = []
job = functools.partial(add_job, JOBS, "pop3", "protoclients.POP3")


@job("poplib.POP3")
class LookAtTheDrop:
    """Look: STAT, LIST and UIDL"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with POP3(lab.pop3.host, lab.pop3.port) as pop3:
            pop3.login(lab.pop3.user, lab.pop3.password)
            return pop3.stat(), pop3.list(), pop3.uidl()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
            pop3.user(lab.pop3.user)
            pop3.pass_(lab.pop3.password)
            total = pop3.stat()
            listing = [line.split() for line in pop3.list()[1]]
            sizes = [(int(number), int(size)) for number, size in listing]
            names = [line.decode().split() for line in pop3.uidl()[1]]
            ids = [(int(number), unique_id) for number, unique_id in names]
            pop3.quit()
        return total, sizes, ids


@job("poplib.POP3")
class FetchEverything:
    """Fetch all, octet for octet"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with POP3(lab.pop3.host, lab.pop3.port) as pop3:
            pop3.login(lab.pop3.user, lab.pop3.password)
            return [pop3.retr(number) for number, _ in pop3.list()]

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        mails = []
        with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
            pop3.user(lab.pop3.user)
            pop3.pass_(lab.pop3.password)
            for listed in pop3.list()[1]:
                number, _ = listed.split()
                _, lines, _ = pop3.retr(int(number))
                mails.append(b"\r\n".join([*lines, b""]))
            pop3.quit()
        return mails


@job("poplib.POP3")
class FetchAtOnce:
    """Three mails, pipelined"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with POP3(lab.pop3.host, lab.pop3.port) as pop3:
            pop3.login(lab.pop3.user, lab.pop3.password)
            return pop3.retr_many([1, 2, 3])

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        mails = []
        with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
            pop3.user(lab.pop3.user)
            pop3.pass_(lab.pop3.password)
            for number in (1, 2, 3):  # it has no pipelining: a round trip for each
                _, lines, _ = pop3.retr(number)
                mails.append(b"\r\n".join([*lines, b""]))
            pop3.quit()
        return mails


@job("poplib.POP3")
class Delete:
    """DELE: only QUIT deletes"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        counts = []
        for goodbye in (POP3.close, POP3.quit, POP3.quit):
            with closing(POP3(lab.pop3.host, lab.pop3.port)) as pop3:
                pop3.login(lab.pop3.user, lab.pop3.password)
                counts.append(pop3.stat()[0])
                pop3.dele(1)
                goodbye(pop3)
        return counts  # as many, as many still, one less

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        counts = []
        for goodbye in (poplib.POP3.close, poplib.POP3.quit, poplib.POP3.quit):
            with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
                pop3.user(lab.pop3.user)
                pop3.pass_(lab.pop3.password)
                counts.append(pop3.stat()[0])
                pop3.dele(1)
                goodbye(pop3)
        return counts


@job("poplib.POP3")
class Top:
    """TOP: header and two lines"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with POP3(lab.pop3.host, lab.pop3.port) as pop3:
            pop3.login(lab.pop3.user, lab.pop3.password)
            return pop3.top(3, 2)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
            pop3.user(lab.pop3.user)
            pop3.pass_(lab.pop3.password)
            _, lines, _ = pop3.top(3, 2)
            pop3.quit()
        return b"\r\n".join([*lines, b""])


@job("poplib.POP3")
class LoginByDigest:
    """APOP: no password is sent"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with POP3(lab.pop3.host, lab.pop3.port) as pop3:
            pop3.apop(lab.pop3.user, lab.pop3.password)
            return pop3.stat()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
            pop3.apop(lab.pop3.user, lab.pop3.password)
            total = pop3.stat()
            pop3.quit()
        return total


@job("poplib.POP3")
class StartTls:
    """STLS: encrypt from here on"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with POP3(lab.pop3.host, lab.pop3.port) as pop3:
            offered = "STLS" in pop3.capa()
            pop3.stls(ssl.create_default_context(cafile=lab.cafile))
            pop3.login(lab.pop3.user, lab.pop3.password)
            return offered, "STLS" in pop3.capa(), pop3.stat()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
            offered = "STLS" in pop3.capa()
            pop3.stls(ssl.create_default_context(cafile=lab.cafile))
            pop3.user(lab.pop3.user)
            pop3.pass_(lab.pop3.password)
            result = offered, "STLS" in pop3.capa(), pop3.stat()
            pop3.quit()
        return result


@job("poplib.POP3_SSL")
class TlsFirst:
    """TLS before the greeting"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        trust = ssl.create_default_context(cafile=lab.cafile)
        with POP3(lab.pop3.host, lab.pop3.tls_port, tls=trust) as pop3:
            pop3.login(lab.pop3.user, lab.pop3.password)
            return pop3.stat()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        trust = ssl.create_default_context(cafile=lab.cafile)
        host, port = lab.pop3.host, lab.pop3.tls_port
        with closing(poplib.POP3_SSL(host, port, timeout=10, context=trust)) as pop3:
            pop3.user(lab.pop3.user)
            pop3.pass_(lab.pop3.password)
            total = pop3.stat()
            pop3.quit()
        return total
