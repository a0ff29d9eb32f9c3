"""What gixy-ng, gixy-next and sslyze find in what we write and serve."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.stack import Maintenance
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.daemons.nginx.test_rules import FULL
from tests.daemons.stage import Stage
from tests.daemons.stage import site
from tests.support import certificate
from tests.support import samples

PLAIN = dataclasses.replace(samples.SITE, aliases=("example.com",))
SECURE = dataclasses.replace(
    PLAIN, certificate="/c.pem", key="/c.key", scheme="https", url_port=443
)
HTTPS = Address("127.0.0.1", 8443)
STACKS = {
    "plain": samples.changed(sites=(PLAIN,)),
    "frontend": samples.changed(
        sites=(dataclasses.replace(PLAIN, frontend=samples.FRONTEND),)
    ),
    "tls": samples.changed(sites=(SECURE,), https=HTTPS),
    "beside": samples.changed(sites=(SECURE,), https=HTTPS, neighbours=samples.BESIDE),
    "all": samples.changed(
        sites=(SECURE,),
        https=HTTPS,
        front=FULL,
        maintenance=Maintenance(page="/srv/away.html", allow=("10.0.0.0/8",)),
        trusted_proxies=("10.0.0.1/32",),
        proxy_protocol=True,
    ),
}

NO_FAULTS = {
    # On purpose: what is decoded and put in order once here is the same for all that
    # comes after, and nothing gets before the literal prefix (test_running.py).
    "proxy_pass_normalized",
    # Our 421 is for the whole server, not for a location of it.
    "http2_misdirected_request",
}
BESIDE = {
    # What pages of an application may do is for it to say.
    "add_header_redefinition",
    # A name with a dot before it, or a script's ending, anywhere in an address.
    "unanchored_regex",
    # Said for the time that it takes.
    "try_files_is_evil_too",
}
"""For other applications alone."""

OPTIONAL = {"hsts_header"}
"""What an option is for: found where that is off."""

POSSESSIVE = re.compile(r"(?<!\\)([*+?}])\+")


def tool(name: str) -> dict[str, str]:
    """Return the environment of a tool that lies apart, or skip or fail without it."""
    folder = Path(sys.prefix, name)
    if not folder.is_dir():
        reason = f"needed: {name}, which dev/environment installs"
        if os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return {**os.environ, "PYTHONPATH": str(folder)}


def found(name: str, stack: Stack, folder: Path) -> list[dict[str, Any]]:
    """Return what a linter says about the files of a stack."""
    env = tool(name)
    rendering.tree_of(announcing.complete(stack)).write(folder, durable=False)
    if name == "gixy-ng":
        # Its parser of regular expressions is older than possessive repeats.
        for path in folder.rglob("*.conf"):
            path.write_text(POSSESSIVE.sub(r"\1", path.read_text()))
    code = "from gixy.cli.main import main; main()"
    command = (sys.executable, "-c", code, "-f", "json", f"{folder}/nginx/nginx.conf")
    done = subprocess.run(command, capture_output=True, env=env, text=True, check=False)
    assert done.stdout.startswith("["), done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("name", ["gixy-ng", "gixy-next"])
@pytest.mark.parametrize("kind", STACKS)
def test_nothing_of_weight(name: str, kind: str, tmp_path: Path) -> None:
    stack = STACKS[kind]
    harmless = NO_FAULTS if stack.front.hsts[0] else NO_FAULTS | OPTIONAL
    if kind == "beside":
        harmless = harmless | BESIDE
    left = [
        one for one in found(name, stack, tmp_path) if one["plugin"] not in harmless
    ]
    assert left == []


@pytest.mark.parametrize("name", ["gixy-ng", "gixy-next"])
def test_a_fault_would_be_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx/nginx.conf").write_text(
        "http { server { location /a { alias /srv/a/; }\n"
        "location /b { return 302 https://$host$uri; } } }\n"
    )
    env = tool(name)
    code = "from gixy.cli.main import main; main()"
    command = (sys.executable, "-c", code, "-f", "json", f"{tmp_path}/nginx/nginx.conf")
    done = subprocess.run(command, capture_output=True, env=env, text=True, check=False)
    plugins = {one["plugin"] for one in json.loads(done.stdout)}
    assert {"alias_traversal", "http_splitting"} <= plugins


@pytest.fixture(scope="module")
def secure(daemons: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give an nginx that listens for TLS."""
    pair = certificate.own(tmp_path_factory.mktemp("certificate"))
    served = site(scheme="https", url_port=443, **pair)
    values: dict[str, Any] = {"proxy_cache": "none", "load_balancer": "none"}
    with Stage(sites=(served,), tls=True, **values) as one:
        yield one.start("nginx")


SUITES = {
    f"TLS_ECDHE_RSA_WITH_{one}"
    for one in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
}
NEWEST = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
}
GROUPS = {"X25519", "X448", "secp256r1", "secp384r1", "secp521r1"}
"""OpenSSL's list, without what sslyze does not know (post-quantum, finite field)."""

ASKED = (
    *("sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "elliptic_curves"),
    *("heartbleed", "openssl_ccs", "robot", "reneg", "compression", "early_data"),
)
SCAN = "from sslyze.__main__ import main; main()"


def test_only_the_protocols_and_suites_that_are_meant(
    secure: Stage, tmp_path: Path
) -> None:
    env, out = tool("sslyze"), tmp_path / "found.json"
    https = secure.stack.chain.https
    command = (
        *(sys.executable, "-c", SCAN, f"--json_out={out}"),
        *(f"--{one}" for one in ASKED),
        *("--sni", "www.example.com", str(https)),
    )
    done = subprocess.run(command, capture_output=True, env=env, text=True, check=False)
    assert out.exists(), done.stdout + done.stderr
    (server,) = json.loads(out.read_text())["server_scan_results"]
    seen = {name: one["result"] for name, one in server["scan_result"].items() if one}

    def suites(version: str) -> set[str]:
        accepted = seen[f"{version}_cipher_suites"]["accepted_cipher_suites"]
        return {one["cipher_suite"]["name"] for one in accepted}

    for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert suites(version) == set()
    assert suites("tls_1_2") == SUITES
    assert suites("tls_1_3") == NEWEST
    groups = {one["name"] for one in seen["elliptic_curves"]["supported_curves"]}
    assert groups == GROUPS
    assert not seen["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert not seen["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    renegotiation = seen["session_renegotiation"]
    assert not renegotiation["is_vulnerable_to_client_renegotiation_dos"]
    assert not seen["tls_compression"]["supports_compression"]
    assert not seen["tls_1_3_early_data"]["supports_early_data"]
    assert "NOT_VULNERABLE" in seen["robot"]["robot_result"]
