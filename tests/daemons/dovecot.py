"""Dovecot: a POP3 server."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from .running import HOST, MAIL_OWNER, PASSWORD, USER, Certificate, Ports, Server, running

# Every user exists and has the one password, in clear text: APOP and CRAM-MD5 need that,
# which is why few servers have them. Nobody has to wait
# after a wrong one: not for auth, and not for anvil, which remembers addresses.
CONFIGURATION = """\
protocols = pop3
listen = {host}
base_dir = {place}/run
state_dir = {place}/run
log_path = /dev/stderr
ssl = yes
ssl_cert = <{tls.certificate}
ssl_key = <{tls.key}
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 apop
auth_failure_delay = 0
pop3_uidl_format = %08Xu
mail_location = maildir:{place}/mail/%u
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={place}/mail/%u
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


@contextlib.contextmanager
def running_dovecot(place: Path, ports: Ports, tls: Certificate) -> Iterator[Server]:
    """Dovecot without mail; `fill` makes maildrops."""
    port, tls_port = ports.free(), ports.free()
    facts = {"place": place, "host": HOST, "port": port, "tls_port": tls_port, "tls": tls}
    configuration = place / "dovecot.conf"
    account = {"password": PASSWORD, "owner": MAIL_OWNER}
    configuration.write_text(CONFIGURATION.format(**facts, **account))
    (place / "mail").mkdir()
    with running(("dovecot", "-F", "-c", configuration), place, port, tls_port):
        yield Server(HOST, port, tls_port, USER, PASSWORD, place)


def fill(server: Server, user: str, mails: Sequence[bytes]) -> None:
    """Make a maildrop with these mails, in this order."""
    maildrop = server.place / "mail" / user
    for folder in (maildrop, *(maildrop / name for name in ("new", "cur", "tmp"))):
        folder.mkdir()
        os.chown(folder, MAIL_OWNER, MAIL_OWNER)
    for number, mail in enumerate(mails, 1):
        # The order is that of the times in the names; lines end as in Unix files.
        file = maildrop / "cur" / f"{1_700_000_000 + number}.{number}.localhost:2,"
        file.write_bytes(mail.replace(b"\r\n", b"\n"))
        os.chown(file, MAIL_OWNER, MAIL_OWNER)
