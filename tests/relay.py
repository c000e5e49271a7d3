"""A plain TCP relay that notes what passes through it, to prove the recorder true."""

import contextlib
import select
import socket
import ssl
import threading
from types import TracebackType
from typing import Self


class Relay:
    """Stands at 127.0.0.1:`port`, between clients and the server at `host`, `target`.

    After the `with` block `sent` and `received` hold the octets that the clients sent and
    received, one connection after the other. With `tls`, a context to be a server with and
    one to be a client with, the relay speaks TLS on both sides, and notes the plaintext.
    """

    def __init__(
        self,
        host: str,
        target: int,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    ) -> None:
        self._host, self._target, self._tls = host, target, tls
        self._talks: list[tuple[bytearray, bytearray]] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def sent(self) -> bytes:
        return b"".join(sent for sent, _ in self._talks)

    @property
    def received(self) -> bytes:
        return b"".join(received for _, received in self._talks)

    def __enter__(self) -> Self:
        self._start(threading.Thread(target=self._accept, daemon=True))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # also those that are added meanwhile
            thread.join(10)
        self._listener.close()

    def _start(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(
                    threading.Thread(target=self._carry, args=(client,), daemon=True)
                )

    def _carry(self, client: socket.socket) -> None:
        talk = bytearray(), bytearray()
        self._talks.append(talk)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            if self._tls is not None:
                client = self._tls[0].wrap_socket(client, server_side=True)
            stack.callback(client.close)
            server = socket.create_connection((self._host, self._target))
            if self._tls is not None:
                server = self._tls[1].wrap_socket(server, server_hostname="localhost")
            stack.callback(server.close)
            ways = {client: (server, talk[0]), server: (client, talk[1])}
            while ways:
                for source in select.select(list(ways), [], [])[0]:
                    if not self._pass_on(source, *ways[source]):
                        del ways[source]

    def _pass_on(
        self, source: socket.socket, target: socket.socket, notes: bytearray
    ) -> bool:
        """Pass on what has come from one side; return whether more can come."""
        try:
            source.settimeout(0)
            octets = source.recv(65536)
        except ssl.SSLWantReadError:  # nothing but a part of TLS's own talk
            return True
        finally:
            source.settimeout(None)
        notes += octets
        target.sendall(octets)
        if not octets:
            socket.socket.shutdown(target, socket.SHUT_WR)
        return bool(octets)
