"""Names of hosts in any script."""

from __future__ import annotations

import pytest

from collective.recipe.productionstack.model.site import readable
from collective.recipe.productionstack.options.values.names import host_name
from collective.recipe.productionstack.options.values.names import served_name


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        # What browsers ask for (UTS 46, not transitional); its own table of examples.
        ("www.bücher.example", "www.xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("FAẞ.de", "xn--fa-hia.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("ΒΌΛΟΣ.com", "xn--nxasmq6b.com"),
        ("правительство.рф", "xn--80aealotwbjpid2k.xn--p1ai"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"),
        ("\uff37\uff37\uff37\uff0eexample\uff0ecom", "www.example.com"),
        ("mixed-ж-ü-字.example", "xn--mixed----d6a273fir3x.example"),
        ("xn--bcher-kva.example.", "xn--bcher-kva.example"),
    ],
)
def test_every_script_becomes_punycode(written: str, kept: str) -> None:
    assert host_name(written) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..example",
        "-a.example",
        "a-.example",
        "a b.example",
        "a\u00a0b.example",
        "a\u200db.example",
        "a\u00adb.example",
        "ü/x.example",
        "℀.example",
        "ü" * 60 + ".example",
        "x" * 64,
        ".".join(["x" * 63] * 4),
        "ü" * 10_000,
        "x" * 10_000,
        "*.example.com",
        "\ud800.example",
    ],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="not a host name"):
        host_name(name)


def test_a_star_stands_for_the_beginning_alone() -> None:
    assert served_name("*.Bücher.example") == "*.xn--bcher-kva.example"
    for name in ("*", "*.", "*.*.example", "x*.example", "*.10.0.0.1", "*.[::1]"):
        with pytest.raises(ValueError, match="not a host name"):
            served_name(name)


def test_people_read_a_name_in_its_own_script() -> None:
    assert readable("www.xn--bcher-kva.example") == "www.bücher.example"
    # What is none, or would be seen as nothing, stays.
    for name in ("www.example.com", "xn--.example", "xn--a\u00e9", "xn---"):
        assert readable(name) == name
    assert readable("xn--ab-qo2a.example").isprintable()
