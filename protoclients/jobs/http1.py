"""HTTP by our client, and by `http.client`, `urllib.request` and `xmlrpc.client`.

`http.client` speaks HTTP as ours does. The other two stand on it, and decide more for
their users.
"""

import functools
import hashlib
import ssl
import tempfile
import urllib.request
import xmlrpc.client
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlencode

from protoclients import HTTP

from . import Job, Lab, Plain, add_job

JOBS: list[Job] = []
job = functools.partial(add_job, JOBS, "http", "protoclients.HTTP")

PATHS = ("/poem.txt", "/echo.svg", "/chunked")
FORM = {"name": "Grüße", "message": "me & you"}
NOTE = b"An upload is counted, so this line\r\n.\r\nends nothing.\r\n"
LARGE = "/large?octets=4194304"


def url(lab: Lab, path: str) -> str:
    host = f"[{lab.http.host}]" if ":" in lab.http.host else lab.http.host
    return f"http://{host}:{lab.http.port}{path}"


def opener(lab: Lab, *more: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """What `urlopen` uses too, but it trusts the Lab, and heeds no proxy that the
    environment may name."""
    trust = ssl.create_default_context(cafile=lab.cafile)
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    return urllib.request.build_opener(*handlers, *more)


@job("http.client.HTTPConnection")
class Page:
    """A page of known length"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            page = http.get("/poem.txt")
        return page.status, page.reason, page.headers.get("Content-Type"), page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("GET", "/poem.txt")
            page = http.getresponse()
            return page.status, page.reason, page.getheader("Content-Type"), page.read()


@job("urllib.request.urlopen")
class PageByUrl:
    """The same page by its URL"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            page = http.get("/poem.txt")
        return page.status, page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with opener(lab).open(url(lab, "/poem.txt"), timeout=10) as page:
            return page.status, page.read()


@job("http.client.HTTPSConnection")
class PageOverTls:
    """The same page over TLS"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        trust = ssl.create_default_context(cafile=lab.cafile)
        with HTTP(lab.http.host, lab.http.tls_port, tls=trust) as http:
            page = http.get("/poem.txt")
        return page.status, page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        trust = ssl.create_default_context(cafile=lab.cafile)
        host, port = lab.http.host, lab.http.tls_port
        with closing(HTTPSConnection(host, port, timeout=10, context=trust)) as http:
            http.request("GET", "/poem.txt")
            page = http.getresponse()
            return page.status, page.read()


@job("http.client.HTTPConnection")
class ChunkedPage:
    """A page in chunks, a trailer"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            page = http.get("/chunked")
        # The trailer itself is in page.trailers. The library can't give it.
        return page.headers.get("Trailer"), page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("GET", "/chunked")
            page = http.getresponse()
            # It reads the trailer that is announced here, and throws it away.
            return page.getheader("Trailer"), page.read()


@job("http.client.HTTPConnection")
class UntilClose:
    """A page that ends by closing"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            page = http.get("/close")
        return page.headers.get("Content-Length"), page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("GET", "/close")
            page = http.getresponse()
            return page.getheader("Content-Length"), page.read()


@job("http.client.HTTPConnection")
class Head:
    """HEAD: a length, and no body"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            page = http.head("/packet.png")
        return page.status, page.headers.get("Content-Length"), page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("HEAD", "/packet.png")
            page = http.getresponse()
            return page.status, page.getheader("Content-Length"), page.read()


@job("urllib.request.urlopen")
class Form:
    """A form with & and umlauts"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        with HTTP(lab.http.host, lab.http.port) as http:
            answer = http.post("/form", urlencode(FORM).encode(), kind)
        return answer.status, answer.body.decode()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        # Given data, it says POST, and takes them for a form without being told.
        data = urlencode(FORM).encode()
        with opener(lab).open(url(lab, "/form"), data, timeout=10) as answer:
            return answer.status, answer.read().decode()


@job("http.client.HTTPConnection")
class ThreeRequests:
    """Three on one connection"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            return [http.get(path).body for path in PATHS]

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        bodies = []
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            for path in PATHS:
                http.request("GET", path)
                # Each body must be read to its end before the next request.
                bodies.append(http.getresponse().read())
        return bodies


@job("http.client.HTTPConnection")
class Pipeline:
    """The same three, pipelined"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            return [page.body for page in http.get_many(PATHS)]

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        bodies = []
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            for path in PATHS:  # it has no pipelining: a round trip for each
                http.request("GET", path)
                bodies.append(http.getresponse().read())
        return bodies


@job("http.client.HTTPConnection")
class Upload:
    """Upload, fetch back, delete"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            stored = http.put("/uploads/note.txt", NOTE)
            note = http.get("/uploads/note.txt")
            gone = http.delete("/uploads/note.txt")
        return stored.status, note.body, gone.status

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("PUT", "/uploads/note.txt", NOTE)
            stored = http.getresponse()
            stored.read()
            http.request("GET", "/uploads/note.txt")
            note = http.getresponse().read()
            http.request("DELETE", "/uploads/note.txt")
            gone = http.getresponse()
            return stored.status, note, gone.status


@job("http.client.HTTPConnection")
class EarlyHints:
    """103, and then the page"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            page = http.get("/early-hints")
        (hint,) = page.interim
        return hint.status, hint.headers.get("Link"), page.status, page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("GET", "/early-hints")
            page = http.getresponse()
            hint, link = page.status, page.getheader("Link")
            # It passes over 100 and no other 1xx: it takes the 103 for the response, and
            # the page is lost. Made to forget what it has read, it reads on.
            page.headers = None  # type: ignore[assignment]
            page.begin()
            return hint, link, page.status, page.read()


@job("http.client.HTTPConnection")
class NotModified:
    """304: what you have is right"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            page = http.get("/not-modified")
            (tag,) = page.headers.get_all("ETag")
            again = http.get("/not-modified", {"If-None-Match": tag})
        return page.status, tag, again.status, again.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("GET", "/not-modified")
            page = http.getresponse()
            page.read()
            tag = page.getheader("ETag", "")
            http.request("GET", "/not-modified", headers={"If-None-Match": tag})
            again = http.getresponse()
            return page.status, tag, again.status, again.read()


@job("http.client.HTTPConnection")
class Redirect:
    """302: look elsewhere"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            answer = http.get("/redirect")
            (location,) = answer.headers.get_all("Location")
            return answer.status, location, http.get(location).body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        # This layer follows no redirect, as ours doesn't; urllib.request would.
        with closing(HTTPConnection(lab.http.host, lab.http.port, timeout=10)) as http:
            http.request("GET", "/redirect")
            answer = http.getresponse()
            answer.read()
            location = answer.getheader("Location", "/")
            http.request("GET", location)
            return answer.status, location, http.getresponse().read()


@job("urllib.request.HTTPBasicAuthHandler")
class BasicAuth:
    """A page behind a password"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http:
            http.login(lab.http.user, lab.http.password)
            page = http.get("/basic-auth")
        return page.status, page.body

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        page_url = url(lab, "/basic-auth")
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, page_url, lab.http.user, lab.http.password)
        login = urllib.request.HTTPBasicAuthHandler(passwords)
        # It asks without the password first, and again when the server says 401.
        with opener(lab, login).open(page_url, timeout=10) as page:
            return page.status, page.read()


@job("xmlrpc.client.ServerProxy")
class XmlRpc:
    """XML-RPC: call a procedure"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        # HTTP is what is done by hand here; the XML in the body is the library's.
        call = xmlrpc.client.dumps((1939,), "rfc").encode()
        with HTTP(lab.http.host, lab.http.port) as http:
            answer = http.post("/xmlrpc", call, {"Content-Type": "text/xml"})
        (result,), _ = xmlrpc.client.loads(answer.body)
        return result

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with xmlrpc.client.ServerProxy(url(lab, "/xmlrpc")) as server:
            return server.rfc(1939)


@job("http.client.HTTPConnection")
class Large:
    """4 MiB straight into a file"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with HTTP(lab.http.host, lab.http.port) as http, tempfile.TemporaryFile() as file:
            page = http.get(LARGE, into=file)
            file.seek(0)
            return page.size, hashlib.file_digest(file, "sha256").hexdigest()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        http = HTTPConnection(lab.http.host, lab.http.port, timeout=10)
        with closing(http), tempfile.TemporaryFile() as file:
            http.request("GET", LARGE)
            page = http.getresponse()
            while piece := page.read(65_536):
                file.write(piece)
            size = file.tell()
            file.seek(0)
            return size, hashlib.file_digest(file, "sha256").hexdigest()
