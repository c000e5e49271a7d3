"""Postfix: an SMTP server; and its smtp-sink, which misbehaves when asked to."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .running import (
    ENVIRONMENT,
    HOST,
    MAIL_OWNER,
    PASSWORD,
    USER,
    Certificate,
    Ports,
    Server,
    running,
)

MAIN = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
inet_interfaces = {host}
inet_protocols = ipv4
myhostname = mx.example.test
mydestination =
mynetworks =
virtual_mailbox_domains = example.test
virtual_mailbox_base = {place}/mail
virtual_mailbox_maps = texthash:{place}/configuration/mailboxes
virtual_mailbox_limit = 64000000
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
default_transport = discard:
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {tls.certificate}
smtpd_tls_key_file = {tls.key}
smtpd_sasl_auth_enable = yes
smtpd_error_sleep_time = 0
local_header_rewrite_clients =
message_size_limit = 32000000
maillog_file = /dev/stdout
"""
# The fifth column says that no daemon is confined to the queue's directory.
MASTER = """\
{host}:{port} inet n - n - - smtpd
{host}:{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
"""
QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming"),
    *("maildrop", "private", "public", "saved", "trace"),
)
SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {place}/configuration/sasl/db
mech_list: PLAIN LOGIN CRAM-MD5
"""


@contextlib.contextmanager
def running_postfix(place: Path, ports: Ports, tls: Certificate) -> Iterator[Server]:
    """Postfix, which takes mail for student@example.test into `place`/mail/inbox/new, and
    throws away what those who log in send elsewhere."""
    port, tls_port = ports.free(), ports.free()
    configuration, sasl = place / "configuration", place / "configuration" / "sasl"
    for folder in (configuration, sasl, place / "mail", place / "queue" / "pid"):
        folder.mkdir(parents=True)
    os.chown(place / "mail", MAIL_OWNER, MAIL_OWNER)
    for folder in (place / "data", *(place / "queue" / name for name in QUEUES)):
        folder.mkdir()
        shutil.chown(folder, "postfix")
    facts = {"place": place, "host": HOST, "port": port, "tls_port": tls_port, "tls": tls}
    facts |= {"owner": MAIL_OWNER}
    (configuration / "main.cf").write_text(MAIN.format(**facts))
    (configuration / "master.cf").write_text(MASTER.format(**facts))
    (configuration / "mailboxes").write_text(f"{USER}@example.test inbox/\n")
    (sasl / "smtpd.conf").write_text(SASL.format(**facts))
    add_account(sasl / "db")
    for file in configuration.iterdir():
        os.utime(file, (0, 0))  # Postfix waits two seconds for more to come into a new one
    # Not `postfix start-fg`, which checks all that it did not make itself, for seconds,
    # and leaves a daemon behind that a signal to it does not reach.
    command = ("/usr/lib/postfix/sbin/master", "-s", "-c", configuration)
    with running(command, place, port, tls_port):
        yield Server(HOST, port, tls_port, USER, PASSWORD, place)


def add_account(database: Path) -> None:
    """Make the SASL database, with the one account; its realm is the server's name."""
    command = ("saslpasswd2", "-p", "-c", "-f", database, "-u", "mx.example.test", USER)
    subprocess.run(command, input=PASSWORD.encode(), env=ENVIRONMENT, check=True)
    shutil.chown(database, group="postfix")
    database.chmod(0o640)


@contextlib.contextmanager
def running_sink(place: Path, ports: Ports, *switches: str) -> Iterator[Server]:
    """smtp-sink with these switches. What it takes it writes to `place`/mail."""
    port, mail = ports.free(), place / "mail"
    mail.mkdir()
    shutil.chown(mail, "nobody")
    dump = ("-d", str(mail / "m."))
    command = ("smtp-sink", "-u", "nobody", *switches, *dump, f"{HOST}:{port}", "50")
    with running(command, place, port):
        yield Server(HOST, port, None, USER, PASSWORD, place)
