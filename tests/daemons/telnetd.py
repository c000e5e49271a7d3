"""Two Telnet servers: inetutils' telnetd, which inetd starts, and busybox's own."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from .running import ENVIRONMENT, HOST, PASSWORD, USER, Ports, Server, end, running

# In the place of login(1): a login, and a shell with a few commands. The pause at the end
# is for telnetd, which loses what was said last if the terminal closes at once.
LOGIN = """\
#!/bin/sh
for attempt in 1 2 3; do
    printf 'login: '
    read -r user
    stty -echo
    printf 'Password: '
    read -r password
    stty echo
    echo
    [ "$user:$password" = {user}:{password} ] && break
    echo 'Login incorrect'
done
[ "$user:$password" = {user}:{password} ] || {{ sleep 0.2; exit; }}
echo "Welcome, $user"
while printf 'lab> ' && read -r command argument; do
    case $command in
        help) echo 'help echo octet count length term size exit' ;;
        echo) echo "$argument" ;;
        octet) printf '\\377\\n' ;;
        count) seq 1 "$argument" ;;
        length) printf '%s' "$argument" | wc -c ;;
        term) echo "$TERM" ;;
        size) stty size ;;
        exit) break ;;
        *) echo "$command: not found" ;;
    esac
done
echo goodbye
sleep 0.2
"""


@contextlib.contextmanager
def running_inetutils(place: Path) -> Iterator[Server]:
    """inetutils' telnetd, one for each connection, as inetd would start it."""
    command = ("telnetd", "-h", "-E", write_login(place))
    with accepting(command) as port:
        yield Server(HOST, port, None, USER, PASSWORD, place)


@contextlib.contextmanager
def running_busybox(place: Path, ports: Ports) -> Iterator[Server]:
    """busybox's telnetd, which listens by itself; busybox-static has it."""
    port = ports.free()
    options = ("-F", "-b", HOST, "-p", str(port), "-f", "/dev/null")
    command = ("busybox", "telnetd", *options, "-l", write_login(place))
    with running(command, place, port):
        yield Server(HOST, port, None, USER, PASSWORD, place)


def write_login(place: Path) -> Path:
    path = place / "login"
    path.write_text(LOGIN.format(user=USER, password=PASSWORD))
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def accepting(command: Sequence[str | Path]) -> Iterator[int]:
    """The port of a small inetd: each connection becomes the standard input and output of
    a new `command`."""
    started: list[subprocess.Popen[bytes]] = []
    with socket.create_server((HOST, 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener is shut down
                while True:
                    link, _ = listener.accept()
                    with link:
                        started.append(
                            subprocess.Popen(
                                command,
                                env=ENVIRONMENT,
                                stdin=link.fileno(),
                                stdout=link.fileno(),
                                stderr=link.fileno(),
                                start_new_session=True,
                            )
                        )

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for process in started:
                end(process)
