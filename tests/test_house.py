"""The house rules of the design that can be read off the source."""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import protoclients
from protoclients import FTP, HTTP, NNTP, POP3, SMTP, Telnet, echo
from protoclients import fixtures as fixtures_package

PACKAGE = Path(protoclients.__file__).parent
FIXTURES = Path(fixtures_package.__file__).parent
CLIENTS: list[type[Any]] = [FTP, HTTP, NNTP, POP3, SMTP, Telnet]
PROTOCOLS = ("ftp", "http1", "nntp", "pop3", "smtp", "telnet", "echo")

# Who may import whom: an arrow of the design is a word to the right of the colon.
MAY_IMPORT = """
errors:
limits:
octets: errors limits
chunks: errors octets
blocks: octets
sasl: errors octets
link: errors limits octets
wire: errors limits octets chunks blocks link
reply: errors octets wire
client: errors octets blocks sasl wire reply
terminal: client
recorder:
grammar:
conversation: grammar recorder
jobs: errors octets client reply
alignment: conversation grammar
unasked: alignment conversation grammar jobs
comparison: errors grammar recorder conversation jobs alignment unasked
views: errors grammar recorder conversation jobs comparison alignment unasked
commands: errors octets reply client terminal grammar recorder conversation jobs comparison
commands: views fixtures
cli: errors commands fixtures
pytest_plugin: grammar recorder conversation views fixtures
__main__: cli
"""
# Inside a function, when it is called: what belongs to a thing is shown by what lies above.
LATER = {
    ("client", "terminal"),  # Telnet.interact
    ("recorder", "conversation"),  # Recording.conversations
    ("recorder", "views"),  # _repr_html_
    ("grammar", "views"),  # _repr_html_
    ("comparison", "views"),  # _repr_html_
    ("jobs", "fixtures"),
}


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def group(module: str) -> str:
    """The word in MAY_IMPORT for a module such as "jobs.pop3"."""
    first = module.partition(".")[0]
    return "client" if first in PROTOCOLS else first


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules of the package that a file imports, and whether at its top level."""
    here = path.relative_to(PACKAGE).with_suffix("").parts
    inner = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            inner |= {id(each) for each in ast.walk(node)}
        for module in imported(node, here) if id(node) not in inner else ():
            yield module, isinstance(node, ast.stmt) and node.col_offset == 0


def imported(node: ast.AST, here: tuple[str, ...]) -> list[str]:
    """The modules of the package that an import statement names, without the package."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
        return [
            name.partition(".")[2] for name in names if name.startswith("protoclients.")
        ]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        parents = list(here[: len(here) - node.level])
    elif (node.module or "").partition(".")[0] == "protoclients":
        parents = []
    else:
        return []
    inside = (
        (node.module or "").split(".") if node.level else (node.module or "").split(".")[1:]
    )
    module = [*parents, *filter(None, inside)]
    return [".".join(module)] if module else [home(alias.name) for alias in node.names]


def home(name: str) -> str:
    """The module that a name of the package itself comes from."""
    if (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir() or name == "fixtures":
        return name
    return str(protoclients._HOMES.get(name, "errors"))


def test_no_import_runs_back_up() -> None:
    allowed: dict[str, list[str]] = {}
    for line in MAY_IMPORT.split("\n")[1:-1]:
        above, _, below = line.partition(":")
        allowed[above] = [*allowed.get(above, []), *below.split()]
    for path in sources(PACKAGE):
        importer = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if importer == "__init__":
            continue
        for module, at_once in imports(path):
            pair = group(importer), group(module)
            inside = pair[0] == pair[1] and importer.count(".")
            itself = module == importer or inside
            fine = itself or pair[1] in allowed[pair[0]] or (pair in LATER and not at_once)
            assert fine, f"{importer} imports {module}"


def test_the_names_of_the_package_are_there_for_completion() -> None:
    assert set(protoclients.__all__) <= set(dir(protoclients))


def test_the_package_itself_imports_its_modules_when_they_are_used() -> None:
    assert not [module for module, at_once in imports(PACKAGE / "__init__.py") if at_once]


def test_the_fixtures_share_no_code_with_the_clients() -> None:
    for path in sources(FIXTURES):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2, f"{path.name}: {ast.unparse(node)}"
                assert not (node.module or "").startswith("protoclients"), path.name
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
                assert "protoclients" not in names, path.name


def test_no_module_takes_the_name_of_one_in_the_standard_library() -> None:
    names = {path.stem for path in [*sources(PACKAGE), *sources(FIXTURES)]}
    assert not (names - {"__init__", "__main__"}) & sys.stdlib_module_names


# The choke points

RECEIVING = {"recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into"}
SENDING = {"send", "sendall", "sendto", "sendmsg", "sendfile", "splice"}
SPEAKERS = ("self", "self.wire", "wire")  # a `send` of these comes to the choke point


def calls(path: Path, names: set[str]) -> list[str]:
    """The calls of methods with such a name, of whatever object."""
    found = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    methods = [each for each in found if isinstance(each, ast.Attribute)]
    return [
        f"{path.name}: {ast.unparse(each)}"
        for each in methods
        if each.attr in names and ast.unparse(each.value) not in SPEAKERS
    ]


def test_tcp_client_code_receives_in_one_place_and_sends_in_one() -> None:
    modules = ("octets", "blocks", "chunks", "link", "wire", "reply", "sasl", "terminal")
    modules += PROTOCOLS
    paths = [PACKAGE / f"{name}.py" for name in modules if name != "echo"]
    assert [call for path in paths for call in calls(path, RECEIVING)] == [
        "link.py: self._socket.recv_into"
    ]
    assert [call for path in paths for call in calls(path, SENDING)] == [
        "link.py: self._socket.send"
    ]
    assert not [call for path in paths for call in calls(path, {"makefile", "detach"})]


def test_only_the_link_and_echo_know_sockets() -> None:
    below = ("octets", "blocks", "chunks", "wire", "reply", "sasl", "terminal")
    for name in below + PROTOCOLS:
        names = {
            alias.name
            for node in ast.walk(tree(PACKAGE / f"{name}.py"))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "socket" not in names or name == "echo", f"{name} imports socket"


# The interface


Owner = type[Any] | ModuleType


def public(owner: Owner) -> dict[str, FunctionType]:
    """The public functions of a class or a module, without those that it imports."""
    home = owner.__name__ if inspect.ismodule(owner) else owner.__module__
    return {
        name: each
        for name, each in vars(owner).items()
        if inspect.isfunction(each) and not name.startswith("_") and each.__module__ == home
    }


OWNERS: list[Owner] = [*CLIENTS, *(sys.modules[kind.__module__] for kind in CLIENTS), echo]
FUNCTIONS = [(owner, name) for owner in OWNERS for name in public(owner)]
IDS = [f"{owner.__name__}.{name}" for owner, name in FUNCTIONS]
each_function = pytest.mark.parametrize(("owner", "name"), FUNCTIONS, ids=IDS)


def said_of(owner: Owner, name: str, seen: tuple[str, ...] = ()) -> str:
    """A docstring, and those of the functions that it refers to."""
    text = " ".join((inspect.getdoc(public(owner)[name]) or "").split())
    for other in re.findall(r"(?:[Ss]ee|[Ll]ike|[Aa]s) `(\w+)`", text):
        if other in public(owner) and other not in (name, *seen):
            text += said_of(owner, other, (name, *seen))
    return text


@each_function
def test_every_public_function_has_a_docstring(owner: Owner, name: str) -> None:
    assert inspect.getdoc(public(owner)[name])


@each_function
def test_a_docstring_names_the_unit_of_a_number(owner: Owner, name: str) -> None:
    parameters = inspect.signature(public(owner)[name]).parameters
    said = said_of(owner, name)
    if inspect.isclass(owner):  # which may say once what its methods have in common
        said += inspect.getdoc(owner) or ""
    for parameter in ("limit", "offset"):
        if parameter in parameters:
            assert f"`{parameter}`" in said, parameter
            assert "octets" in said
    if "timeout" in parameters:
        assert "seconds" in said
    if "into" in parameters:
        assert "`into`" in said


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_class_names_its_rfc_its_ports_its_units_and_its_errors(kind: Any) -> None:
    said = inspect.getdoc(kind) or ""
    assert "RFC" in (sys.modules[kind.__module__].__doc__ or "")
    assert re.search(r"`port` is \d+", said)
    assert re.search(r"`timeout`\s+is\s+in\s+seconds", said)
    assert "`WireError`" in said
    assert "`Refused`" in said or kind in (HTTP, Telnet)  # which have no such answer


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_method_that_talks_ends_in_an_answer_or_hangs_up(kind: Any) -> None:
    """It is an `exchange`, or does nothing on the wire but call such methods."""
    opens = inspect.getsource(kind.__init__)
    talks = re.search(r"read|_reply|expect", opens.partition("self.wire = ")[2])
    assert "with self.wire.hanging_up():" in opens or not talks
    methods = public(kind)
    for name, method in methods.items():
        if hasattr(method, "__wrapped__"):
            continue
        source = ast.parse(textwrap.dedent(inspect.getsource(method)))
        used = {
            ast.unparse(node)
            for node in ast.walk(source)
            if isinstance(node, ast.Attribute)
        }
        on_wire = {each for each in used if each.startswith("self.wire.")}
        silent = {"self.wire.close", "self.wire.closed", "self.wire.is_tls"}
        assert on_wire <= silent, f"{kind.__name__}.{name}"
        private = {each for each in used if each.startswith("self._")}
        called = {each for each in private if callable(getattr(kind, each[5:], None))}
        assert not called, f"{kind.__name__}.{name}"


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_client_opens_and_closes_alike(kind: Any) -> None:
    parameters = inspect.signature(kind).parameters
    assert list(parameters)[:5] == ["host", "port", "timeout", "tls", "limits"]
    assert parameters["timeout"].default == 30.0
    assert parameters["tls"].default is False
    assert all(
        each.kind is inspect.Parameter.KEYWORD_ONLY
        for each in list(parameters.values())[2:]
    )
    assert {"close", "__enter__", "__exit__"} <= set(vars(kind))
