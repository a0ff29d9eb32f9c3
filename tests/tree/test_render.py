"""No value breaks out of its quoting: the languages' own parsers are asked."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import crossplane
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from collective.recipe.productionstack.model.address import UNSAFE
from collective.recipe.productionstack.tree import render

ANY = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30)
SAFE = ANY.filter(lambda text: not UNSAFE.search(text))
LATIN = "abcXYZ019 äß日'`;{}()[]*?#~&|<>!^+=,.:/-_"
PATHS = st.text(alphabet=LATIN, min_size=1, max_size=30)
QUOTING = (
    render.nginx_string,
    render.vcl_string,
    render.vcl_regex,
    render.haproxy_string,
    render.ini_value,
    render.logrotate_string,
    render.shell_word,
)
slow = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("quote", QUOTING)
@pytest.mark.parametrize("letter", '%$"\\\n\r\0\x7f\x85\u2028')
def test_refused(quote: Callable[[object], str], letter: str) -> None:
    """What no language here can quote is refused, also where options let it pass."""
    with pytest.raises(ValueError, match="cannot be written"):
        quote(f"a{letter}b")


@given(PATHS)
@slow
def test_nginx(tmp_path: Path, value: str) -> None:
    """nginx reads one argument, the same text."""
    path = tmp_path / "nginx.conf"
    path.write_text(f"http {{ root {render.nginx_string(value)}; }}\n", "utf-8")
    (parsed,) = crossplane.parse(str(path), check_ctx=False)["config"]
    assert parsed["errors"] == []
    ((directive,),) = [one["block"] for one in parsed["parsed"]]
    assert directive["args"] == [value]


@given(PATHS)
def test_shell(value: str) -> None:
    """A shell reads one word, the same text."""
    assert shlex.split(render.shell_word(value)) == [value]


@given(st.lists(PATHS, min_size=1, max_size=4))
def test_shell_words(words: list[str]) -> None:
    """A shell reads the same words."""
    assert shlex.split(render.shell_words(tuple(words))) == words


@given(st.lists(PATHS.filter(lambda word: " ;" not in word), min_size=1, max_size=4))
def test_supervisor(words: list[str]) -> None:
    """supervisor reads the same words from its file."""
    text = f"[program:x]\ncommand = {render.supervisor_words(tuple(words))}\n"
    parser = configparser.RawConfigParser(
        inline_comment_prefixes=(" ;", "\t;"), strict=True
    )
    parser.read_string(text)
    assert shlex.split(parser["program:x"]["command"] % {}) == words


@given(SAFE)
def test_vcl_and_haproxy(value: str) -> None:
    """Between the quotes stands the same text, and nothing that could end them."""
    for quote in (render.vcl_string, render.haproxy_string):
        quoted = quote(value)
        assert quoted == f'"{value}"'
        assert not set(value) & set('"\\\n')


@pytest.mark.filterwarnings("ignore:Possible nested set")
@given(SAFE, SAFE)
def test_vcl_regex(value: str, other: str) -> None:
    """As a regular expression a text stands for itself alone."""
    pattern = re.compile(render.vcl_regex(value))
    assert pattern.fullmatch(value)
    assert bool(pattern.fullmatch(other)) is (value == other)


@given(PATHS)
def test_logrotate(value: str) -> None:
    """logrotate's pattern means one file."""
    import fnmatch

    pattern = render.logrotate_string(value)[1:-1]
    assert fnmatch.fnmatchcase(value, pattern)


def test_cron() -> None:
    """cron ends a command at a bare percent sign."""
    assert render.cron_percent("date +%H") == r"date +\%H"


def test_users_template_wins(tmp_path: Path) -> None:
    """A user's template of the same name is taken instead of the stock one."""
    (tmp_path / "cron").mkdir()
    (tmp_path / "cron/crontab.j2").write_text("mine: {{ one }}\n")
    text = render.render("cron/crontab.j2", {"one": "this"}, str(tmp_path))
    assert text == "mine: this\n"
