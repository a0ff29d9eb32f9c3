"""The certificates that are ours: a folder with each version, a link to the newest.

Chain and key change together, in one rename of that link: whoever reads them sees
the old pair or the new one.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import files
from collective.recipe.productionstack.machine.net import openssl
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.model.site import CHAIN_FILE
from collective.recipe.productionstack.model.site import KEY_FILE
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.site import host_folder
from collective.recipe.productionstack.model.stack import Stack

KEPT = ".kept"
STAGED = ".new-"


@dataclass(frozen=True, slots=True)
class OwnPair:
    """Certificate and key of one site, below the folder of them all."""

    base: Path
    name: str

    @property
    def link(self) -> Path:
        """What the web server reads through."""
        return self.base / self.name

    @property
    def kept(self) -> Path:
        """Where each version has a folder."""
        return self.base / KEPT / self.name

    def is_there(self) -> bool:
        """Whether there is a certificate, with its key, that one can serve with."""
        return not tls.unusable(
            *(str(self.link / one) for one in (CHAIN_FILE, KEY_FILE))
        )

    def current(self) -> Path | None:
        """Return the folder of the version in use, or None."""
        return self.link.resolve() if self.link.is_symlink() else None

    def install(self, staged: Path) -> Path | None:
        """Make a staged folder the newest version; return the one before, or None.

        Raises OSError (a full disk, say) with the version before in use.
        """
        files.make_private(self.kept)
        self._adopt()
        before = self.current()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for name in (CHAIN_FILE, KEY_FILE):
            files.settle(staged / name)
        folder = self.kept / f"{stamp}-{staged.name.removeprefix(STAGED)}"
        staged.replace(folder)
        files.settle(self.kept)
        self.use(folder)
        keep = {one.name for one in (folder, before) if one}
        for one in self.kept.iterdir():
            if one.name not in keep:
                shutil.rmtree(one, ignore_errors=True)
        return before

    def use(self, folder: Path) -> None:
        """Let the web server read that version from now on."""
        files.link_atomically(self.link, f"{KEPT}/{self.name}/{folder.name}")

    def _adopt(self) -> None:
        """Take a folder as a version that stands where the link was, from a copy."""
        if self.link.is_dir() and not self.link.is_symlink():
            found = Path(tempfile.mkdtemp(prefix="found-", dir=self.kept))
            self.link.replace(found)
            self.use(found)


def sites(stack: Stack) -> list[VirtualHost]:
    """Return the sites whose certificates are ours to get: one for each host.

    What lies in folders of a host shares its certificate.
    """
    there = stack.virtual_hosts if stack.chain.has_web_server else ()
    first: dict[str, VirtualHost] = {}
    for one in there:
        if one.acme:
            first.setdefault(one.host, one)
    return list(first.values())


def of(stack: Stack, site: VirtualHost) -> OwnPair:
    """Return where the certificate of a site lies that has none of its own."""
    return OwnPair(Path(stack.folders.certificates), host_folder(site.host))


@contextmanager
def staging(stack: Stack) -> Iterator[Path]:
    """Give a folder for what is to become a version; what does not is removed."""
    base = Path(stack.folders.certificates)
    files.make_private(base)
    folder = Path(tempfile.mkdtemp(prefix=STAGED, dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(stack: Stack) -> None:
    """Remove what killed ones left; nobody else may be at work."""
    for one in Path(stack.folders.certificates).glob(f"{STAGED}*"):
        shutil.rmtree(one, ignore_errors=True)


def make_missing(stack: Stack) -> list[str]:
    """Give each site that waits for its first certificate a self-signed one.

    Return their hosts. Raises ControlError where that cannot be done.
    """
    wanted = [one for one in sites(stack) if not of(stack, one).is_there()]
    for site in wanted:
        try:
            with staging(stack) as folder:
                openssl.self_signed(folder, site.hosts, CHAIN_FILE, KEY_FILE)
                of(stack, site).install(folder)
        except OSError as error:
            message = (
                f"{site.host} waits for its first certificate, and the self-signed one "
                f"until then cannot be written: {error}. Mend that, then try again."
            )
            raise ControlError(message) from error
    return [site.host for site in wanted]
