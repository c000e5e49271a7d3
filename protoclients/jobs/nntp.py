"""NNTP by our client and by `nntplib`, which left the standard library with Python 3.13.

The module is gone, the protocol is not: `standard-nntplib` is the same code as a package.
Like `poplib` it gives lines without their ends.
"""

import email
import functools
import ssl

from protoclients import NNTP, Refused

from . import Job, Lab, Plain, add_job, removed_module

nntplib = removed_module("nntplib")

JOBS: list[Job] = []
job = functools.partial(add_job, JOBS, "nntp", "protoclients.NNTP", "nntplib.NNTP")

HISTORY = "lab.protocols.history"
HELP = "lab.protocols.help"
ANNOUNCE = "lab.announce"  # posting needs a login, and the moderator's Approved header
NEWEST = "<first-mail.4@news.example.test>"  # the last article of a thread

QUESTION = (
    b"From: A Student <student@example.test>\r\n"
    b"Newsgroups: lab.protocols.help\r\n"
    b"Subject: Did my dots arrive?\r\n"
    b"Message-ID: <my-dots@example.test>\r\n"
    b"\r\n"
    b".\r\n"
    b"..\r\n"
    b".signature\r\n"
)
ANNOUNCEMENT = (
    b"From: The Moderator <moderator@example.test>\r\n"
    b"Newsgroups: lab.announce\r\n"
    b"Subject: No lecture on Friday\r\n"
    b"Message-ID: <friday@example.test>\r\n"
    b"Approved: moderator@example.test\r\n"
    b"\r\n"
    b"The wires need a rest.\r\n"
)


@job()
class Groups:
    """Groups, and their subjects"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            return nntp.list("ACTIVE"), dict(nntp.list("NEWSGROUPS"))

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            _, groups = nntp.list()
            _, descriptions = nntp.descriptions("*")
        active = [(name, int(last), int(first), flag) for name, last, first, flag in groups]
        return active, descriptions


@job()
class TableOfContents:
    """Overview: who wrote what"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            group = nntp.group(HISTORY)
            rows = nntp.over((group.first, group.last))
        return [(row.number, row.fields["From"], row.fields["Subject"]) for row in rows]

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            _, _, first, last, _ = nntp.group(HISTORY)
            _, rows = nntp.over((first, last))
        return [(number, fields["from"], fields["subject"]) for number, fields in rows]


@job()
class Thread:
    """A thread, by its References"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            newest = nntp.article(NEWEST).content
            references = email.message_from_bytes(newest)["References"].split()
            earlier = nntp.article_many(references)  # in one round trip
        return [*(article.content for article in earlier), newest]

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            _, newest = nntp.article(NEWEST)
            header = email.message_from_bytes(b"\n".join(newest.lines))
            earlier = [nntp.article(name)[1] for name in header["References"].split()]
        return [b"\r\n".join([*found.lines, b""]) for found in [*earlier, newest]]


@job()
class MindTheGap:
    """NEXT to the end, then LAST"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            numbers = [nntp.group(ANNOUNCE).first]
            try:
                while True:
                    numbers.append(nntp.next().number)
            except Refused as no:
                return numbers, no.reply.code, nntp.last().message_id

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            numbers = [nntp.group(ANNOUNCE)[2]]
            try:
                while True:
                    numbers.append(nntp.next()[1])
            except nntplib.NNTPTemporaryError as no:
                return numbers, int(no.response[:3]), nntp.last()[2]


@job()
class ThreeNoes:
    """Three noes: 412, 423, 430"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        codes = []
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            for which in (None, 4, "<nothing@news.example.test>"):
                try:
                    nntp.stat(which)
                except Refused as no:
                    codes.append(no.reply.code)
                nntp.group(ANNOUNCE)
        return codes

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        codes = []
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            for which in (None, 4, "<nothing@news.example.test>"):
                try:
                    nntp.stat(which)
                except nntplib.NNTPTemporaryError as no:
                    codes.append(int(no.response[:3]))
                nntp.group(ANNOUNCE)
        return codes


@job()
class PostAndReadBack:
    """Post dots, and read them"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            reply = nntp.post(QUESTION)
            group = nntp.group(HELP)
            article = nntp.body(group.last)
        return reply.code, article.number, article.message_id, article.content

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            reply = nntp.post(QUESTION)
            _, _, _, last, _ = nntp.group(HELP)
            _, (number, message_id, lines) = nntp.body(last)
        return int(reply[:3]), number, message_id, b"\r\n".join([*lines, b""])


@job()
class PostAfterLogin:
    """480: log in first"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            try:
                code = nntp.post(ANNOUNCEMENT).code
            except Refused as no:
                code = no.reply.code
            nntp.login(lab.nntp.user, lab.nntp.password)
            reply = nntp.post(ANNOUNCEMENT)
            return code, reply.code, nntp.stat("<friday@example.test>").message_id

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            try:
                code = int(nntp.post(ANNOUNCEMENT)[:3])
            except nntplib.NNTPTemporaryError as no:
                code = int(no.response[:3])
            nntp.login(lab.nntp.user, lab.nntp.password)
            reply = nntp.post(ANNOUNCEMENT)
            return code, int(reply[:3]), nntp.stat("<friday@example.test>")[2]


@job()
class StartTls:
    """STARTTLS, and ask again"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with NNTP(lab.nntp.host, lab.nntp.port) as nntp:
            offered = "STARTTLS" in nntp.capabilities()
            nntp.starttls(ssl.create_default_context(cafile=lab.cafile))
            return offered, "STARTTLS" in nntp.capabilities()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with nntplib.NNTP(lab.nntp.host, lab.nntp.port, timeout=10) as nntp:
            offered = "STARTTLS" in nntp.getcapabilities()  # it had asked already
            nntp.starttls(ssl.create_default_context(cafile=lab.cafile))
            return offered, "STARTTLS" in nntp.getcapabilities()
