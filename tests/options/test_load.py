"""The declared options: every default and example holds, every fault has words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.options.load import OPTIONS
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.load import load
from collective.recipe.productionstack.options.values.names import host_name
from collective.recipe.productionstack.options.values.parse import address
from collective.recipe.productionstack.options.values.parse import file_path
from collective.recipe.productionstack.options.values.parse import zodb_path


@pytest.mark.parametrize("name", OPTIONS)
def test_example_parses(name: str) -> None:
    """What the reference page shows as an example is accepted."""
    example = OPTIONS[name].metadata["example"]
    example = example.replace("${buildout:directory}", "/srv/site")
    options, problems = load("stack", {name: example})
    assert problems == []
    assert getattr(options, OPTIONS[name].name) == OPTIONS[name].metadata["parse"](
        example
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_declaration_is_whole(name: str) -> None:
    """Every option has a sentence, a type and a default that can be shown."""
    about = OPTIONS[name].metadata
    assert about["doc"].endswith(".")
    assert about["kind"]
    assert about["shown"] or OPTIONS[name].default not in {None, "", ()}


@pytest.mark.parametrize("name", OPTIONS)
def test_default_parses(name: str) -> None:
    """A default that is a text is accepted by the option's own parser."""
    default = OPTIONS[name].default
    if isinstance(default, (str, int)) and default != "":
        assert OPTIONS[name].metadata["parse"](str(default)) == default


def test_defaults_alone() -> None:
    """No option is needed to make the options."""
    assert load("stack", {}) == (StackOptions(), [])


def test_empty_values_are_defaults() -> None:
    """An option that is written without a value counts as not written."""
    assert load("stack", dict.fromkeys(OPTIONS, " ")) == (StackOptions(), [])


def test_free_names() -> None:
    """What is never ours is never refused."""
    free = {"recipe": "r", "<": "other", "eggs": "x", "x-any": "1", "_y": "2"}
    assert load("stack", free)[1] == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("site", "sites"),
        ("client", "clients"),
        ("http_address", "http-address"),
        ("port_base", "port-base"),
        ("cache-adress", "cache-address"),
        ("zeo-server", "zeoserver"),
        ("template", "templates"),
    ],
)
def test_near_misses(typed: str, meant: str) -> None:
    """A name that is nearly right is answered with the right one."""
    (problem,) = load("stack", {typed: "1"})[1]
    assert problem.remedy == f"Did you mean {meant}?"


def test_all_problems_at_once() -> None:
    """Every faulty option is named in one go, and keeps its default."""
    section = {"port-base": "x", "bind": "a b", "check": "no", "nothing": "1"}
    options, problems = load("stack", section)
    assert [problem.option for problem in problems] == list(section)
    assert options == StackOptions()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8000", Address("127.0.0.1", 8000)),
        ("127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("localhost:1", Address("localhost", 1)),
        ("[::1]:65535", Address("::1", 65535)),
        ("[::]:80", Address("::", 80)),
        ("*:80", Address("0.0.0.0", 80)),
        (":80", Address("0.0.0.0", 80)),
        ("WWW.Example.COM:80", Address("www.example.com", 80)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    """Every usual way to write an address is understood."""
    assert address(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", "1.2.3.4:0", "1:2:3", "::1:80", "a b:80", "h:٣", "h:80;x"],
)
def test_no_addresses(text: str) -> None:
    """Anything else is no address."""
    with pytest.raises(ValueError, match=r"^not "):
        address(text)


def test_foreign_letters_become_punycode() -> None:
    """A host name of any language is written as the network writes it."""
    assert host_name("Bücher.example") == "xn--bcher-kva.example"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_host_name_never_breaks_out(text: str) -> None:
    """Whatever is accepted as a host name is made of harmless letters only."""
    try:
        accepted = host_name(text)
    except ValueError:
        return
    assert set(accepted) <= set("abcdefghijklmnopqrstuvwxyzABCDEF0123456789.-_:[]")


@given(st.text(max_size=40))
def test_zodb_path_never_breaks_out(text: str) -> None:
    """Whatever is accepted as a path has plain ids, and none that climbs."""
    try:
        accepted = zodb_path(text)
    except ValueError:
        return
    assert accepted.startswith("/")
    assert all(one.strip("._-~") for one in accepted[1:].split("/"))
    assert accepted.isascii()
    assert not set(accepted) & set("\"'\\${}; \n%")


@given(st.text(max_size=40))
def test_file_path_never_breaks_out(text: str) -> None:
    """Whatever is accepted as a path can stand between double quotes."""
    try:
        accepted = file_path(text)
    except ValueError:
        return
    assert not set(accepted) & set('%$"\\\n\r\0')
    assert " ;" not in accepted
