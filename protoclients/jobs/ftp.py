"""FTP by our client and by `ftplib`, and once by `urllib.request`."""

import ftplib
import functools
import io
import ssl
import urllib.request
from urllib.parse import quote

from protoclients import FTP, Refused

from . import Job, Lab, Plain, add_job

JOBS: list[Job] = []
job = functools.partial(add_job, JOBS, "ftp", "protoclients.FTP")

BINARY = "pub/packet.bin"
TEXT = "pub/history/ports-20-and-21.txt"
TABLE = "pub/rfc-index.txt"
ODD_NAMES = ("-leading-dash.txt", "name with spaces.txt", "Ηχώ.txt")
NOTE = b"A line end stays as it is:\nTYPE I changes nothing.\r\n"


@job("ftplib.FTP")
class Listing:
    """MLSD: a list for programs"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            return dict(ftp.mlsd("pub"))

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)
            return dict(ftp.mlsd("pub"))


@job("ftplib.FTP")
class OddNames:
    """Names with spaces and Greek"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            ftp.cwd("pub")
            return ftp.nlst(), [ftp.retr(name) for name in ODD_NAMES]

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)
            ftp.cwd("pub")
            names, files = ftp.nlst(), []
            for name in ODD_NAMES:
                file = io.BytesIO()
                ftp.retrbinary(f"RETR {name}", file.write)
                files.append(file.getvalue())
            return names, files


@job("ftplib.FTP")
class Fetch:
    """Fetch: 150, the data, 226"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            return ftp.retr(BINARY)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        file = io.BytesIO()
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)
            ftp.retrbinary(f"RETR {BINARY}", file.write)
        return file.getvalue()


@job("urllib.request.urlopen")
class FetchByUrl:
    """A file by its URL"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            return ftp.retr(TEXT)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        account = f"{quote(lab.ftp.user)}:{quote(lab.ftp.password)}"
        url = f"ftp://{account}@{lab.ftp.host}:{lab.ftp.port}/{TEXT};type=i"
        # What urlopen uses too, but without the proxy that the environment may name. It
        # knows IPv4 only.
        opener = urllib.request.OpenerDirector()
        opener.add_handler(urllib.request.FTPHandler())
        with opener.open(url, timeout=10) as file:
            return file.read()


@job("ftplib.FTP")
class Active:
    """Active: the server connects"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port, passive=False) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            return ftp.retr(TEXT)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        file = io.BytesIO()
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.set_pasv(False)
            ftp.login(lab.ftp.user, lab.ftp.password)
            ftp.retrbinary(f"RETR {TEXT}", file.write)
        return file.getvalue()


@job("ftplib.FTP_TLS")
class BothUnderTls:
    """AUTH TLS: both connections"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.auth_tls(ssl.create_default_context(cafile=lab.cafile))
            ftp.login(lab.ftp.user, lab.ftp.password)
            return ftp.retr(TEXT)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        file = io.BytesIO()
        trust = ssl.create_default_context(cafile=lab.cafile)
        with ftplib.FTP_TLS(timeout=10, context=trust) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)  # says AUTH TLS first
            ftp.prot_p()  # without it the file would come in the clear
            ftp.retrbinary(f"RETR {TEXT}", file.write)
        return file.getvalue()


@job("ftplib.FTP")
class StoreAndReadBack:
    """Store, and read back"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            ftp.stor("incoming/note.txt", NOTE)
            return ftp.size("incoming/note.txt"), ftp.retr("incoming/note.txt")

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        file = io.BytesIO()
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)
            ftp.storbinary("STOR incoming/note.txt", io.BytesIO(NOTE))
            size = ftp.size("incoming/note.txt")
            ftp.retrbinary("RETR incoming/note.txt", file.write)
        return size, file.getvalue()


@job("ftplib.FTP")
class Resume:
    """REST: the second half only"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            half = ftp.size(TABLE) // 2
            return half, ftp.retr(TABLE, offset=half)

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        file = io.BytesIO()
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)
            ftp.voidcmd("TYPE I")  # or the server has no size to give
            half = (ftp.size(TABLE) or 0) // 2
            ftp.retrbinary(f"RETR {TABLE}", file.write, rest=half)
        return half, file.getvalue()


@job("ftplib.FTP")
class RenameAndDelete:
    """Make, rename and delete"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            made = ftp.mkd("incoming/new")
            ftp.rename("incoming/README.txt", "incoming/new/old.txt")
            moved = ftp.nlst("incoming/new")
            ftp.dele("incoming/new/old.txt")
            ftp.rmd("incoming/new")
            return made, moved, ftp.nlst("incoming")

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)
            made = ftp.mkd("incoming/new")
            ftp.rename("incoming/README.txt", "incoming/new/old.txt")
            moved = ftp.nlst("incoming/new")
            ftp.delete("incoming/new/old.txt")
            ftp.rmd("incoming/new")
            return made, moved, ftp.nlst("incoming")


@job("ftplib.FTP")
class NoSuchFile:
    """550, and it goes on"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with FTP(lab.ftp.host, lab.ftp.port) as ftp:
            ftp.login(lab.ftp.user, lab.ftp.password)
            try:
                said = ftp.retr("pub/nothing.txt").decode()
            except Refused as no:
                said = str(no.reply)
            return said[:3], ftp.pwd()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with ftplib.FTP(timeout=10) as ftp:
            ftp.connect(lab.ftp.host, lab.ftp.port)
            ftp.login(lab.ftp.user, lab.ftp.password)
            try:
                said = ftp.retrbinary("RETR pub/nothing.txt", io.BytesIO().write)
            except ftplib.error_perm as no:
                said = str(no)
            return said[:3], ftp.pwd()
