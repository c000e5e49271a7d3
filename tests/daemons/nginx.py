"""nginx: an HTTP server."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from protoclients.fixtures.store import SAMPLES

from .running import HOST, PASSWORD, USER, Certificate, Ports, Server, running

# The paths that the Lab's HTTP server has too do here what they do there.
CONFIGURATION = """\
daemon off;
user www-data;
worker_processes 1;
pid {place}/nginx.pid;
error_log stderr;
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    absolute_redirect off;
    client_max_body_size 64m;
    client_body_temp_path {place}/temporary1;
    proxy_temp_path {place}/temporary2;
    fastcgi_temp_path {place}/temporary3;
    uwsgi_temp_path {place}/temporary4;
    scgi_temp_path {place}/temporary5;
    server {{
        listen {host}:{port};
        listen {host}:{tls_port} ssl;
        ssl_certificate {tls.certificate};
        ssl_certificate_key {tls.key};
        root {place}/site;
        # ssi looks for includes, so that the length is not known before the end: then
        # nginx sends chunks, or where it may not, closes.
        location = /chunked {{
            default_type text/html;
            ssi on;
            add_header Trailer Expires;
            add_trailer Expires "when the page has ended";
        }}
        location = /close {{
            default_type text/html;
            ssi on;
            chunked_transfer_encoding off;
        }}
        location = /zipped {{ default_type text/html; gzip on; }}
        location = /goodbye {{ keepalive_timeout 0; }}
        location = /brief {{ keepalive_timeout 10ms; }}
        location = /redirect {{ return 302 /poem.txt; }}
        location = /nothing {{ return 204; }}
        location = /form {{ return 200 "$request_method $http_content_type\\n"; }}
        location = /basic-auth {{
            auth_basic "the secret part";
            auth_basic_user_file {place}/users;
        }}
        location /uploads/ {{ dav_methods PUT DELETE; }}
        location /uploads/small/ {{ dav_methods PUT; client_max_body_size 1k; }}
    }}
}}
"""
PAGES = {
    "basic-auth": b"X marks the spot\n",
    "brief": b"One moment\n",
    "chunked": b'<p>This is <!--# echo var="uri" -->, in chunks.</p>\n' * 1000,
    "close": b'<p>This is <!--# echo var="uri" -->, and the end.</p>\n' * 1000,
    "goodbye": b"Goodbye\n",
    "large": bytes(range(256)) * 4096 * 20,  # 20 MiB
    "not-modified": b"As it ever was\n",
    "zipped": b"the same again and again\n" * 1000,
}


@contextlib.contextmanager
def running_nginx(place: Path, ports: Ports, tls: Certificate) -> Iterator[Server]:
    """nginx with the Lab's site, and more pages; what is stored is in
    `place`/site/uploads."""
    port, tls_port = ports.free(), ports.free()
    facts = {"place": place, "host": HOST, "port": port, "tls_port": tls_port, "tls": tls}
    (place / "nginx.conf").write_text(CONFIGURATION.format(**facts))
    (place / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    shutil.copytree(SAMPLES / "site", place / "site")
    for name, content in PAGES.items():
        (place / "site" / name).write_bytes(content)
    for folder in ("uploads", "uploads/small"):
        (place / "site" / folder).mkdir()
        (place / "site" / folder).chmod(0o777)
    with running(("nginx", "-c", place / "nginx.conf"), place, port, tls_port):
        yield Server(HOST, port, tls_port, USER, PASSWORD, place)
