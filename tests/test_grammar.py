"""The grammars: what each line is, what it means, what it changes, and what is secret."""

import re
import subprocess
import sys
from typing import Any

import pytest

from protoclients.grammar import (
    echo,
    ftp,
    http1,
    nntp,
    pop3,
    reading,
    smtp,
    source,
    telnet,
)

from .spoken import bytewise, call, dialogue, essence, kinds, masked, numbered, only, shown

SMTP = """
    S: 220 mail.example.test ESMTP
    C: EHLO desk.example.test
    S: 250-mail.example.test
    S: 250-PIPELINING
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 go ahead
    do_handshake
    C: EHLO desk.example.test
    S: 250 mail.example.test
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: c3R1ZGVudA==
    S: 334 UGFzc3dvcmQ6
    C: bGFiLXNlY3JldA==
    S: 235 2.7.0 welcome
    C: MAIL FROM:<student@example.test>
    S: 250 OK
    C: RCPT TO:<lecturer@example.test>
    S: 250 OK
    C: RCPT TO:<nobody@example.test>
    S: 550 no such user
    C: DATA
    S: 354 go on
    C: Subject: dots\\r\\n\\r\\n..one\\r\\n..\\r\\nlast\\r\\n.
    S: 250 accepted
    C: MAIL FROM:<student@example.test>
    S: 250 OK
    C: RSET
    S: 250 OK
    C: QUIT
    S: 221 bye
    close
"""
POP3 = """
    S: +OK ready <1896.697170952@mail.example.test>
    C: APOP student c4c9334bac560ecc979e58001b3e22fb
    S: -ERR [AUTH] no
    C: AUTH PLAIN
    S: +
    C: AHN0dWRlbnQAbGFiLXNlY3JldA==
    S: -ERR no
    C: USER student
    S: +OK
    C: PASS lab secret
    S: +OK two messages
    C: LIST
    S: +OK
    S: 1 120
    S: 2 200
    S: .
    C: LIST 2
    S: +OK 2 200
    C: RETR 1
    S: +OK 120 octets
    S: Subject: x\\r\\n\\r\\n..dot\\r\\n.
    C: DELE 1
    S: +OK
    C: QUIT
    S: +OK bye
    close
"""
NNTP = """
    S: 201 news.example.test
    C: AUTHINFO USER student
    S: 381 password
    C: AUTHINFO PASS lab-secret
    S: 281 welcome
    C: AUTHINFO SASL PLAIN AHN0dWRlbnQAbGFiLXNlY3JldA==
    S: 502 no
    C: GROUP misc.test
    S: 211 3 10 14 misc.test
    C: LISTGROUP
    S: 211 3 10 14 misc.test
    S: 10\\r\\n12\\r\\n14\\r\\n.
    C: NEXT
    S: 223 12 <12@example.test>
    C: HEAD <99@example.test>
    S: 221 0 <99@example.test>
    S: Subject: x\\r\\n.
    C: ARTICLE 14
    S: 423 no
    C: POST
    S: 340 go on
    C: Subject: x\\r\\n\\r\\ntext\\r\\n.
    S: 240 received
    C: QUIT
    S: 205 bye
"""
FTP = """
    S: 220-Welcome
    S: 220-331 is not the end
    S:  230 neither is this
    S: 220 FTP
    C: USER student
    S: 331 password
    C: PASS lab-secret
    S: 230 in
    C: CWD /pub
    S: 250 OK
    C: CWD sub
    S: 250 OK
    C: PWD
    S: 257 "/pub/a ""b"" c" is it
    C: CDUP
    S: 250 OK
    C: TYPE I
    S: 200 OK
    C: REST 4
    S: 350 OK
    C: RETR x
    S: 150 here
    S: 226 whole
    C: RNFR old
    S: 350 go on
    C: RNTO new
    S: 250 OK
    C: XOLD thing
    S: 500 what?
    C: QUIT
    S: 221 bye
"""
SESSIONS = {"smtp": SMTP, "pop3": POP3, "nntp": NNTP, "ftp": FTP}


def states(script: str) -> list[str]:
    """What the server's replies change, as "reply code -> state"."""
    talk = only(dialogue(script))
    return [
        f"{step.text[:3]} -> {step.after}"
        for step in talk.steps
        if step.before != step.after and step.speaker == "S"
    ]


@pytest.mark.parametrize("protocol", SESSIONS)
def test_the_protocol_is_told_by_its_greeting(protocol: str) -> None:
    assert only(dialogue(SESSIONS[protocol])).protocol == protocol


@pytest.mark.parametrize("protocol", SESSIONS)
def test_where_calls_cut_the_octets_changes_no_step(protocol: str) -> None:
    calls = dialogue(SESSIONS[protocol])
    assert essence(only(bytewise(calls))) == essence(only(calls))


def test_smtp_says_what_it_is_line_by_line() -> None:
    assert shown(only(dialogue(SMTP))) == [
        "S: 220 mail.example.test ESMTP",
        "C: EHLO desk.example.test",
        "S: 250-mail.example.test\n250-PIPELINING\n250 STARTTLS",
        "C: STARTTLS",
        "S: 220 go ahead",
        "C: EHLO desk.example.test",
        "S: 250 mail.example.test",
        "C: AUTH LOGIN",
        "S: 334 VXNlcm5hbWU6",
        "C: <<12 octets hidden>>",
        "S: 334 UGFzc3dvcmQ6",
        "C: <<16 octets hidden>>",
        "S: 235 2.7.0 welcome",
        "C: MAIL FROM:<student@example.test>",
        "S: 250 OK",
        "C: RCPT TO:<lecturer@example.test>",
        "S: 250 OK",
        "C: RCPT TO:<nobody@example.test>",
        "S: 550 no such user",
        "C: DATA",
        "S: 354 go on",
        "C: Subject: dots\n\n..one\n..\nlast\n.",
        "S: 250 accepted",
        "C: MAIL FROM:<student@example.test>",
        "S: 250 OK",
        "C: RSET",
        "S: 250 OK",
        "C: QUIT",
        "S: 221 bye",
    ]


def test_smtp_keeps_the_order_of_a_mail() -> None:
    assert states(SMTP) == [
        "250 -> greeted",
        "250 -> greeted",
        "250 -> mail begun",
        "250 -> recipients: 1",
        "354 -> content",
        "250 -> greeted",
        "250 -> mail begun",
        "250 -> greeted",
        "221 -> over",
    ]


def test_smtp_forgets_all_after_starttls() -> None:
    (tls,) = (step for step in only(dialogue(SMTP)).steps if step.kind == "tls")
    assert (tls.before, tls.after) == ("greeted", "connected")


def test_a_dot_block_is_shown_stuffed_and_says_so() -> None:
    (block,) = (step for step in only(dialogue(SMTP)).steps if step.kind == "block")
    assert block.notes == ("2 dot-stuffed lines: the first dot is taken off again",)
    assert block.source == "RFC 5321 section 4.5.2"


def test_smtp_counts_the_octets_of_bdat() -> None:
    talk = only(
        numbered(
            [
                *dialogue("S: 220 ESMTP"),
                call("send", b"BDAT 6\r\n.\r\n.\r\nBDAT 3 LAST\r\nabc"),
                call("recv", b"250 6 octets\r\n250 whole\r\n"),
            ]
        )
    )
    assert kinds(talk)[1:] == ["C command", "C chunk"] * 2 + ["S reply"] * 2
    assert [step.data for step in talk.steps if step.kind == "chunk"] == [
        b".\r\n.\r\n",
        b"abc",
    ]
    assert talk.steps[-1].after == "greeted"


def test_smtp_content_waits_for_the_reply_to_data() -> None:
    refused = dialogue("S: 220 SMTP\nC: DATA\nC: QUIT\nS: 503 no\nS: 221 bye")
    assert kinds(only(refused)) == [
        "S reply",
        "C command",
        "S reply",
        "C command",
        "S reply",
    ]
    agreed = dialogue("S: 220 SMTP\nC: DATA\nC: QUIT\nC: .\nS: 354 go on\nS: 250 taken")
    assert kinds(only(agreed)) == ["S reply", "C command", "S reply", "C block", "S reply"]


def test_pop3_has_three_states() -> None:
    assert states(POP3) == ["+OK -> TRANSACTION", "+OK -> TRANSACTION, 1 marked"]
    quit_ = next(step for step in only(dialogue(POP3)).steps if step.text == "QUIT")
    assert (quit_.before, quit_.after) == ("TRANSACTION, 1 marked", "UPDATE")


def test_pop3_without_quit_deletes_nothing() -> None:
    script = POP3[: POP3.index("C: QUIT")] + "\nclose"
    assert only(dialogue(script)).steps[-1].meaning == (
        "the connection ends without QUIT: nothing is deleted"
    )


def test_pop3_knows_which_replies_have_a_block() -> None:
    assert kinds(only(dialogue(POP3))).count("S block") == 2
    refused = dialogue("S: +OK\nC: RETR 9\nS: -ERR none\nC: NOOP\nS: +OK")
    assert kinds(only(refused)) == ["S reply"] + ["C command", "S reply"] * 2


def test_pop3_explains_the_code_of_an_error() -> None:
    script = "S: +OK\nC: PASS x\nS: -ERR [IN-USE] locked"
    assert only(dialogue(script)).steps[-1].source == "RFC 2449 section 8.1.2"


def test_nntp_keeps_the_group_and_the_pointer() -> None:
    assert states(NNTP) == [
        "211 -> group misc.test, article 10",
        "223 -> group misc.test, article 12",
    ]


def test_nntp_knows_blocks_by_code_and_command() -> None:
    assert kinds(only(dialogue(NNTP))).count("S block") == 2  # not after GROUP
    assert kinds(only(dialogue(NNTP))).count("C block") == 1


def test_nntp_has_no_pointer_in_an_empty_group() -> None:
    script = "S: 200 x\nC: GROUP a.b\nS: 211 0 5 4 a.b"
    assert only(dialogue(script)).steps[-1].after == "group a.b, no article"


def test_nntp_takethis_is_followed_by_its_article_at_once() -> None:
    script = (
        "S: 200 x\nC: TAKETHIS <1@x>\nC: text\\r\\n.\nC: QUIT\nS: 239 <1@x>\nS: 205 bye"
    )
    assert kinds(only(dialogue(script))) == [
        "S reply",
        "C command",
        "C block",
        "C command",
        "S reply",
        "S reply",
    ]


def test_ftp_keeps_what_people_forget() -> None:
    assert states(FTP) == [
        "230 -> TYPE A",
        "250 -> TYPE A, directory /pub",
        "250 -> TYPE A, directory /pub/sub",
        '257 -> TYPE A, directory /pub/a "b" c',
        "250 -> TYPE A, directory /pub",
        "200 -> TYPE I, directory /pub",
        "350 -> TYPE I, REST 4, directory /pub",
        "226 -> TYPE I, directory /pub",
        "350 -> TYPE I, RNFR old, directory /pub",
        "250 -> TYPE I, directory /pub",
        "221 -> over, TYPE I, directory /pub",
    ]


def test_ftp_replies_may_have_anything_between() -> None:
    assert shown(only(dialogue(FTP)))[0] == (
        "S: 220-Welcome\n220-331 is not the end\n 230 neither is this\n220 FTP"
    )


def test_a_preliminary_reply_does_not_answer_the_command() -> None:
    meanings = [step.meaning for step in only(dialogue(FTP)).steps if step.text[:1] == "2"]
    assert "the data were whole: only this says so" in meanings


def test_an_unknown_command_is_shown_as_it_is() -> None:
    step = next(s for s in only(dialogue(FTP)).steps if s.text == "XOLD thing")
    assert (step.kind, step.meaning) == ("command", "not a command that is known here")


# HTTP


def http(*said: tuple[str, bytes]) -> Any:
    """An HTTP conversation, the same whether cut by calls or at every octet."""
    names = {"C": "send", "S": "recv"}
    calls = [call("connect"), *(call(names[who], octets) for who, octets in said)]
    calls += [call("recv"), call("close")]
    talk = only(numbered(calls), "http")
    assert essence(only(bytewise(calls), "http")) == essence(talk)
    return talk


GET = ("C", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_http_bodies_end_in_four_ways() -> None:
    head = b"HTTP/1.1 200 OK\r\n"
    for fields, body, framing in (
        (b"Content-Length: 3\r\n\r\n", b"abc", "Content-Length 3"),
        (b"\r\n", b"abc", "until close"),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", "chunked"),
    ):
        talk = http(GET, ("S", head + fields + body))
        assert talk.steps[2].after == f"response body: {framing}"
        assert talk.steps[-1].after == "idle"
    talk = http(
        ("C", b"HEAD / HTTP/1.1\r\n\r\n"), ("S", head + b"Content-Length: 3\r\n\r\n")
    )
    assert talk.steps[2].after == "idle"


def test_http_chunks_have_extensions_and_trailers() -> None:
    talk = http(
        GET,
        ("S", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("S", b"a;x=1\r\n0123456789\r\n0\r\nDigest: x\r\n\r\n"),
    )
    assert kinds(talk)[2:] == ["S chunk", "S chunk", "S trailer"]
    assert talk.steps[3].text == "a;x=1\n0123456789"


def test_many_chunks_are_folded_into_one_step() -> None:
    chunks = b"1\r\nx\r\n" * 50 + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    talk = http(GET, ("S", head + chunks))
    assert kinds(talk)[2:] == ["S chunk"] * 7 + ["S trailer"]
    folded = talk.steps[8]
    assert folded.data == b"1\r\nx\r\n" * 45
    assert "45 chunks in 1 recv" in folded.notes


def test_http_interim_responses_come_before_the_final_one() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n"
    talk = http(GET, ("S", interim + b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert [step.after for step in talk.steps[2:4]] == ["1 request unanswered", "idle"]


def test_http_pipelining_is_counted() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    talk = http(("C", GET[1] * 3), ("S", answer * 3))
    assert talk.steps[3].after == "3 requests unanswered"
    assert talk.steps[1].notes == ("3 heads in one send",)
    assert talk.steps[4].notes == ("3 heads and 3 bodies in one recv",)


def test_http_request_bodies_may_wait_for_a_100() -> None:
    ask = b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    agreed = http(("C", ask), ("S", b"HTTP/1.1 100 Continue\r\n\r\n"), ("C", b"abc"))
    assert kinds(agreed) == ["C head", "S head", "C body"]
    no = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
    assert kinds(http(("C", ask), ("S", no), GET)) == ["C head", "S head", "C head"]


def test_a_body_that_is_cut_says_so() -> None:
    talk = http(GET, ("S", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"))
    assert talk.steps[3].notes == ("its end was not heard",)
    assert talk.steps[4].meaning == "the connection ends before the body is whole"


def test_after_101_and_connect_it_is_not_http_any_more() -> None:
    upgrade = http(GET, ("S", b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05"))
    assert (upgrade.steps[-3].kind, upgrade.steps[-3].text) == ("data", "81 05")
    tunnel = [
        call("connect"),
        call("send", b"CONNECT x:443 HTTP/1.1\r\n\r\n"),
        call("recv", b"HTTP/1.1 200 OK\r\n\r\n"),
        call("do_handshake"),
        call("send", GET[1]),
        call("recv", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ]
    assert kinds(only(numbered(tunnel))) == ["C head", "S head"] * 2


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        (b"Authorization: Basic c3R1ZGVudDpsYWI=\r\n", "Authorization: Basic <<16 oct"),
        (b"authorization:secret thing\r\n", "authorization:<<12 octets"),
        (b"Proxy-Authorization: Bearer secret\r\n\tsecret\r\n", "Bearer <<"),
        (b"Cookie: a=secret; b=secret\r\n", "Cookie: <<18 octets hidden>>"),
        (b"Referer: http://student:secret@x/\r\n", "http://student:<<6 octets hidden>>@x/"),
    ],
)
def test_secret_fields_are_hidden_and_counted(said: bytes, hidden: str) -> None:
    talk = http(
        ("C", b"GET http://a:secret@x/?q=1&password=secret HTTP/1.1\r\n" + said + b"\r\n")
    )
    text = masked(talk.steps[1])
    assert hidden in text
    assert "secret" not in text.replace("password=", "")
    assert talk.steps[1].shown(show_secrets=True).count("secret") >= 2


def test_a_cookie_that_is_set_keeps_its_name_and_attributes() -> None:
    talk = http(GET, ("S", b"HTTP/1.1 204 No\r\nSet-Cookie: id=secret; Path=/\r\n\r\n"))
    assert "Set-Cookie: id=<<6 octets hidden>>; Path=/" in masked(talk.steps[2])


def test_a_password_in_a_form_is_hidden() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    talk = http(("C", head + b"Content-Length: 23\r\n\r\nuser=me&password=secret"))
    assert masked(talk.steps[2]) == "user=me&password=<<6 octets hidden>>"


FORM = b"Content-Type: Application/X-WWW-Form-Urlencoded; charset=utf-8\r\n"
JSON = b"Content-Type: application/json\r\n"
PARTS = b"Content-Type: multipart/form-data; boundary=b\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="new_password"\r\n\r\nsecret\r\n--b--'


@pytest.mark.parametrize(
    ("field", "body"),
    [
        *((FORM, b"a=1&%b=secret&b=2" % name) for name in (
            b"client_secret", b"refresh_token", b"new_password", b"password1", b"passwd",
            b"user[password]", b"user%5Bpassword%5D", b"api-key", b"X-Amz-Signature", b"key",
        )),
        (JSON, b'{"a": "b", "password": "secret", "c": "d"}'),
        (JSON, b'{"access_token":"secret"}'),
        (JSON, b'{"key":"secret"}'),
        (JSON, b'{"apiKey" : "secret\\"secret"}'),
        (PARTS, PART),
        *((b"%b: secret\r\n" % name, b"x") for name in (
            b"PRIVATE-TOKEN", b"X-Vault-Token", b"api-key", b"X-CSRF-Token", b"X-API-Key",
            b"X-Amz-Security-Token",
        )),
        (b"Referer: /?u=http%3A%2F%2Fbob%3Asecret%40h\r\n", b"x"),
    ],
)  # fmt: skip
def test_secrets_are_known_by_their_names(field: bytes, body: bytes) -> None:
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(body), body,
    )  # fmt: skip
    for framed in (length + body, chunked):
        request = b"POST /?auth_token=secret HTTP/1.1\r\n" + field + framed
        response = b"HTTP/1.1 200 OK\r\n" + field + framed
        talk = http(("C", request), ("S", response))
        said = "".join(masked(step) for step in talk.steps if step.speaker != "-")
        for name in ("client_secret", "X-Amz-Security"):
            said = said.replace(name, "")
        assert "secret" not in said, said


@pytest.mark.parametrize(
    "said", ["max_tokens=1", "compass=1", "passage=1", "passengers=1", "bypass=1"]
)
def test_a_name_that_only_sounds_secret_is_none(said: str) -> None:
    talk = http(("C", b"GET /?%b HTTP/1.1\r\n\r\n" % said.encode()))
    assert said in masked(talk.steps[1])


def test_a_key_that_is_no_secret_is_shown() -> None:
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    assert "dGhl" in masked(http(("C", b"GET / HTTP/1.1\r\n" + key + b"\r\n")).steps[1])


@pytest.mark.parametrize(
    "said", ["AUTH geheim", "AUTH login-geheim", "*2\\r\\n$4\\r\\nAUTH\\r\\n$6\\r\\ngeheim"]
)
def test_the_password_for_redis_is_hidden(said: str) -> None:
    assert "geheim" not in str(only(dialogue(f"C: {said}\nS: +OK"), "unknown"))


def test_a_secret_is_hidden_wherever_it_turns_up_again() -> None:
    talk = only(dialogue("S: +OK\nC: PASS lab-secret\nS: -ERR lab-secret is wrong"))
    assert shown(talk)[-1] == "S: -ERR <<10 octets hidden>> is wrong"


# Telnet

IAC_DO_TTYPE, IAC_WILL_TTYPE = b"\xff\xfd\x18", b"\xff\xfb\x18"


def telnet_talk(*said: tuple[str, bytes]) -> Any:
    names = {"C": "send", "S": "recv"}
    calls = [call("connect"), *(call(names[who], octets) for who, octets in said)]
    talk = only(numbered(calls), "telnet")
    assert essence(only(bytewise(calls), "telnet")) == essence(talk)
    return talk


def test_telnet_negotiations_are_steps_and_fill_the_table() -> None:
    talk = telnet_talk(
        ("S", b"\xff\xfb\x01\xff\xfd\x1f" + IAC_DO_TTYPE + b"hello"),
        ("C", b"\xff\xfd\x01\xff\xfc\x1f" + IAC_WILL_TTYPE),
        ("S", b"\xff\xfa\x18\x01\xff\xf0"),
        ("C", b"\xff\xfa\x18\x00XTERM\xff\xf0"),
        ("S", b"\xff\xfe\x18"),
        ("C", b"\xff\xfc\x18"),
    )
    assert [(step.text, step.after) for step in talk.steps[1:]] == [
        ("IAC WILL ECHO", "him: ECHO WANTYES"),
        ("IAC DO NAWS", "us: NAWS WANTYES; him: ECHO WANTYES"),
        ("IAC DO TTYPE", "us: NAWS WANTYES, TTYPE WANTYES; him: ECHO WANTYES"),
        ("hello", "us: NAWS WANTYES, TTYPE WANTYES; him: ECHO WANTYES"),
        ("IAC DO ECHO", "us: NAWS WANTYES, TTYPE WANTYES; him: ECHO YES"),
        ("IAC WONT NAWS", "us: NAWS NO, TTYPE WANTYES; him: ECHO YES"),
        ("IAC WILL TTYPE", "us: NAWS NO, TTYPE YES; him: ECHO YES"),
        ("IAC SB TTYPE SEND IAC SE", "us: NAWS NO, TTYPE YES; him: ECHO YES"),
        ('IAC SB TTYPE IS "XTERM" IAC SE', "us: NAWS NO, TTYPE YES; him: ECHO YES"),
        ("IAC DONT TTYPE", "us: NAWS NO, TTYPE WANTNO; him: ECHO YES"),
        ("IAC WONT TTYPE", "us: NAWS NO, TTYPE NO; him: ECHO YES"),
    ]


def test_the_octet_255_is_doubled_in_text_and_in_values() -> None:
    talk = telnet_talk(("C", b"\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0a\xff\xffb\xff\xf6"))
    assert [step.text for step in talk.steps[1:]] == [
        "IAC SB NAWS 255 x 24 IAC SE",
        r"a\xff\xffb",
        "IAC AYT",
    ]
    assert "IAC IAC is the octet 255 itself" in talk.steps[2].notes


@pytest.mark.parametrize(
    "prompt", [b"Password: ", b"password for x:", b"Enter PIN: \xff\xf9"]
)
def test_the_answer_to_a_password_prompt_is_hidden(prompt: bytes) -> None:
    talk = telnet_talk(("S", b"\xff\xfb\x01" + prompt), ("C", b"lab-secret\r\nls\r\n"))
    assert shown(talk)[-1] == "C: <<10 octets hidden>>\nls"


def test_a_password_is_hidden_key_by_key_and_in_its_echo() -> None:
    keys = [("C", b"\n"), ("S", b"Password: ")]
    keys += [(who, bytes([key])) for key in b"tiny" for who in "CS"]
    talk = telnet_talk(("C", b"student\r"), *keys, ("C", b"\r\0"), ("S", b"\r\nhello"))
    texts = "".join(shown(talk)[2:])
    assert not set("tiny") & set(re.sub("octets? hidden|Password|hello", "", texts))


def test_a_password_typed_ahead_with_the_name_is_hidden() -> None:
    talk = telnet_talk(("S", b"login: "), ("C", b"student\r\nlab-secret\r\n"))
    assert shown(talk)[-1] == "C: student\n<<10 octets hidden>>"


# Secrets of the line protocols


@pytest.mark.parametrize(
    ("protocol", "line", "hidden"),
    [
        ("pop3", "pass  lab secret", "pass <<11 octets hidden>>"),
        ("pop3", "APOP student 0123456789", "APOP student <<10 octets hidden>>"),
        ("pop3", "AUTH PLAIN c2VjcmV0", "AUTH PLAIN <<8 octets hidden>>"),
        ("smtp", "AUTH XOAUTH2 c2VjcmV0", "AUTH XOAUTH2 <<8 octets hidden>>"),
        ("nntp", "AuthInfo  Pass secret", "AuthInfo  Pass <<6 octets hidden>>"),
        ("ftp", "PASS secret", "PASS <<6 octets hidden>>"),
        (
            "ftp",
            r"\xff\xf4\xff\xf2PASS secret",
            r"\xff\xf4\xff\xf2PASS <<6 octets hidden>>",
        ),
        ("ftp", "ACCT secret", "ACCT <<6 octets hidden>>"),
        ("ftp", "USER student", "USER student"),
        ("ftp", "CWD my PASS word", "CWD my PASS word"),
        ("unknown", "a1 LOGIN student secret", "a1 LOGIN student <<6 octets hidden>>"),
    ],
)
def test_secrets_are_hidden_and_names_are_not(
    protocol: str, line: str, hidden: str
) -> None:
    assert shown(only(dialogue(f"C: {line}"), protocol))[-1] == f"C: {hidden}"


@pytest.mark.parametrize(
    ("protocol", "ask", "challenge"),
    [
        ("smtp", "AUTH SCRAM-SHA-256", "334 Yw=="),
        ("pop3", "AUTH LOGIN", "+ Yw=="),
        ("pop3", "AUTH LOGIN", "+Yw=="),
        ("nntp", "AUTHINFO SASL GS2", "383 Yw=="),
    ],
)
def test_answers_to_challenges_are_hidden_in_any_mechanism(
    protocol: str, ask: str, challenge: str
) -> None:
    script = f"S: x\nC: {ask}\nS: {challenge}\nC: c2VjcmV0\nS: {challenge}\nC: c2VjcmV0"
    assert "c2VjcmV0" not in str(only(dialogue(script), protocol))
    ahead = f"C: {ask}\nC: c2VjcmV0\nC: c2VjcmV0"
    assert "c2VjcmV0" not in str(only(dialogue(ahead), protocol))


# The tables

MODULES = (echo, ftp, http1, nntp, pop3, reading, smtp, telnet)
SOURCE = re.compile(r"RFC [1-9][0-9]{2,3}( section [1-9][0-9]?(\.[0-9]{1,2})*)?")


def rows() -> list[tuple[str, str]]:
    """Every row of every table."""
    found: list[tuple[str, str]] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                collect(inner)
        elif isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], tuple):
            collect(value[1])
        elif (
            isinstance(value, tuple)
            and len(value) == 2
            and all(isinstance(part, str) for part in value)
        ):
            found.append(value)

    for module in MODULES:
        for name, value in vars(module).items():
            if name.isupper() and name not in ("MOVES", "MEANINGS", "NAMES", "SENDS"):
                collect(value)
    return found


def test_every_row_says_something_short_and_where_it_stands() -> None:
    found = rows()
    assert len(found) > 300
    for row in found:
        if row == ("", ""):
            continue
        assert 1 < len(row[0]) <= 72, row
        assert not row[1] or SOURCE.fullmatch(source(row)), row


def test_a_telnet_password_typed_before_any_prompt_is_hidden() -> None:
    command = [sys.executable, "-m", "protoclients", "telnet", "-v"]
    typed = "student\nlab-secret\nhelp\nexit\n"
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=30)
    assert "student" in done.stderr
    assert "lab-secret" not in done.stderr + done.stdout
