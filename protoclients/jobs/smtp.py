"""SMTP by our client and by `smtplib`. What arrived is read back by POP3.

`smtplib` asks the DNS for this machine's name, to say it in EHLO, and that may take long.
Our client says its address, as RFC 5321 section 4.1.3 allows, and here both do.
"""

import functools
import poplib
import smtplib
import ssl
from contextlib import closing

from protoclients import POP3, SMTP, Refused

from . import Job, Lab, Plain, add_job

JOBS: list[Job] = []
job = functools.partial(add_job, JOBS, "smtp", "protoclients.SMTP", "smtplib.SMTP")

HERE = "[127.0.0.1]"
SENDER = "lecturer@example.test"
STUDENT = "student@example.test"
FRIEND = "friend@example.org"  # at another host, so only who has logged in may write there

HEADER = (
    b"From: The Lecturer <lecturer@example.test>\r\n"
    b"To: A Student <student@example.test>\r\n"
)
DOTS = HEADER + (
    b"Subject: Awkward dots\r\n"
    b"\r\n"
    b".\r\n"
    b"The dot above is not the end.\r\n"
    b".profile, .. and .\r\n"
    b"..\r\n"
)
UMLAUTS = HEADER + "Subject: Grüße\r\n\r\nViele Grüße, ganz ohne =C3=BC.\r\n".encode()


def newest_by_hand(lab: Lab) -> bytes:
    """The mail that came last."""
    with POP3(lab.pop3.host, lab.pop3.port) as pop3:
        pop3.login(lab.pop3.user, lab.pop3.password)
        count, _ = pop3.stat()
        return pop3.retr(count)


def newest_by_library(lab: Lab) -> bytes:
    """The mail that came last. poplib takes the line ends off; they are put back."""
    with closing(poplib.POP3(lab.pop3.host, lab.pop3.port, timeout=10)) as pop3:
        pop3.user(lab.pop3.user)
        pop3.pass_(lab.pop3.password)
        count, _ = pop3.stat()
        _, lines, _ = pop3.retr(count)
        pop3.quit()
    return b"\r\n".join([*lines, b""])


@job()
class Extensions:
    """EHLO: what can you do?"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with SMTP(lab.smtp.host, lab.smtp.port) as smtp:
            return smtp.ehlo()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with smtplib.SMTP(lab.smtp.host, lab.smtp.port, HERE, timeout=10) as smtp:
            smtp.ehlo()
            found = smtp.esmtp_features  # names in lower case, parameters in one text
            return {name.upper(): rest.split() for name, rest in found.items()}


@job()
class StepByStep:
    """A mail, command by command"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with SMTP(lab.smtp.host, lab.smtp.port) as smtp:
            smtp.ehlo()
            replies = [smtp.mail(SENDER), smtp.rcpt(STUDENT), smtp.data(DOTS)]
        return [reply.code for reply in replies]

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with smtplib.SMTP(lab.smtp.host, lab.smtp.port, HERE, timeout=10) as smtp:
            smtp.ehlo()
            replies = [smtp.mail(SENDER), smtp.rcpt(STUDENT), smtp.data(DOTS)]
        return [code for code, _ in replies]


@job()
class AwkwardDots:
    """Awkward dots, one refused"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with SMTP(lab.smtp.host, lab.smtp.port) as smtp:
            refused = smtp.send(SENDER, [STUDENT, lab.refused], DOTS)
        codes = {recipient: reply.code for recipient, reply in refused.items()}
        return codes, newest_by_hand(lab)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with smtplib.SMTP(lab.smtp.host, lab.smtp.port, HERE, timeout=10) as smtp:
            refused = smtp.sendmail(SENDER, [STUDENT, lab.refused], DOTS)
        codes = {recipient: code for recipient, (code, _) in refused.items()}
        return codes, newest_by_library(lab)


@job()
class NobodyLeft:
    """All refused, and it goes on"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with SMTP(lab.smtp.host, lab.smtp.port) as smtp:
            try:
                refused = smtp.send(SENDER, [lab.refused], DOTS)
            except Refused as error:
                refused = dict(error.done)
            codes = {recipient: reply.code for recipient, reply in refused.items()}
            return codes, smtp.noop().code

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with smtplib.SMTP(lab.smtp.host, lab.smtp.port, HERE, timeout=10) as smtp:
            try:
                refused = smtp.sendmail(SENDER, [lab.refused], DOTS)
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
            codes = {recipient: code for recipient, (code, _) in refused.items()}
            return codes, smtp.noop()[0]


@job()
class LoginUnderTls:
    """STARTTLS, login, and a mail"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with SMTP(lab.smtp.host, lab.smtp.port) as smtp:
            smtp.starttls(ssl.create_default_context(cafile=lab.cafile))
            smtp.login(lab.smtp.user, lab.smtp.password)
            refused = smtp.send(STUDENT, [FRIEND, STUDENT], DOTS)
        return refused, newest_by_hand(lab)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with smtplib.SMTP(lab.smtp.host, lab.smtp.port, HERE, timeout=10) as smtp:
            smtp.starttls(context=ssl.create_default_context(cafile=lab.cafile))
            smtp.login(lab.smtp.user, lab.smtp.password)
            refused = smtp.sendmail(STUDENT, [FRIEND, STUDENT], DOTS)
        return refused, newest_by_library(lab)


@job()
class Umlauts:
    """UTF-8 in header and body"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with SMTP(lab.smtp.host, lab.smtp.port) as smtp:
            smtp.send(SENDER, [STUDENT], UMLAUTS)  # looks, and declares what it sees
        return newest_by_hand(lab)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        declared = ("BODY=8BITMIME", "SMTPUTF8")  # it must be told
        with smtplib.SMTP(lab.smtp.host, lab.smtp.port, HERE, timeout=10) as smtp:
            smtp.sendmail(SENDER, [STUDENT], UMLAUTS, declared)
        return newest_by_library(lab)


@job()
class Verify:
    """VRFY: do you know them?"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with SMTP(lab.smtp.host, lab.smtp.port) as smtp:
            smtp.ehlo()
            known = smtp.vrfy(STUDENT).code
            try:
                unknown = smtp.vrfy(lab.refused).code
            except Refused as no:
                unknown = no.reply.code
            return known, unknown

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with smtplib.SMTP(lab.smtp.host, lab.smtp.port, HERE, timeout=10) as smtp:
            smtp.ehlo()
            return smtp.verify(STUDENT)[0], smtp.verify(lab.refused)[0]
