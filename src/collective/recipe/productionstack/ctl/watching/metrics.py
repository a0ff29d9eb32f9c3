"""The numbers of ``status`` as Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from collective.recipe.productionstack.ctl.backups.kept import ledger
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.jobs.outcomes import Age
from collective.recipe.productionstack.ctl.watching.status import Status
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons.certificates import Certificate
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack

PREFIX = "productionstack"
HELP = {
    "program_up": "Whether a program runs and answers.",
    "client_drained": "Whether a client gets no new visitors.",
    "site_up": "Whether a site answers.",
    "program_memory_bytes": "Memory of a program and its children.",
    "program_uptime_seconds": "Seconds since a program started.",
    "cache_hits_total": "Requests that the cache answered.",
    "cache_misses_total": "Requests that it asked the next tier for.",
    "cache_passed_total": "Requests that were somebody's own.",
    "cache_evicted_total": "Objects that made room for others.",
    "cache_failed_fetches_total": "Fetches that failed.",
    "cache_cut_off_total": "Times that there was no room for what a reader waits for.",
    "balancer_waiting": "Requests that wait for a client.",
    "balancer_waited_at_most": "The most that have waited at a time.",
    "balancer_errors_total": "Answers with a status of 5xx.",
    "job_ok": "Whether the last run of a job was good and is young enough.",
    "job_age_seconds": "Seconds since the last good run of a job.",
    "job_limit_seconds": "Seconds after which a job is too old.",
    "job_duration_seconds": "Seconds that the last run of a job took.",
    "job_size_bytes": "What the last run of a job reported as its size.",
    "job_last_success_timestamp_seconds": "When a job was last good (Unix time).",
    "backup_timestamp_seconds": "When the newest accepted backup was made (Unix time).",
    "backup_objects": "Objects in the newest accepted backup of a part.",
    "backup_blobs": "Blobs in it.",
    "backup_data_bytes": "The database that it becomes.",
    "backup_blob_bytes": "All its blobs together.",
    "certificate_left_seconds": "Seconds until a certificate ends.",
    "certificate_rest_ratio": "The part of a certificate's lifetime that is left.",
    "certificate_loaded": "Whether visitors get what lies in the file.",
}

Number = tuple[str, str, str, "float | None"]
"""Metric, the name of its label, the label, and the value where it is known."""


def text(
    stack: str,
    programs: Iterable[dict[str, Any]],
    ages: Iterable[Age],
    more: Iterable[Number] = (),
) -> str:
    """Return every number that is known; one line each."""
    found: dict[str, list[str]] = {name: [] for name in HELP}

    def add(
        metric: str, label: str, name: str, value: float | None, more: str = ""
    ) -> None:
        if value is not None:
            labels = f'stack="{_quoted(stack)}",{label}="{_quoted(name)}"{more}'
            found[metric].append(f"{PREFIX}_{metric}{{{labels}}} {value:.15g}")

    for one in programs:
        up = one["health"] == "ok"
        standby = f',standby="{str(one["standby"]).lower()}"'
        add("program_up", "program", one["name"], float(up), standby)
        add("program_memory_bytes", "program", one["name"], one["memory"])
        add("program_uptime_seconds", "program", one["name"], one["uptime"])
    for age in ages:
        add("job_ok", "job", age.name, float(age.ok))
        add("job_age_seconds", "job", age.name, age.age)
        add("job_limit_seconds", "job", age.name, age.limit)
        if age.stamp:
            add("job_duration_seconds", "job", age.name, age.stamp.seconds)
            add("job_size_bytes", "job", age.name, age.stamp.size)
            good = age.stamp.good or None
            add("job_last_success_timestamp_seconds", "job", age.name, good)
    for number in more:
        add(*number)
    lines = []
    for metric, rows in found.items():
        head = f"{PREFIX}_{metric}"
        kind = "counter" if metric.endswith("_total") else "gauge"
        lines += [f"# HELP {head} {HELP[metric]}", f"# TYPE {head} {kind}", *rows]
    return "\n".join(lines) + "\n"


def of_status(status: Status) -> Iterator[Number]:
    """Yield the numbers of sites, drained clients, backups and certificates."""
    for client in _balanced(status):
        drained = client.name in status.drained
        yield "client_drained", "client", client.name, float(drained)
    for site, answer in status.sites.items():
        yield "site_up", "host", site.name, float(answer == health.OK)
    yield from of_backups(status.stack)
    yield from _of_certificates(status.certificates)
    yield from of_counters(status.counted)


def of_backups(stack: Stack) -> Iterator[Number]:
    """Yield what the newest accepted backup of each part holds."""
    for backup in stack.data.backups:
        one = ledger.newest(stack, backup)
        if one is None:
            continue
        made = timegm(time.strptime(one.date, repozo.DATE))
        yield "backup_timestamp_seconds", "part", backup.name, made
        yield "backup_objects", "part", backup.name, one.objects
        yield "backup_blobs", "part", backup.name, one.blobs
        yield "backup_data_bytes", "part", backup.name, one.size
        yield "backup_blob_bytes", "part", backup.name, one.blob_bytes


def _balanced(status: Status) -> tuple[Client, ...]:
    up = status.seen.pid(status.stack.chain.load_balancer)
    return status.stack.zope.clients if up else ()


def _of_certificates(found: Iterable[Certificate]) -> Iterator[Number]:
    for one in found:
        host = one.hosts[0]
        if one.ends:
            yield "certificate_left_seconds", "host", host, one.left
            yield "certificate_rest_ratio", "host", host, one.rest
        if one.loaded is not None:
            yield "certificate_loaded", "host", host, float(one.loaded)


def of_counters(counted: Mapping[str, Mapping[str, int]]) -> Iterator[Number]:
    """Yield everything that cache and balancer have counted."""
    for tier, values in counted.items():
        for name, value in values.items():
            metric = f"{tier}_{name}"
            known = metric if metric in HELP else f"{metric}_total"
            yield known, "tier", tier, value


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
