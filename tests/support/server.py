"""A tiny server that stands for Zope or ZEO: ``server.py NAME ADDRESS``."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs
from urllib.parse import urlsplit


class Answer(BaseHTTPRequestHandler):
    """Answers everything; ``?sleep=2`` slowly, ``?status=404`` differently."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        time.sleep(float(query.get("sleep", ["0"])[0]))
        forced = Path(os.environ["PRODUCTIONSTACK"], "status")
        status = int(query.get("status", ["200"])[0])
        if forced.exists() and self.path != "/@@ok":
            status = int(forced.read_text())
        text = f"{sys.argv[1]} {os.getpid()}".encode()
        self.send_response(status)
        self.send_header("Cache-Control", "max-age=0, private")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


def greet(path: str) -> None:
    """Greet everybody who connects to a Unix socket and say how it is, like ZEO."""
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)
        one.listen()
        while True:
            client, _ = one.accept()
            with client, suppress(ConnectionError):  # HAProxy's check only connects
                client.sendall(b"\0\0\0\2Z5")
                client.settimeout(1)
                with suppress(TimeoutError):
                    if client.recv(8) == b"\0\0\0\4ruok":
                        client.sendall(b'\0\0\0\x1f{"1": {"last-transaction": ""}}')


if __name__ == "__main__":
    if "/" in sys.argv[2]:
        greet(sys.argv[2])
    slow = Path(os.environ["PRODUCTIONSTACK"], f"{sys.argv[1]}.slow")
    if slow.exists():
        time.sleep(float(slow.read_text() or 3))
    if Path(os.environ["PRODUCTIONSTACK"], f"{sys.argv[1]}.broken").exists():
        sys.exit("this client is broken on purpose")
    hungry = Path(os.environ["PRODUCTIONSTACK"], f"{sys.argv[1]}.hungry")
    eaten = bytearray(hungry.exists() * 200 * 1024**2)
    host, _, port = sys.argv[2].rpartition(":")
    ThreadingHTTPServer((host, int(port)), Answer).serve_forever()
