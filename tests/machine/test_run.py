"""What a program said, below a message."""

from __future__ import annotations

from collective.recipe.productionstack.machine import run


def test_the_last_lines_stand_below_a_message() -> None:
    said = run.last_lines("".join(f"line {n}\n" for n in range(30)) + "\n")
    lines = said.split("\n")
    assert lines[0] == ""
    assert lines[1:] == [f"    line {n}" for n in range(30)][-run.SAID_LINES :]


def test_what_a_program_says_cannot_draw_on_the_terminal() -> None:
    assert run.last_lines("a\x1b[2Jb") == "\n    a\\x1b[2Jb"
    assert run.last_lines("") == ""


def test_both_streams_are_kept_errors_last() -> None:
    done = run.run(("sh", "-c", "echo bad >&2; echo good; exit 3"))
    assert (done.status, done.said) == (3, "\n    good\n    bad")
