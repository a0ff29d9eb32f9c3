"""Where a stack keeps its things."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where the stack keeps its things; all absolute."""

    buildout: str
    bin: str
    etc: str
    var: str
    log: str
    sockets: str
    templates: str = ""

    @property
    def challenges(self) -> str:
        """What is answered below /.well-known/acme-challenge/ lies below this one."""
        return f"{self.var}/acme"

    @property
    def certificates(self) -> str:
        """The certificates that are ours: below this a folder for each site."""
        return f"{self.var}/certificates"

    @property
    def applied(self) -> str:
        """The tree that programs start from."""
        return f"{self.var}/applied"
