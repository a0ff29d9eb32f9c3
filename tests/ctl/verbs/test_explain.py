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
    ("line", "wanted"),
    [
        (3, "this line comes from [stack] gzip"),
        (7, "line 7, beside or around it, comes from [stack] bind"),
        (9, "line 7, beside or around it, comes from [stack] bind"),
        # Not of the block that ends just above.
        (11, "line 5, beside or around it, comes from [stack] gzip"),
        (13, "no option made this line"),
        (16, "line 17, beside or around it, comes from [stack] programs"),
        (18, "no option made this line"),
    ],
)
def test_the_origin_is_in_the_same_block(bench: Bench, line: int, wanted: str) -> None:
    (bench.folder / "a.conf").write_text(HEAD + TEXT)
    assert wanted in bench.run("explain", f"a.conf:{line + 2}").output
