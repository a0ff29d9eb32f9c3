"""The one template environment, and the quoting of every language we write."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import UNSAFE

if TYPE_CHECKING:
    import jinja2


STOCK = Path(__file__).parents[1] / "templates"


class TemplateError(Exception):
    """A template that does not render: the message names file and line."""


def render(template: str, values: Mapping[str, Any], user_folder: str = "") -> str:
    """Render one template of the tree with the given values.

    Raises TemplateError when a template (most likely the user's) is broken.
    """
    import jinja2

    try:
        return _environment(user_folder).get_template(template).render(values)
    except jinja2.TemplateSyntaxError as error:
        place = f"{error.filename or error.name}, line {error.lineno}"
        raise TemplateError(f"{place}: {error.message}") from error
    except jinja2.TemplateNotFound as error:
        place = _place(error, template)
        raise TemplateError(f"{place}: template {error.name} not found") from error
    except Exception as error:
        raise TemplateError(f"{_place(error, template)}: {error}") from error


def blocks(template: str) -> tuple[str, ...]:
    """Return the names of the blocks that a stock template lets users refill."""
    return tuple(sorted(_environment("").get_template(template).blocks))


def template_problem(part: str, folder: str, error: TemplateError) -> Problem:
    """Word a template that does not render as the user's problem."""
    return Problem(
        part=part,
        option="templates",
        value=folder,
        message=str(error),
        remedy="Mend that template, or move it away to get the stock one.",
    )


@cache
def _environment(user_folder: str) -> jinja2.Environment:
    import jinja2

    stock = jinja2.FileSystemLoader(STOCK)
    loaders: list[jinja2.BaseLoader] = [stock, jinja2.PrefixLoader({"stock": stock})]
    if user_folder:
        loaders.insert(0, jinja2.FileSystemLoader(user_folder))
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701 (not HTML; the filters below quote)
        keep_trailing_newline=True,
        loader=jinja2.ChoiceLoader(loaders),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(FILTERS)
    return environment


def _place(error: Exception, template: str) -> str:
    """Return file and line of the innermost template frame of an error."""
    place, trace = template, error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.endswith(".j2"):
            place = f"{name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _safe(value: object) -> str:
    """Refuse what no language here can quote: the options should have caught it."""
    text = str(value)
    if UNSAFE.search(text):
        message = f"{text!a} cannot be written to a configuration file"
        raise ValueError(message)
    return text


def nginx_string(value: object) -> str:
    """Quote a value for nginx."""
    return f'"{_safe(value)}"'


def nginx_literal(value: object) -> str:
    """Quote a text of any letters so that it stands for itself inside nginx's quotes.

    nginx knows no escape for a dollar sign: the files define ``$dollar``.
    """
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return text.replace("$", "${dollar}")


def apache_string(value: object) -> str:
    """Quote a value for Apache: a backslash counts before another or a quote."""
    text = str(value)
    _safe(re.sub(r"[\\\"]", "", text))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def apache_words(command: tuple[str, ...]) -> str:
    """Join a command for Apache's pipes, which are split at what has no backslash."""
    return " ".join(re.sub(r"([ '])", r"\\\1", _safe(word)) for word in command)


def vcl_string(value: object) -> str:
    """Quote a value for VCL."""
    return f'"{_safe(value)}"'


def vcl_regex(value: object) -> str:
    """Quote a text so that it stands for itself inside a VCL regular expression."""
    return re.sub(r"([.\[\](){}*+?|^])", r"[\1]", _safe(value)).replace("[^]", r"\^")


def haproxy_string(value: object) -> str:
    """Quote a value for HAProxy (single quotes would keep even a dollar sign)."""
    return f'"{_safe(value)}"'


def ini_value(value: object) -> str:
    """Return a value for supervisord.conf, where ``%`` and ``' ;'`` have a meaning.

    Raises ValueError for a line break, which no value can hold.
    """
    text = _safe(value)
    if " ;" in text:
        message = f"{text!a} cannot be written to supervisord.conf"
        raise ValueError(message)
    return text


def logrotate_string(value: object) -> str:
    """Quote a path for logrotate, whose patterns would read some letters."""
    text = re.sub(r"([*?\[\]])", r"[\1]", _safe(value))
    # Braces delimit a section, quoted or not; a pattern can be any letter.
    return '"' + re.sub("[{}]", "?", text) + '"'


def supervisor_words(command: tuple[str, ...]) -> str:
    """Join a command for supervisor, which splits it like shlex and reads no more."""
    words = (ini_value(word) for word in command)
    return " ".join(
        f'"{word}"' if re.search(r"[^\w@%+=:,./-]", word) else word for word in words
    )


def shell_word(value: object) -> str:
    """Quote one word for sh."""
    return shlex.quote(_safe(value))


def shell_words(command: tuple[str, ...]) -> str:
    """Join a command for sh."""
    return shlex.join(_safe(word) for word in command)


def cron_percent(text: str) -> str:
    """Escape ``%``, which ends a command in a crontab (crontab(5))."""
    return text.replace("%", r"\%")


FILTERS = {
    function.__name__: function
    for function in (
        nginx_string,
        nginx_literal,
        apache_string,
        apache_words,
        vcl_string,
        vcl_regex,
        haproxy_string,
        ini_value,
        logrotate_string,
        supervisor_words,
        shell_word,
        shell_words,
        cron_percent,
    )
}
