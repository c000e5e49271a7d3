"""Echo, by our functions and by bare sockets (RFC 862).

The first two jobs talk to the Lab. The other two are client and server in one, so that
every call of the socket module has its place: by hand the server has a thread, and by
bare sockets there is none, since each call comes when its turn is.
"""

import functools
import socket
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

from protoclients import echo

from . import Job, Lab, Plain, add_job

JOBS: list[Job] = []
job = functools.partial(add_job, JOBS, "echo", "protoclients.echo", "socket.socket")

MESSAGE = b"What goes out comes back,\r\nin order, or not at all.\r\n"


@job()
class OverTcp:
    """TCP: a stream comes back"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        return echo.tcp_client(lab.echo.host, lab.echo.port, MESSAGE)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        received = b""
        address = (lab.echo.host, lab.echo.port)
        with socket.create_connection(address, timeout=10) as client:
            client.sendall(MESSAGE)
            # A stream has no messages: only counting tells when all is back.
            while len(received) < len(MESSAGE) and (piece := client.recv(4096)):
                received += piece
        return received


@job()
class OverUdp:
    """UDP: a datagram comes back"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        return echo.udp_client(lab.echo.host, lab.echo.port, MESSAGE)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        family = socket.AF_INET6 if ":" in lab.echo.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(10)  # a lost datagram is lost without a word
            client.sendto(MESSAGE, (lab.echo.host, lab.echo.port))
            datagram, _ = client.recvfrom(65_507)
        return datagram


@job()
class EveryTcpCall:
    """TCP: every call, both ends"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        addresses: Queue[tuple[str, int]] = Queue()
        with ThreadPoolExecutor() as threads:
            served = threads.submit(echo.tcp_server, listening=addresses.put, timeout=10)
            host, port = addresses.get(timeout=10)
            received = echo.tcp_client(host, port, MESSAGE)
        return echo.this_host(), received, served.result()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with server, client:  # at the end close() is called on both
            server.bind(("127.0.0.1", 0))
            server.listen()
            client.connect(server.getsockname())
            connection, _ = server.accept()
            with connection:  # so little on one machine comes whole; else: a loop, as above
                client.send(MESSAGE)
                request = connection.recv(4096)
                connection.send(request)
                received = client.recv(4096)
        return socket.gethostname(), received, len(request)


@job()
class EveryUdpCall:
    """UDP: every call, both ends"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        addresses: Queue[tuple[str, int]] = Queue()
        with ThreadPoolExecutor() as threads:
            served = threads.submit(echo.udp_server, listening=addresses.put, timeout=10)
            host, port = addresses.get(timeout=10)
            received = echo.udp_client(host, port, MESSAGE)
        return received, served.result()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with server, client:  # no listen, no accept, no connection
            server.bind(("127.0.0.1", 0))
            client.sendto(MESSAGE, server.getsockname())
            request, sender = server.recvfrom(65_507)
            server.sendto(request, sender)
            received, _ = client.recvfrom(65_507)
        return received, len(request)
