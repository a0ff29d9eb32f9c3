"""``explain FILE:LINE``: the option behind a line, and never another one's."""

from __future__ import annotations

import pytest

from tests.support.bench import Bench

TEXT = """\
# of the whole file: nothing
http {
    gzip on; # [stack] gzip
    server {
        listen 1; # [stack] bind
        location / {
            proxy_pass x;

        }
        return 444;
    }
    server_tokens off;
    # why it is so
    sendfile on;
    # this comes from a line of sites: [stack] sites
    location /a {
        root a;

    }
    # another reason
    location /a/ {
        root b;
    }

    location /b {
        root c;
    }
}
plain 1;
[program:one]
command = x ; [stack] programs
umask = 027
[program:two]
command = y
"""

HEAD = """\
# Written by collective.recipe.productionstack for [stack] in buildout.cfg.
# Change it there and run bin/buildout.
"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gzip on", "this line comes from [stack] gzip"),
        ("return 444", "line 7, beside it, comes from [stack] bind"),
        # What stands beside the block that it is in is not about it.
        ("proxy_pass", "no option made this line"),
        # Not of the block that ends just above.
        ("server_tokens", "line 5, beside it, comes from [stack] gzip"),
        # A comment begins something else.
        ("sendfile", "no option made this line"),
        ("root a", "line 17, above it, comes from [stack] sites"),
        ("root b", "line 17, above it, comes from [stack] sites"),
        ("root c", "no option made this line"),
        ("plain", "no option made this line"),
        ("umask", "line 33, beside it, comes from [stack] programs"),
        ("command = y", "no option made this line"),
    ],
)
def test_the_origin_is_in_the_same_block(bench: Bench, text: str, wanted: str) -> None:
    (bench.folder / "a.conf").write_text(HEAD + TEXT)
    lines = (HEAD + TEXT).splitlines()
    number = next(at for at, one in enumerate(lines, 1) if text in one)
    assert wanted in bench.run("explain", f"a.conf:{number}").output


def test_a_file_may_be_of_one_option_as_a_whole(bench: Bench) -> None:
    (bench.folder / "a.conf").write_text(f"{HEAD}# Who asks. [stack] limits\n\na;\nb;")
    said = bench.run("explain", "a.conf:6").output
    assert "line 3, for the whole file, comes from [stack] limits" in said
