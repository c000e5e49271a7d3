"""The classic text protocols by hand and by library, side by side, byte by byte.

    from protoclients import POP3

    with POP3("localhost", 8110) as pop3:
        pop3.login("student", "lab-secret")
        print(pop3.stat())

Each name is imported from its module when it is first used.
PYTEST_DONT_REWRITE: `record -m pytest` has imported this before pytest comes.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        Disconnected,
        LimitExceeded,
        ProtocolError,
        Refused,
        TooSlow,
        WireError,
    )
    from .ftp import FTP
    from .http1 import HTTP
    from .limits import Limits
    from .nntp import NNTP
    from .pop3 import POP3
    from .recorder import record
    from .smtp import SMTP
    from .telnet import Telnet

__all__ = [
    "FTP",
    "HTTP",
    "NNTP",
    "POP3",
    "SMTP",
    "Disconnected",
    "LimitExceeded",
    "Limits",
    "ProtocolError",
    "Refused",
    "Telnet",
    "TooSlow",
    "WireError",
    "record",
]

_HOMES = {"FTP": "ftp", "HTTP": "http1", "NNTP": "nntp", "POP3": "pop3", "SMTP": "smtp"}
_HOMES |= {"Telnet": "telnet", "record": "recorder", "Limits": "limits"}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f".{_HOMES.get(name, 'errors')}", __name__)
    found = globals()[name] = getattr(home, name)  # so it is looked for once
    return found
