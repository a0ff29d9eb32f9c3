"""Debian's Chromium without a display, and what it says about the pages it shows.

It reaches nothing but this machine, believes one certificate that the test made, and
keeps profile, dumps and temporary files in a folder of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TypeVar
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from collective.recipe.productionstack.machine.run import find
from collective.recipe.productionstack.machine.run import run

GUARD = Path(__file__).with_name("guard.py")
PROGRAMS = ("chromium", "chromedriver", "openssl")
HOSTS = "MAP *.example.com 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
SILENT = (
    *("--headless=new", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--disable-breakpad"),
    *("--no-first-run", "--no-default-browser-check", "--window-size=1280,1000"),
    f"--host-resolver-rules={HOSTS}",
)
WEIGHTY = {"WARNING", "SEVERE"}
Found = TypeVar("Found")


class Chromium:
    """One browser with one profile: cookies and cache are its own."""

    def __init__(self, certificate: str = "") -> None:
        # Sockets are made in it: the path must be short.
        self.home = Path(tempfile.mkdtemp(prefix="chromium-")).resolve()
        self.guard = subprocess.Popen(
            (sys.executable, str(GUARD), str(self.home)), stdin=subprocess.PIPE
        )
        options = webdriver.ChromeOptions()
        options.binary_location = find("chromium") or ""
        for argument in (*SILENT, f"--user-data-dir={self.home}/profile"):
            options.add_argument(argument)
        if certificate:
            pin = _pin(certificate)
            options.add_argument(f"--ignore-certificate-errors-spki-list={pin}")
        if run(("unshare", "--user", "true")).status != 0:
            options.add_argument("--no-sandbox")  # a container without namespaces
        options.set_capability(
            "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
        )
        self.driver = webdriver.Chrome(options=options, service=self._service())
        self.answers: list[dict[str, Any]] = []
        self.asked: list[str] = []
        # Away from the page it opens with, which looks for the world.
        self.go("about:blank")
        self.troubles()
        self.asked.clear()

    def _service(self) -> Service:
        environment = {
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
        }
        return Service(
            find("chromedriver"), env=environment, popen_kw={"cwd": str(self.home)}
        )

    def __enter__(self) -> Chromium:  # noqa: PYI034 (Self is newer than 3.10)
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()
        assert self.guard.stdin is not None
        self.guard.stdin.close()
        self.guard.wait(30)
        shutil.rmtree(self.home, ignore_errors=True)

    # -- what somebody does

    def go(self, url: str) -> None:
        self.driver.get(url)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, look: Callable[[], Found], seconds: float = 20) -> Found:
        """Return what a look finds, as soon as that is something."""
        waiting: WebDriverWait[Any] = WebDriverWait(
            self.driver, seconds, 0.05, (WebDriverException, LookupError, StopIteration)
        )
        found: Found = waiting.until(lambda _: look())
        return found

    def see(self, selector: str) -> WebElement:
        """Return the first that is shown, when it is."""
        return self.wait(
            lambda: next(one for one in self.all(selector) if one.is_displayed())
        )

    def write(self, selector: str, text: str) -> None:
        """Fill in a field."""
        field = self.see(selector)
        field.clear()
        field.send_keys(text)

    def press(self, selector: str) -> None:
        """Press what is shown, also where something floats above it."""
        self.driver.execute_script("arguments[0].click()", self.see(selector))

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a field, which pages hide behind a button."""
        self.wait(lambda: self.all(selector)[-1]).send_keys(str(path))

    def leave_with(self, act: Callable[[], object]) -> None:
        """Do what leads to another page, and wait for that."""
        old = self.all("html")[0]

        def has_left() -> bool:
            return bool(self.all("html")[0] != old)

        act()
        try:
            self.wait(has_left, 15)
        except TimeoutException:
            # A busy page may take a press for nothing: people press again.
            act()
            self.wait(has_left, 45)
        self.wait(lambda: self.value("document.readyState") == "complete")

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        return self.driver.execute_script(f"return {expression}")

    def tell(self, command: str, **values: Any) -> None:
        """Give a command of the DevTools protocol."""
        self.driver.execute_cdp_cmd(command, values)

    # -- what it says

    def troubles(self) -> list[str]:
        """Return what console and network complain about since the last look."""
        found = [
            one["message"]
            for one in self.driver.get_log("browser")  # type: ignore[no-untyped-call]
            if one["level"] in WEIGHTY
        ]
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            found += self._note(message["method"], message["params"])
        return found

    def _note(self, kind: str, values: dict[str, Any]) -> list[str]:
        if kind == "Network.requestWillBeSent":
            self.asked.append(values["request"]["url"])
        if kind == "Network.responseReceived":
            answer = values["response"]
            self.answers.append(answer)
            if answer["status"] >= 400:
                return [f"{answer['status']} {answer['url']}"]
        if kind == "Network.loadingFailed" and not values.get("canceled"):
            return [f"{values['errorText']} {values.get('blockedReason', '')}"]
        return []

    def hosts(self) -> set[str]:
        """Return the hosts that were asked, as far as ``troubles`` has looked."""
        parts = [urlsplit(one) for one in self.asked]
        return {one.netloc for one in parts if one.scheme in {"http", "https"}}

    def protocols(self) -> set[str]:
        """Return how the answers came over the network (ALPN's names, RFC 7301)."""
        return {
            one["protocol"]
            for one in self.answers
            if one["url"].startswith("http") and not one.get("fromDiskCache")
        }


def make_certificate(folder: Path, host: str) -> tuple[str, str]:
    """Write a certificate for a host and its key; return their paths."""
    pair = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    named = ("-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}")
    done = run((*command, *named, "-keyout", pair[1], "-out", pair[0]))
    assert done.status == 0, done.errors
    Path(pair[1]).chmod(0o600)
    return pair


def _pin(certificate: str) -> str:
    """Return the hash by which Chromium believes one key alone (RFC 7469, 2.4)."""
    asked = ("openssl", "x509", "-in", certificate, "-noout", "-pubkey")
    key = base64.b64decode("".join(run(asked).output.splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(key).digest()).decode()
