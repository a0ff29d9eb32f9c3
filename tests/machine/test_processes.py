"""What the kernel tells of a process."""

from __future__ import annotations

import os
import subprocess
import sys

from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import waiting


def test_words_with_blanks_stay_words() -> None:
    words = [sys.executable, "-c", "input()", "/a b/subreaper.py"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as one:
        # Between fork and exec there are none.
        assert waiting.until(lambda: processes.arguments(one.pid) == words, 10)
        assert processes.command(one.pid) == " ".join(words)
        one.communicate(b"\n")
    assert processes.arguments(one.pid) == []
    assert processes.arguments(os.getpid()) != []
