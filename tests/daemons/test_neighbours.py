"""Other applications beside the sites: a real Django, PHP-FPM, WebSocket, files."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_socket

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.application import Neighbours
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.tree import check
from tests.daemons.stage import UNKNOWN
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import at_once
from tests.daemons.stage import connect
from tests.daemons.stage import site
from tests.daemons.stage import statuses
from tests.daemons.stage import until
from tests.support import certificate
from tests.support import neighbours

PHP = """<?php
header('Content-Type: application/json');
header('X-Accel-Redirect: /files/secret');
header('Strict-Transport-Security: max-age=99');
if (isset($_GET['hang'])) { sleep(3); }
if (isset($_GET['status'])) { http_response_code((int)$_GET['status']); }
echo json_encode(['script' => basename(__FILE__), 'server' => $_SERVER,
                  'body' => strlen(file_get_contents('php://input'))]);
"""
SOURCE = b"<?php"
OWN, OTHER = "app.example.com", "other.example.com"
AWAY = {"nginx": 502, "apache": 503}
"""What each web server says where nobody answers, or too many wait already."""
LATE = {"nginx": 504, "apache": 502}
"""The same where an answer does not come in time; of PHP both say 504."""


def application(number: int, path: str, kind: str, **values: Any) -> Application:
    """Return an application of the first site's host, unless another is named."""
    given = {"host": "www.example.com", **values}
    return Application(number=number, path=path, kind=kind, **given)


def place_files(folder: Path) -> None:
    """Write what PHP and the static folder have."""
    for name in ("php/wp-admin", "php/upload", "php/.git", "files/sub", "outside"):
        (folder / name).mkdir(parents=True)
    scripts = ("index", "other", "wp-login", "wp-admin/index", "wp-admin/post")
    for name in (*scripts, "upload/shell", ".git/hook"):
        (folder / f"php/{name}.php").write_text(PHP)
    for name in ("upload", "wp-admin"):
        (folder / f"php/{name}/photo.jpg").write_text(PHP)
    (folder / "php/config.inc").write_text(PHP)
    (folder / "php/config.php~").write_text(PHP)
    (folder / "php/SHOUT.PHP").write_text(PHP)
    (folder / "php/style.css").write_text("p {}")
    (folder / "files/a.txt").write_text("0123456789")
    (folder / "files/sub/index.html").write_text("<p>index")
    (folder / "files/.env").write_text("secret")
    (folder / "outside/secret").write_text("secret")
    # Read by nobody: whoever writes there must not change what is served.
    for name in ("php", "files"):
        (folder / f"{name}/.htaccess").write_text("Nonsense On")
    (folder / "files-of-others").write_text("secret")
    # Root's file: whoever makes links there must not read what others own.
    (folder / "files/passwd").symlink_to("/etc/passwd")
    (folder / "files/own").symlink_to("a.txt")


@pytest.fixture(scope="module")
def stage(
    daemons: None, tmp_path_factory: pytest.TempPathFactory, web: str
) -> Iterator[Stage]:
    """Give a web server and a site, with everything beside it."""
    folder = tmp_path_factory.mktemp("beside")
    place_files(folder)
    with ExitStack() as stack:
        kept, cut = (stack.enter_context(neighbours.django(p)) for p in ("shop/", ""))
        php = stack.enter_context(neighbours.php())
        echo = stack.enter_context(neighbours.echo())
        dead = stack.enter_context(socket.socket())
        dead.bind(("127.0.0.1", 0))
        at = Address(path=str(php))
        root = str(folder / "php")
        applications = (
            application(1, "/shop", "http", address=Address(path=str(kept))),
            application(
                2, "/api.v1", "http", address=Address(path=str(cut)), below="/"
            ),
            application(
                3, "/chat", "http", address=Address("127.0.0.1", echo), websocket=True
            ),
            application(4, "/mute", "http", address=Address("127.0.0.1", echo)),
            application(5, "/blog", "fastcgi", address=at, root=root),
            application(
                6,
                "/wp",
                "fastcgi",
                address=at,
                root=root,
                scripts=("/wp-login.php", "/wp-admin/"),
            ),
            application(7, "/files", "static", root=str(folder / "files")),
            application(8, "/old", "redirect", url="https://new.example.com/x"),
            application(
                9, "/sale", "redirect", url="/shop/x?y=1", rest=False, status=302
            ),
            application(10, "/here", "redirect", url="/"),
            application(
                11, "/dead", "http", address=Address("127.0.0.1", dead.getsockname()[1])
            ),
            application(12, "", "http", host=OWN, address=Address(path=str(cut))),
            application(13, "/php", "fastcgi", host=OWN, address=at, root=root),
            application(
                *(14, "/impatient", "http"),
                address=Address(path=str(cut)),
                below="/",
                seconds=2,
                connections=4,
            ),
            application(15, "/stuck", "fastcgi", address=at, root=root, seconds=1),
        )
        own = VirtualHost(
            host=OWN,
            aliases=(OTHER,),
            redirect=False,
            scheme="http",
            url_host=OWN,
            url_port=80,
        )
        values: dict[str, Any] = {"proxy_cache": "none", "load_balancer": "none"}
        with Stage(
            clients=1,
            sites=(site(aliases=("example.com",)),),
            neighbours=Neighbours(applications=applications, hosts=(own,)),
            web_server=web,
            **values,
        ) as one:
            yield one.start(web)


@pytest.fixture
def front(stage: Stage) -> Stage:
    """Give the same with a site that remembers nothing."""
    stage.plone.forget()
    return stage


def sent(reply: Reply) -> str:
    """Return where a visitor is sent, without the host where it is the same.

    nginx leaves it out, Apache never.
    """
    return str(reply["Location"]).removeprefix("http://www.example.com")


def seen(reply: Reply) -> dict[str, Any]:
    """Return what an application says that it has received."""
    assert reply.status == 200, (reply.status, reply.body)
    found: dict[str, Any] = json.loads(reply.body)
    return found


FORGED = (
    *(("X-Forwarded-For", "6.6.6.6"), ("X-Real-IP", "6.6.6.6"), ("Via", "evil")),
    *(("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")),
    *(("X-Forwarded-Prefix", "/evil"), ("Forwarded", "for=6.6.6.6"), ("Proxy", "evil")),
    *(("X-Request-ID", "evil"), ("X-Original-URL", "/evil"), ("Remote-User", "admin")),
)


def test_django_is_told_who_asks_and_where(front: Stage) -> None:
    reply = front.get("/shop/a%20b?c=%C3%A4", ("Authorization", "Basic eDp5"), *FORGED)
    found = seen(reply)
    assert found["path"] == "/shop/a b"
    assert found["url"] == "http://www.example.com/shop/a%20b?c=%C3%A4"
    headers = {name.lower(): value for name, value in found["headers"].items()}
    assert headers["x-forwarded-for"] == headers["x-real-ip"] == "127.0.0.1"
    assert headers["x-forwarded-prefix"] == "/shop"
    assert headers["authorization"] == "Basic eDp5"
    assert len(headers["x-request-id"]) == 32
    assert "evil" not in reply.body.decode()
    assert "6.6.6.6" not in reply.body.decode()
    assert "admin" not in reply.body.decode()
    assert front.plone.seen == []


def test_what_zope_alone_must_not_see_is_no_matter_of_django(front: Stage) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert (
            seen(front.get("/shop/manage_main?x:method=y", method=method))["method"]
            == method
        )
        assert front.get("/manage_main", method=method).status in {404, 405}
    assert front.get("/?x:method=y").status == 400
    assert front.get("/shopping").status == 200
    assert [one.path.rpartition("/")[2] for one in front.plone.seen] == ["shopping"]


def test_no_other_spelling_reaches_zope_or_leaves_the_prefix(front: Stage) -> None:
    for path in (
        "/shop/../manage_main",
        "/shop/%2e%2e/manage_main",
        "/%73hop/..%2fmanage_main",
    ):
        assert front.get(path).status in {400, 404}, path
    assert seen(front.get("/x/../shop/y"))["path"] == "/shop/y"
    assert seen(front.get("/shop/a%3Fb%23c%25d%0d%ff;x"))["rest"] == "a?b#c%d\r%FF;x"
    assert seen(front.get("//shop/y"))["path"] == "/shop/y"
    assert front.plone.seen == []


def test_the_path_alone_is_the_applications_too(front: Stage) -> None:
    assert seen(front.get("/shop"))["path"] == "/shop"
    moved = front.get("/api.v1?x=1")
    assert (moved.status, sent(moved)) == (301, "/api.v1/?x=1")
    assert front.get("/api.v1", method="POST").status == 308


def test_another_path_stands_in_place_of_the_prefix(front: Stage) -> None:
    assert seen(front.get("/api.v1/a"))["path"] == "/a"
    assert sent(front.get("/api.v1/away")) == "/api.v1/seen"
    assert front.get("/apixv1/a").body.startswith(b"<p>answer")


def test_a_form_with_its_cookies(front: Stage) -> None:
    first = front.get("/shop/form")
    (cookie,) = first.headers.get_all("Set-Cookie") or []
    assert "; Path=/shop;" in cookie
    token = first.body.split(b"value=")[1].split(b">")[0].decode()
    pair = cookie.split(";")[0]
    kind = ("Content-Type", "application/x-www-form-urlencoded")
    body = f"name=Ada&csrfmiddlewaretoken={token}".encode()
    done = front.get("/shop/form", ("Cookie", pair), kind, method="POST", body=body)
    assert (done.status, sent(done)) == (302, "/shop/form")
    session = str(done["Set-Cookie"]).split(";")[0]
    assert b"<p>Ada</p>" in front.get("/shop/form", ("Cookie", session)).body
    assert front.get("/shop/form", kind, method="POST", body=body).status == 403


def test_it_cannot_make_nginx_serve_anything_else(front: Stage) -> None:
    for to in ("/", "/files/a.txt", "/shop/x", "@told"):
        reply = front.get(f"/shop/sly?to={to}")
        assert reply.body == b"from Django"
        for name in ("X-Accel-Redirect", "Strict-Transport-Security", "X-Powered-By"):
            assert reply[name] is None
    assert front.get("/shop/x", ("X-Accel-Redirect", "/files/a.txt")).status == 200
    assert front.plone.seen == []


def test_it_says_itself_what_browsers_are_told(front: Stage) -> None:
    reply = front.get("/shop/x")
    assert reply.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert reply.headers.get_all("Referrer-Policy") == ["same-origin"]
    files = front.get("/files/a.txt")
    assert files.headers.get_all("Referrer-Policy") == [
        "strict-origin-when-cross-origin"
    ]
    reply = front.get("/shop/broken")
    assert (reply.status, reply.body) == (503, b"my own words")


def test_its_requests_are_logged_with_their_id(front: Stage) -> None:
    number = seen(front.get("/shop/logged-here"))["headers"]
    wanted = {name.lower(): value for name, value in number.items()}["x-request-id"]
    log = front.log()
    until(lambda: wanted in log.read_text())
    (line,) = [one for one in log.read_text().splitlines() if wanted in one]
    assert "/shop/logged-here" in line


def test_one_that_is_dead_is_its_own_trouble(front: Stage) -> None:
    reply = front.get("/dead/x")
    assert reply.status == AWAY[front.web]
    assert b"Back soon" in reply.body
    assert front.get("/").status == 200


def test_one_that_hangs_takes_nothing_from_the_site(front: Stage) -> None:
    hanging: list[Reply] = []

    def hang() -> None:
        hanging.extend(at_once(12, lambda: front.get("/impatient/slow?seconds=4")))

    thread = threading.Thread(target=hang)
    thread.start()
    pages = [front.get(f"/page-{number}") for number in range(20)]
    thread.join()
    assert statuses(pages) == {200: 20}
    # Four may wait (of each process of Apache one), and no longer than two seconds; the
    # others are told at once.
    late = LATE[front.web]
    assert set(statuses(hanging)) == {AWAY[front.web], late}
    assert 1 <= statuses(hanging)[late] <= 8
    assert all(b"Back soon" in one.body for one in hanging)


def test_a_websocket_where_it_is_meant(front: Stage) -> None:
    def opened(path: str) -> Any:
        way = connect(front.stack.chain.http)
        return open_socket(f"ws://www.example.com{path}", sock=way, proxy=None)

    with opened("/chat/room") as one:
        for text in ("hello", "x" * 70000):
            one.send(text)
            assert one.recv(10) == text
    for path in ("/mute/room", "/", "/shop/x", "/files/a.txt"):
        with pytest.raises(InvalidStatus):
            opened(path).close()


def test_a_websocket_outlives_a_reload(front: Stage) -> None:
    server: Any = roles.web_server(front.stack)
    way = connect(front.stack.chain.http)
    with open_socket("ws://www.example.com/chat/room", sock=way, proxy=None) as one:
        before = server.workers()
        front.reload_web()
        assert server.workers() - before
        one.send("still here")
        assert one.recv(10) == "still here"
        assert front.get("/").status == 200
    # The workers of the time before were there for it alone.
    until(lambda: not server.workers() & before)


def test_no_other_protocol_is_changed_to(front: Stage) -> None:
    for path in ("/shop/x", "/api.v1/x"):
        upgrade = (("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"))
        found = seen(front.get(path, *upgrade))
        assert "upgrade" not in {name.lower() for name in found["headers"]}


def test_files_and_nothing_else(front: Stage) -> None:
    reply = front.get("/files/a.txt")
    assert (reply.body, reply["Content-Type"]) == (b"0123456789", "text/plain")
    part = front.get("/files/a.txt", ("Range", "bytes=2-3"))
    assert (part.status, part.body) == (206, b"23")
    assert (
        front.get("/files/a.txt", ("If-None-Match", str(reply["ETag"]))).status == 304
    )
    assert front.get("/files/own").body == b"0123456789"
    assert front.get("/files/sub/").body == b"<p>index"
    assert sent(front.get("/files/sub")) == "/files/sub/"
    assert sent(front.get("/files")) == "/files/"
    assert front.get("/files/", method="POST").status in {403, 404, 405}
    assert front.plone.seen == []


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/files/",
            "/files/.env",
            "/files/%2eenv",
            "/files/sub/../.env",
            "/files/none",
        ),
        *("/files/../outside/secret", "/files/..%2foutside/secret", "/files../secret"),
        *("/files/passwd", "/files-of-others", "/files/sub/..%2f..%2foutside/secret"),
        *("/files//etc/passwd", "/files/%00", "/files/a.txt/", "/files/a.txt%20"),
    ],
)
def test_no_file_that_is_not_meant(front: Stage, path: str) -> None:
    reply = front.get(path)
    assert b"secret" not in reply.body
    assert b"root:" not in reply.body
    assert reply.status in {400, 403, 404} or reply.body.startswith(b"<p>answer"), path


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/old", "https://new.example.com/x"),
        ("/old/a%20b/?c=1", "https://new.example.com/x/a%20b/?c=1"),
        ("/old?c=1", "https://new.example.com/x?c=1"),
        ("/o%6cd/a", "https://new.example.com/x/"),
        ("/sale/a?b=1", "/shop/x?y=1"),
        ("/here//evil.example/x", "/evil.example/x"),
        ("/here/%5cevil.example", "/%5cevil.example"),
        ("/here/\\evil.example", "/"),
        ("/old/%0d%0aSet-Cookie:x=1", "https://new.example.com/x/%0d%0aSet-Cookie:x=1"),
    ],
)
def test_redirects(front: Stage, path: str, location: str) -> None:
    reply = front.get(path)
    assert reply.status == (302 if path.startswith("/sale") else 301)
    assert sent(reply) == location
    assert reply["Set-Cookie"] is None
    if not path.startswith("/sale"):
        assert front.get(path, method="POST").status == 308


def test_php_is_told_who_asks_and_where(front: Stage) -> None:
    reply = front.get("/blog/posts/1?x=%C3%A4", *FORGED, method="POST", body=b"12345")
    found = seen(reply)
    server = found["server"]
    assert (found["script"], found["body"]) == ("index.php", 5)
    assert server["REQUEST_URI"] == "/blog/posts/1?x=%C3%A4"
    assert server["SCRIPT_NAME"] == "/blog/index.php"
    assert server["REMOTE_ADDR"] == server["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert server["HTTP_HOST"] == "www.example.com"
    assert "HTTPS" not in server
    assert "HTTP_PROXY" not in server
    text = reply.body.decode()
    assert "evil" not in text
    assert "6.6.6.6" not in text
    assert reply["X-Accel-Redirect"] is None
    assert reply["Strict-Transport-Security"] is None


def test_php_by_its_address(front: Stage) -> None:
    info = seen(front.get("/blog/index.php/a/b"))["server"]
    assert (info["PATH_INFO"], info["SCRIPT_NAME"]) == ("/a/b", "/blog/index.php")
    assert seen(front.get("/blog/"))["script"] == "index.php"
    assert sent(front.get("/blog")) == "/blog/"
    assert front.get("/blog/style.css")["Content-Type"] == "text/css"
    assert front.get("/blog/style.css").body == b"p {}"
    assert seen(front.get("/blog/none.css"))["script"] == "index.php"
    for path, script in (
        ("/wp/wp-login.php", "wp-login.php"),
        ("/wp/wp-admin/post.php", "post.php"),
        ("/wp/wp-admin/post.php/x", "post.php"),
    ):
        found = seen(front.get(path))
        assert found["script"] == script
        assert found["server"]["SCRIPT_NAME"] == path.removesuffix("/x")
    index = seen(front.get("/wp/wp-admin/"))["server"]
    assert index["SCRIPT_NAME"] == "/wp/wp-admin/index.php"
    own = seen(ask(front.stack.chain.http, "GET", "/php/x", (("Host", OWN),)))
    assert own["server"]["SCRIPT_NAME"] == "/php/index.php"


@pytest.mark.parametrize("at", ["/blog", "/wp"])
@pytest.mark.parametrize(
    "path",
    [
        *("/upload/photo.jpg/evil.php", "/upload/photo.jpg/.php", "/upload/shell.php"),
        *("/upload/shell.php/x", "/other.php", "/.git/hook.php", "/config.php~"),
        *("/SHOUT.PHP", "/upload/photo.jpg%00.php", "/../beside.php", "/other.php/"),
        *(
            "/index.php%00.jpg",
            "/config.inc",
            "/wp-admin/photo.jpg/evil.php",
            "/upload/photo.jpg/x.php/index.php",
        ),
    ],
)
def test_nothing_that_was_uploaded_runs_nor_is_a_source_shown(
    front: Stage, at: str, path: str
) -> None:
    reply = front.get(f"{at}{path}")
    assert SOURCE not in reply.body
    assert reply.status in {400, 404} or reply.body.startswith(b"<p>answer")


def test_php_that_hangs_is_its_own_trouble(front: Stage) -> None:
    begun = at_once(3, lambda: front.get("/stuck/?hang=1"))
    assert statuses(begun) == {504: 3}
    assert front.get("/").status == 200


def test_a_host_of_its_own(front: Stage) -> None:
    def get(path: str, **values: Any) -> Reply:
        return ask(
            front.stack.chain.http, values.pop("method", "GET"), path, (("Host", OWN),)
        )

    assert seen(get("/manage_main"))["url"] == f"http://{OWN}/manage_main"
    assert seen(get("/x", method="PUT"))["method"] == "PUT"
    there = ask(front.stack.chain.http, "GET", "/x", (("Host", OTHER),))
    assert seen(there)["url"] == f"http://{OTHER}/x"
    there = ask(front.stack.chain.http, "GET", "/php/x", (("Host", OTHER),))
    server = seen(there)["server"]
    assert (server["SERVER_NAME"], server["HTTP_HOST"]) == (OTHER, OTHER)
    assert get("/.well-known/acme-challenge/none").status in {403, 404}
    other = ask(front.stack.chain.http, "GET", "/", (("Host", "none.example.com"),))
    assert other.status == UNKNOWN[front.web]
    assert front.plone.seen == []


def test_maintenance_is_for_all_of_a_host(front: Stage) -> None:
    front.maintain("www.example.com")
    try:
        for path in ("/", "/shop/x", "/files/a.txt", "/blog/", "/old"):
            assert front.get(path).status == 503, path
        own = ask(front.stack.chain.http, "GET", "/x", (("Host", OWN),))
        assert own.status == 200
    finally:
        front.maintain()
    assert front.get("/shop/x").status == 200


def test_the_daemons_take_it_and_checking_opens_nothing(front: Stage) -> None:
    verdicts = list(check.verdicts(front.stack, Path(front.stack.folders.applied)))
    assert {one.service: one.text for one in verdicts if not one.ok} == {}


def test_over_tls(daemons: None, tmp_path: Path, web: str) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("a")
    pair: dict[str, Any] = dict(certificate.own(tmp_path, OWN))
    own = VirtualHost(host=OWN, scheme="https", url_host=OWN, url_port=443, **pair)
    one = application(1, "", "static", host=OWN, root=str(files))
    values: dict[str, Any] = {"proxy_cache": "none", "load_balancer": "none"}
    beside = Neighbours(applications=(one,), hosts=(own,))
    with Stage(
        clients=1,
        sites=(site(),),
        tls=True,
        neighbours=beside,
        web_server=web,
        **values,
    ) as front:
        front.start(web)
        assert front.stack.chain.https
        trusting = ssl._create_unverified_context()
        reply = ask(
            front.stack.chain.https,
            "GET",
            "/a.txt",
            (("Host", OWN),),
            wrap=lambda plain: trusting.wrap_socket(plain, server_hostname=OWN),
        )
        assert (reply.status, reply.body) == (200, b"a")
        plain = ask(front.stack.chain.http, "GET", "/a.txt?x=1", (("Host", OWN),))
        assert (plain.status, plain["Location"]) == (301, f"https://{OWN}/a.txt?x=1")
