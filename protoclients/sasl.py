"""Ways to prove who one is, the same for every protocol that has AUTH (SASL, RFC 4422).

A mechanism is a function: user, password and the server's challenge in, response out. It
knows no protocol, so another mechanism is one more function and one more row.

    PLAIN      user and password in one response            RFC 4616
    LOGIN      user, then password, each when asked         never a standard, much used
    CRAM-MD5   a digest of the password and the challenge   RFC 2195

Base64 is how the responses travel. It is an encoding: anybody can read it.
"""

import base64
import binascii
from collections.abc import Callable, Iterable

from .errors import ProtocolError
from .octets import CRLF, octets

# user, password, the server's challenge, and how many came before it -> response
Mechanism = Callable[[str, str, bytes, int], bytes]


def plain(user: str, password: str, challenge: bytes, turn: int) -> bytes:
    """Authorization identity (none: the user's own), user and password (RFC 4616 s. 2)."""
    return b"\0" + octets(user) + b"\0" + octets(password)


def login(user: str, password: str, challenge: bytes, turn: int) -> bytes:
    """The server asks twice. Its texts differ from server to server; the order does not."""
    return octets(password if turn else user)


def cram_md5(user: str, password: str, challenge: bytes, turn: int) -> bytes:
    """The password keys a digest of the server's challenge (RFC 2195 section 2)."""
    import hashlib  # OpenSSL is slow to start, and hardly ever needed
    import hmac

    digest = hmac.new(octets(password), challenge, hashlib.md5).hexdigest()
    return octets(f"{user} {digest}")


# The strongest first. CRAM-MD5 keeps the password off the wire; under TLS all are as good.
MECHANISMS: dict[str, Mechanism] = {"CRAM-MD5": cram_md5, "PLAIN": plain, "LOGIN": login}
# These say their response together with the command, and save a round trip (RFC 4954
# section 4, RFC 5034 section 4).
CLIENT_FIRST = {"PLAIN"}
# But not in a command that POP3 would have too long, in octets (RFC 5034 section 4).
MAX_COMMAND = 255
# A server that goes on asking: no mechanism here needs more turns than two.
MAX_TURNS = 5


def converse(
    mechanism: str, user: str, password: str, ask: Callable[[str], str | None]
) -> None:
    """Say AUTH, and answer the server until it is satisfied.

    `ask` says a line and returns the server's challenge, or None when there is no more.
    """
    respond = MECHANISMS[mechanism]
    line = f"AUTH {mechanism}"
    if mechanism in CLIENT_FIRST:
        first = f"{line} {encode(respond(user, password, b'', 0))}"
        line = first if len(first) <= MAX_COMMAND - len(CRLF) else line
    for turn in range(MAX_TURNS):
        challenge = ask(line)
        if challenge is None:
            return
        line = encode(respond(user, password, decode(challenge), turn))
    raise ProtocolError(f"AUTH {mechanism}: the server asks and asks")


def choose(offered: Iterable[str], wanted: str | None = None) -> str:
    """The name of the mechanism to use: `wanted`, or the strongest one that is `offered`.

    Raises `ValueError` naming what the server offers if there is none that we know.
    """
    names = [name.upper() for name in offered]
    candidates = [wanted.upper()] if wanted else list(MECHANISMS)
    for name in candidates:
        if name in names and name in MECHANISMS:
            return name
    raise ValueError(
        f"AUTH: the server offers {', '.join(names) or 'none'}, "
        f"this client knows {', '.join(MECHANISMS)}"
    )


def encode(response: bytes) -> str:
    """A response as it travels: in base64, which anybody can read."""
    return base64.b64encode(response).decode("ascii")


def decode(challenge: str) -> bytes:
    """A challenge as it was meant. Raises `ProtocolError` if it is no base64."""
    try:
        return base64.b64decode(challenge, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(f"a challenge that is no base64: {challenge[:60]!r}") from None
