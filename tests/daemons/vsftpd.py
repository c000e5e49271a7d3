"""vsftpd: an FTP server."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from protoclients.fixtures.store import SAMPLES

from .running import HOST, PASSWORD, Certificate, Ports, Server, running

# vsftpd allows no space around "=". Nobody but "anonymous" may log in, so that no account
# has to be added to the machine; and only with a password that is on a list.
CONFIGURATION = """\
listen=YES
listen_address={host}
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
anon_root={place}/files
secure_email_list_enable=YES
email_password_file={place}/passwords
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
utf8_filesystem=YES
secure_chroot_dir={place}/empty
pasv_min_port={passive[0]}
pasv_max_port={passive[1]}
connect_from_port_20=NO
delay_failed_login=0
max_login_fails=10
rsa_cert_file={tls.certificate}
rsa_private_key_file={tls.key}
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=NO
force_anon_data_ssl=NO
vsftpd_log_file={place}/vsftpd.log
"""


@contextlib.contextmanager
def running_vsftpd(
    place: Path, ports: Ports, tls: Certificate, *settings: str
) -> Iterator[Server]:
    """vsftpd with more `settings`. The Lab's tree of files is in `place`/files; clients may
    store in incoming/ only, for vsftpd wants a root that they cannot change."""
    port, passive = ports.free(), ports.range(20)
    configuration = CONFIGURATION.format(
        host=HOST, port=port, place=place, passive=passive, tls=tls
    )
    (place / "vsftpd.conf").write_text("\n".join([configuration, *settings, ""]))
    (place / "passwords").write_text(f"{PASSWORD}\n")
    shutil.copytree(SAMPLES / "ftp", place / "files")
    (place / "files" / "incoming").chmod(0o777)
    (place / "empty").mkdir()
    with running(("vsftpd", place / "vsftpd.conf"), place, port):
        yield Server(HOST, port, None, "anonymous", PASSWORD, place)
