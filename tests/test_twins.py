"""Twins: our client and the standard library's, in the same conversation.

Both speak to the same script, which checks the octets of both, capitals and small letters
aside; and what they make of the answers is the same. A test's script is the twins' common
ground: where the standard library says more, or says it otherwise, it is not asked here.
"""

import ftplib
import http.client
import nntplib
import poplib
import smtplib
import telnetlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Refused, Telnet

from .conversation_player import read
from .scripted_server import PATIENCE, Server, served

HOST = "127.0.0.1"


def same(script: str, ours: Callable[[int], Any], theirs: Callable[[int], Any]) -> None:
    """Play `script` with each of the two, which are given the port, and compare."""
    events = read(script).events
    with served(Server(events)) as port:
        our_result = ours(port)
    with served(Server(events, any_case=True)) as port:
        their_result = theirs(port)
    assert our_result == their_result


def no(call: Callable[..., Any], *arguments: Any) -> str:
    """The server's no, as text."""
    try:
        result = call(*arguments)
    except Refused as error:
        return str(error.reply)
    except poplib.error_proto as error:
        return str(error.args[0].decode())
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {error.smtp_error!r}"
    except (ftplib.error_perm, nntplib.NNTPError) as error:
        return str(error)
    raise AssertionError(f"not refused: {result!r}")


def joined(lines: list[bytes]) -> bytes:
    """Lines as they came, with their ends."""
    return b"".join(line + b"\r\n" for line in lines)


POP3_SCRIPT = r"""
S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
C: CAPA
S: +OK Capability list follows
S: SASL CRAM-MD5 KERBEROS_V4
S: UIDL
S: .
C: USER frated
S: -ERR sorry, no mailbox for frated here
C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
S: +OK mrose's maildrop has 2 messages (320 octets)
C: STAT
S: +OK 2 320
C: LIST
S: +OK 2 messages (320 octets)
S: 1 120
S: 2 200
S: .
C: LIST 3
S: -ERR no such message, only 2 messages in maildrop
C: UIDL
S: +OK
S: 1 whqtswO00WBw418f9t5JxYwZ
S: .
C: RETR 1
S: +OK 120 octets
S: ..
S:
S: ..dot \xe9
S: .
C: TOP 1 0
S: +OK
S: .
C: DELE 1
S: +OK
C: RSET
S: +OK
C: NOOP
S: +OK
C: QUIT
S: +OK
"""


def test_pop3_and_poplib_have_the_same_session() -> None:
    def ours(port: int) -> list[Any]:
        with POP3(HOST, port, timeout=PATIENCE) as pop3:
            found: list[Any] = [pop3.capa(), no(pop3.login, "frated", "x")]
            pop3.apop("mrose", "tanstaaf")
            found += [pop3.stat(), pop3.list(), no(pop3.list, 3), pop3.uidl()]
            found += [pop3.retr(1), pop3.top(1)]
            pop3.dele(1)
            pop3.rset()
            pop3.noop()
        return found

    def theirs(port: int) -> list[Any]:
        pop3 = poplib.POP3(HOST, port, timeout=PATIENCE)
        found: list[Any] = [pop3.capa(), no(pop3.user, "frated")]
        pop3.apop("mrose", "tanstaaf")
        found += [pop3.stat()]
        found += [[tuple(map(int, line.split())) for line in pop3.list()[1]]]
        found += [no(pop3.list, 3)]
        ids = [line.decode().split() for line in pop3.uidl()[1]]
        found += [[(int(number), unique) for number, unique in ids]]
        found += [joined(pop3.retr(1)[1]), joined(pop3.top(1, 0)[1])]
        pop3.dele(1)
        pop3.rset()
        pop3.noop()
        pop3.quit()
        return found

    same(POP3_SCRIPT, ours, theirs)


SMTP_SCRIPT = r"""
S: 220-foo.com Simple Mail Transfer Service
S: 220 Ready
C: EHLO bar.com
S: 250-foo.com greets bar.com
S: 250-SIZE 1000000
S: 250-AUTH CRAM-MD5
S: 250 HELP
C: AUTH CRAM-MD5
S: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw
S: 235 2.7.0 Authentication successful
C: VRFY Crispin
S: 250 Mark Crispin <Admin.MRC@foo.com>
C: MAIL FROM:<Smith@bar.com>
S: 250 OK
C: RSET
S: 250 OK
C: MAIL FROM:<Smith@bar.com> SIZE=29
S: 250 OK
C: RCPT TO:<Jones@foo.com>
S: 250 OK
C: RCPT TO:<Green@foo.com>
S: 550-No such
S: 550 user here
C: DATA
S: 354 Start mail input; end with <CRLF>.<CRLF>
C: Subject: dots
C:
C: ..
C: ..dot
C: end
C: .
S: 250 OK
C: QUIT
S: 221 foo.com Service closing transmission channel
"""
MAIL = b"Subject: dots\r\n\r\n.\r\n.dot\r\nend"
PEOPLE = ["Jones@foo.com", "Green@foo.com"]


def test_smtp_and_smtplib_have_the_same_session() -> None:
    def ours(port: int) -> list[Any]:
        with SMTP(HOST, port, timeout=PATIENCE) as smtp:
            smtp.ehlo("bar.com")
            smtp.login("tim", "tanstaaftanstaaf")
            found: list[Any] = [str(smtp.vrfy("Crispin")), str(smtp.mail("Smith@bar.com"))]
            smtp.rset()
            refused = smtp.send("Smith@bar.com", PEOPLE, MAIL)
            found += [(who, reply.code, reply.text) for who, reply in refused.items()]
        return found

    def theirs(port: int) -> list[Any]:
        smtp = smtplib.SMTP(HOST, port, timeout=PATIENCE)
        smtp.ehlo("bar.com")
        smtp.login("tim", "tanstaaftanstaaf")
        answers = [smtp.vrfy("Crispin"), smtp.mail("Smith@bar.com")]
        found: list[Any] = [f"{code} {text.decode()}" for code, text in answers]
        smtp.rset()
        refused = smtp.sendmail("Smith@bar.com", PEOPLE, MAIL)
        found += [(who, code, text.decode()) for who, (code, text) in refused.items()]
        smtp.quit()
        return found

    same(SMTP_SCRIPT, ours, theirs)


SMTP_HELO_SCRIPT = r"""
S: 220 old.example.test ready
C: EHLO [127.0.0.1]
S: 502 Command not implemented
C: HELO [127.0.0.1]
S: 250 old.example.test
C: MAIL FROM:<a@example.test>
S: 250 OK
C: RCPT TO:<b@example.test>
S: 550 no
C: RSET
S: 250 OK
C: QUIT
S: 221 bye
"""


def test_smtp_and_smtplib_fall_back_to_helo_alike_and_take_a_refused_mail_back() -> None:
    def ours(port: int) -> tuple[int, str]:
        with SMTP(HOST, port, timeout=PATIENCE) as smtp:
            try:
                smtp.send("a@example.test", ["b@example.test"], b"")
            except Refused as error:
                return error.reply.code, error.reply.text
        raise AssertionError("not refused")

    def theirs(port: int) -> tuple[int, str]:
        with smtplib.SMTP(HOST, port, "[127.0.0.1]", PATIENCE) as smtp:
            try:
                smtp.sendmail("a@example.test", ["b@example.test"], b"")
            except smtplib.SMTPRecipientsRefused as error:
                code, text = error.recipients["b@example.test"]
                return code, text.decode()
        raise AssertionError("not refused")

    same(SMTP_HELO_SCRIPT, ours, theirs)


FTP_SCRIPT = r"""
S: 220-Welcome
S:  220 to the server
S: 220 Service ready
C: USER Doe
S: 331 User name ok, need password
C: PASS mumble
S: 230 User logged in
C: PWD
S: 257 "/usr/""dm" is current directory
C: MKD new
S: 257 "/usr/new" directory created
C: CWD new
S: 250 CWD command successful.
C: CWD ..
S: 550 no
C: RNFR a
S: 350 go on
C: RNTO b
S: 250 done
C: DELE b
S: 250 done
C: RMD new
S: 250 done
C: TYPE I
S: 200 I
C: SIZE Example
S: 213 1830
C: TYPE A
S: 200 A
C: PORT 127,0,0,1,{active}
S: 200 PORT command successful.
C: NLST
S: 150 here
D: one
D: two words
S: 226 done
C: TYPE I
S: 200 I
C: PORT 127,0,0,1,{active}
S: 200 PORT command successful.
C: REST 802816
S: 350 Restarting at 802816. Send STORE or RETRIEVE
C: RETR cap60.pl198.tar
S: 150 Opening BINARY mode data connection
D: \xff\0\r
S: 226 Transfer complete.
C: TYPE A
S: 200 A
C: PORT 127,0,0,1,{active}
S: 200 PORT command successful.
C: NLST empty
S: 150 here
D*
S: 226 done
C: TYPE I
S: 200 I
C: PORT 127,0,0,1,{active}
S: 200 PORT command successful.
C: STOR new
S: 150 go on
U: \xff\0\r
S: 226 done
C: QUIT
S: 221 bye
"""


def test_ftp_and_ftplib_have_the_same_session() -> None:
    def ours(port: int) -> list[Any]:
        with FTP(HOST, port, timeout=PATIENCE, passive=False) as ftp:
            ftp.login("Doe", "mumble")
            found: list[Any] = [ftp.pwd(), ftp.mkd("new")]
            ftp.cwd("new")
            found += [no(ftp.cwd, "..")]
            ftp.rename("a", "b")
            ftp.dele("b")
            ftp.rmd("new")
            found += [ftp.size("Example"), ftp.nlst()]
            found += [ftp.retr("cap60.pl198.tar", offset=802816), ftp.nlst("empty")]
            ftp.stor("new", found[-2])
        return found

    def theirs(port: int) -> list[Any]:
        ftp, sink = ftplib.FTP(timeout=PATIENCE), BytesIO()
        ftp.connect(HOST, port)
        ftp.set_pasv(False)
        ftp.login("Doe", "mumble")
        found: list[Any] = [ftp.pwd(), ftp.mkd("new")]
        ftp.cwd("new")
        found += [no(ftp.sendcmd, "CWD ..")]
        ftp.rename("a", "b")
        ftp.delete("b")
        ftp.rmd("new")
        ftp.voidcmd("TYPE I")
        found += [ftp.size("Example"), ftp.nlst()]
        ftp.retrbinary("RETR cap60.pl198.tar", sink.write, rest=802816)
        found += [sink.getvalue(), ftp.nlst("empty")]
        ftp.storbinary("STOR new", BytesIO(sink.getvalue()))
        ftp.quit()
        return found

    same(FTP_SCRIPT, ours, theirs)


NNTP_SCRIPT = r"""
S: 200 NNTP Service Ready, posting permitted
C: CAPABILITIES
S: 101 Capability list:
S: VERSION 2
S: READER
S: LIST ACTIVE NEWSGROUPS OVERVIEW.FMT
S: OVER MSGID
S: .
C: GROUP misc.test
S: 211 1234 3000234 3002322 misc.test
C: GROUP example.is.sob.bradner.or.barber
S: 411 example.is.sob.bradner.or.barber is unknown
C: ARTICLE
S: 220 3000234 <45223423@example.com>
S: Subject: I am just a test article
S:
S: ..
S: This is just a test article.
S: .
C: HEAD <45223423@example.com>
S: 221 0 <45223423@example.com>
S: Subject: I am just a test article
S: .
C: BODY 3000234
S: 222 3000234 <45223423@example.com>
S: .
C: STAT
S: 223 3000234 <45223423@example.com> retrieved
C: NEXT
S: 223 3000237 <668929@example.org> retrieved
C: LAST
S: 422 No previous article to retrieve
C: LIST ACTIVE *.recovery
S: 215 list of newsgroups follows
S: alt.rfc-writers.recovery 4 1 y
S: .
C: OVER 3000234-3000240
S: 224 Overview information follows
S: 3000234\tTest\ta@example.com\t6 Oct 1998\t<1@example.com>\t\t1234\t17\tXref: news a:3
S: .
C: LIST OVERVIEW.FMT
S: 215 Order of fields in overview database.
S: Subject:
S: From:
S: Date:
S: Message-ID:
S: References:
S: :bytes
S: :lines
S: Xref:full
S: .
C: DATE
S: 111 19990623135624
C: HELP
S: 100 Help text follows
S: This is some help text.
S: .
C: POST
S: 340 Input article; end with <CR-LF>.<CR-LF>
C: Newsgroups: misc.test
C:
C: ..
C: ..dot
C: .
S: 240 Article received OK
C: IHAVE <i.am.an.article.you.have@example.com>
S: 435 Duplicate
C: QUIT
S: 205 closing connection
"""
ARTICLE = b"Newsgroups: misc.test\r\n\r\n.\r\n.dot\r\n"


def test_nntp_and_nntplib_have_the_same_session() -> None:
    def ours(port: int) -> list[Any]:
        with NNTP(HOST, port, timeout=PATIENCE) as nntp:
            found: list[Any] = [nntp.capabilities(), nntp.group("misc.test").last]
            found += [no(nntp.group, "example.is.sob.bradner.or.barber")]
            found += [tuple(nntp.article()), tuple(nntp.head("<45223423@example.com>"))]
            found += [tuple(nntp.body(3000234)), nntp.stat()[:2], nntp.next()[:2]]
            found += [no(nntp.last), nntp.list("ACTIVE", "*.recovery")]
            rows = nntp.over((3000234, 3000240))
            nntp.list("OVERVIEW.FMT")
            lower = {name.lower(): value for name, value in rows[0].fields.items()}
            found += [rows[0].number, lower, nntp.date(), nntp.help()]
            found += [str(nntp.post(ARTICLE))]
            found += [no(nntp.ihave, "<i.am.an.article.you.have@example.com>", ARTICLE)]
        return found

    def theirs(port: int) -> list[Any]:
        nntp = nntplib.NNTP(HOST, port, timeout=PATIENCE)
        found: list[Any] = [nntp.getcapabilities(), nntp.group("misc.test")[3]]
        found += [no(nntp.group, "example.is.sob.bradner.or.barber")]
        asked = [nntp.article(), nntp.head("<45223423@example.com>"), nntp.body(3000234)]
        found += [(info.number, info.message_id, joined(info.lines)) for _, info in asked]
        found += [nntp.stat()[1:], nntp.next()[1:], no(nntp.last)]
        groups: Any = nntp.list("*.recovery")[1]
        found += [[(g.group, int(g.last), int(g.first), g.flag) for g in groups]]
        (number, fields) = nntp.over((3000234, 3000240))[1][0]
        found += [number, fields, f"{nntp.date()[1]:%Y%m%d%H%M%S}", nntp.help()[1][0]]
        found += [nntp.post(BytesIO(ARTICLE))]
        found += [no(nntp.ihave, "<i.am.an.article.you.have@example.com>", ARTICLE)]
        nntp.quit()
        return found

    same(NNTP_SCRIPT, ours, theirs)


HTTP_SCRIPT = r"""
C: GET /hello.txt?a=b HTTP/1.1
C: Host: www.example.com
C: Accept-Language: en, mi
C:
S: HTTP/1.1 100 Continue
S:
S: HTTP/1.1 200 OK
S: Content-Length: 5
S: Set-Cookie: a=1
S: Set-Cookie: b=2
S:
S: Hello\
C: GET /chunked HTTP/1.1
C: Host: www.example.com
C:
S: HTTP/1.1 203 Non-Authoritative
S: Transfer-Encoding: chunked
S:
S: 4
S: Wiki
S: A;name=value
S: pedia\r\n012
S: 0
S: Expires: never
S:
C: HEAD / HTTP/1.1
C: Host: www.example.com
C:
S: HTTP/1.1 404 Not Found
S: Content-Length: 1000
S:
C: PUT /file HTTP/1.1
C: Host: www.example.com
C: Content-Length: 4
C:
C: \0\r\n.\
S: HTTP/1.1 204 No Content
S:
C: GET /until-close HTTP/1.1
C: Host: www.example.com
C:
S: HTTP/1.1 200 OK
S: Connection: close
S:
R: to the end
S*
"""
REQUESTS: list[tuple[str, str, dict[str, str], bytes]] = [
    ("GET", "/hello.txt?a=b", {"Accept-Language": "en, mi"}, b""),
    ("GET", "/chunked", {}, b""),
    ("HEAD", "/", {}, b""),
    ("PUT", "/file", {"Content-Length": "4"}, b"\0\r\n."),
    ("GET", "/until-close", {}, b""),
]


def test_http_and_http_client_have_the_same_session() -> None:
    def ours(port: int) -> list[Any]:
        found = []
        with HTTP(HOST, port, timeout=PATIENCE) as client:
            for method, target, headers, body in REQUESTS:
                headers = {"Host": "www.example.com", **headers}
                headers.pop("Content-Length", None)  # it says that unasked
                r = client.request(method, target, headers, body)
                found += [(r.status, r.reason, list(r.headers), r.body)]
        return found

    def theirs(port: int) -> list[Any]:
        found = []
        client = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        for method, target, headers, body in REQUESTS:
            client.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": "www.example.com", **headers}.items():
                client.putheader(name, value)
            client.endheaders(body)
            r = client.getresponse()
            found += [(r.status, r.reason, r.getheaders(), r.read())]
        client.close()
        return found

    same(HTTP_SCRIPT, ours, theirs)


TELNET_SCRIPT = r"""
S: {IAC DO TTYPE IAC WILL ECHO IAC DO NAWS}\
C: {IAC WONT TTYPE IAC DONT ECHO IAC WONT NAWS}\
S: {IAC SB TTYPE SEND IAC SE}login: \
C: student
S: student
S: a{IAC IAC}b$ \
C: {IAC IAC}
S: {IAC 241}bye\
S*
"""


def test_telnet_and_telnetlib_have_the_same_session() -> None:
    def session(telnet: Any) -> list[bytes]:
        found = [telnet.read_until(b"login: ")]
        telnet.write(b"student\r\n")
        found += [telnet.read_until(b"$ ")]
        telnet.write(b"\xff\r\n")
        found += [telnet.read_all()]
        telnet.close()
        return found

    same(
        TELNET_SCRIPT,
        lambda port: session(Telnet(HOST, port, timeout=PATIENCE)),
        lambda port: session(telnetlib.Telnet(HOST, port, PATIENCE)),
    )
