"""Echo: what is sent comes back (RFC 862). Lesson 0: the socket calls themselves.

Nothing stands between these functions and the operating system, so that every call can be
seen in its place, on both sides:

    TCP   server   socket  bind  listen  accept            recv  send  close
          client   socket                        connect   send  recv  close

    UDP   server   socket  bind                            recvfrom  sendto  close
          client   socket                                  sendto  recvfrom  close

TCP is a stream: what goes out by one `send` may come in by several `recv`. UDP carries
datagrams: each arrives whole, or not at all.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

from .errors import Disconnected, TooSlow, WireError
from .octets import octets

PORT = 7

# What one `send` is given: little enough that both sides' buffers hold it, so that neither
# waits for the other to read.
BLOCK = 4096
# The most that a datagram carries over IPv4: 65,535 octets less the IP and UDP headers.
MAX_DATAGRAM = 65_507

Address = tuple[str, int]


def tcp_client(host: str, port: int, message: bytes, *, timeout: float = 30.0) -> bytes:
    """Send `message` to a TCP echo server, and return what came back.

    `timeout` is in seconds, for all of it. Raises `WireError`.
    """
    echo = b""
    with endpoint(host, port, socket.SOCK_STREAM, timeout) as (client, rearm):
        client.connect((host, port))
        while len(echo) < len(message):
            rearm()
            block = message[len(echo) : len(echo) + BLOCK]
            sent = client.send(block)  # perhaps not all of it
            while sent:
                rearm()
                received = client.recv(sent)  # perhaps not all of it either
                if not received:
                    raise Disconnected(f"{host} hung up after {len(echo)} octets")
                echo += received
                sent -= len(received)
    return echo


def tcp_server(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    listening: Callable[[Address], None] = lambda address: None,
    clients: int = 1,
    timeout: float = 30.0,
) -> int:
    """Serve `clients` clients, one after the other, and return how many octets there were.

    `listening` is called with the address and port as soon as clients can connect; port 0
    is any free one. `timeout` is in seconds, for all of it.
    """
    count = 0
    with endpoint(host, port, socket.SOCK_STREAM, timeout) as (server, rearm):
        server.bind((host, port))
        server.listen()
        listening(server.getsockname()[:2])
        for _ in range(clients):
            rearm()
            connection, _ = server.accept()
            with connection:
                rearm(connection)
                while received := connection.recv(BLOCK):
                    count += len(received)
                    while received:
                        rearm(connection)
                        received = received[connection.send(received) :]
                    rearm(connection)
    return count


def udp_client(host: str, port: int, message: bytes, *, timeout: float = 30.0) -> bytes:
    """Send `message` as one datagram, and return the datagram that came back.

    Nobody says so if one of the two is lost: then it is `TooSlow` after `timeout` seconds.
    Datagrams from anybody else are passed over. Raises `ValueError` for more octets than a
    datagram carries.
    """
    if len(message) > MAX_DATAGRAM:
        raise ValueError(f"a datagram carries {MAX_DATAGRAM} octets, not {len(message)}")
    with endpoint(host, port, socket.SOCK_DGRAM, timeout) as (client, rearm):
        server = socket.getaddrinfo(host, port, client.family, client.type)[0][4]
        client.sendto(message, server)
        sender = None
        while sender != server:
            rearm()
            echo, sender = client.recvfrom(MAX_DATAGRAM)
    return echo


def udp_server(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    listening: Callable[[Address], None] = lambda address: None,
    datagrams: int = 1,
    timeout: float = 30.0,
) -> int:
    """Send `datagrams` datagrams back, and return how many octets they had: see
    `tcp_server`."""
    count = 0
    with endpoint(host, port, socket.SOCK_DGRAM, timeout) as (server, rearm):
        server.bind((host, port))
        listening(server.getsockname()[:2])
        for _ in range(datagrams):
            rearm()
            datagram, client = server.recvfrom(MAX_DATAGRAM)
            server.sendto(datagram, client)
            count += len(datagram)
    return count


def this_host() -> str:
    """The name that this machine has for itself."""
    return socket.gethostname()


@contextlib.contextmanager
def endpoint(
    host: str, port: int, kind: socket.SocketKind, timeout: float
) -> Iterator[tuple[socket.socket, Callable[..., None]]]:
    """A socket, and a function that gives the next call on it, or on another one, only what
    is left of `timeout` seconds.

    What goes wrong on the socket becomes a `WireError`; at the end it is closed.
    """
    if not host or not 0 < timeout < 1e9:
        raise ValueError(f"a host and a timeout above 0 seconds: {host!r}, {timeout!r}")
    octets(host)
    if not 0 <= port < 65536:
        raise ValueError(f"not a port number from 0 to 65535: {port!r}")
    deadline = time.monotonic() + timeout

    def rearm(which: socket.socket | None = None) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        (which or end).settimeout(remaining)

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    end = socket.socket(family, kind)
    try:
        rearm()
        yield end, rearm
    except WireError:
        raise
    except TimeoutError as error:
        raise TooSlow(f"{host}: not done within {timeout:g} seconds") from error
    except ConnectionError as error:
        raise Disconnected(f"{host}: {error.strerror or error}") from error
    except OSError as error:
        raise WireError(f"{host}: {error.strerror or error}") from error
    finally:
        end.close()
