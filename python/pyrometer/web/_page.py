"""The page of recent requests: plain HTML, nothing loaded, nothing to click that changes anything. Its links fetch recordings."""

from __future__ import annotations

import html
import os
import re
import time
from urllib.parse import parse_qsl, urlencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyrometer.web._service import Kept, Service

    Answer = tuple[str, list[tuple[str, str]], bytes]  # status, headers, body

HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
]
STYLE = (
    "body{font:14px sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:left;vertical-align:top}"
    "td.n{text-align:right}li{font:12px monospace;margin:.3em 0}"
)
TITLES = ("when (UTC)", "request", "status", "why", "total", "python", "queries", "their time", "repeated", "recording")
ID = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{4}")
OTHERS_MAX = 50


def answer(service: Service, query: str) -> Answer:
    """The page, newest first; with `recording=ID` in QUERY that file. To who was admitted."""
    asked = dict(parse_qsl(query)).get("recording")
    return _page(service, query) if asked is None else _recording(service, asked)


def _recording(service: Service, id_: str) -> Answer:
    try:
        if not ID.fullmatch(id_):
            raise FileNotFoundError
        with open(_path(service, id_), "rb") as file:
            body = file.read()
    except OSError:
        return "404 Not Found", [("Content-Type", "text/plain"), *HEADERS[1:]], b"there is no such recording any more\n"
    name = ("Content-Disposition", f'attachment; filename="{id_}.pyro"')
    return "200 OK", [("Content-Type", "application/octet-stream"), name, *HEADERS[1:]], body


def _path(service: Service, id_: str) -> str:
    return os.path.join(service.options.directory or "", id_ + ".pyro")


def _link(id_: str, query: str) -> str:
    """With what else the query has: who is admitted by that stays so."""
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "recording"]
    return f'<a href="?{html.escape(urlencode([*kept, ("recording", id_)]))}">{id_}</a>'


def _queries(kept: Kept) -> str:
    """Their number, and on a click those that took longest."""
    if not kept.longest:
        return str(kept.queries)
    items = "".join(
        f"<li>{count} in {time_s:.3f} s, {html.escape(os.path.basename(file) or 'no line of its own')}:{line}<br>{html.escape(shape)}"
        for shape, file, line, count, time_s in kept.longest
    )
    return f"<details><summary>{kept.queries}</summary><ul>{items}</ul></details>"


def _row(kept: Kept, query: str) -> str:
    found = kept.answer or {}
    python = f"{found['running_s']:.3f} s" if found.get("samples") else "-"
    why_none = html.escape(found.get("error") or ("limited" if kept.limited else "none"))
    cells = [
        time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(kept.when_s)),
        html.escape(kept.title),
        str(kept.status),
        kept.why,
        f"{kept.total_s:.3f} s",
        python,
        _queries(kept),
        f"{kept.sql_s:.3f} s",
        html.escape(kept.repeated or "-"),
        _link(kept.id, query) if found.get("recording") else why_none,
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _others(service: Service, query: str) -> Iterator[str]:
    """Recordings of other processes and of earlier requests: their names begin with the time."""
    ours = {kept.id for kept in service.recent}
    try:
        names = [name[:-5] for name in os.listdir(service.options.directory or "") if name.endswith(".pyro")]
    except OSError:
        names = []
    there = sorted((name for name in names if ID.fullmatch(name) and name not in ours), reverse=True)
    for id_ in there[:OTHERS_MAX]:
        yield f"<li>{_link(id_, query)}"
    if len(there) > OTHERS_MAX:
        yield f"<li>and {len(there) - OTHERS_MAX} more"


def _page(service: Service, query: str) -> Answer:
    if service.sampler is not None:
        service.sampler.poll()
    counts = ", ".join(f"{name} {count}" for name, count in service.counted().items())
    sampler = service.sampler.state if service.sampler is not None else "no directory is given, so there is none"
    rows = "".join(_row(kept, query) for kept in reversed(list(service.recent)))
    heads = "".join(f"<th>{title}</th>" for title in TITLES)
    others = "".join(_others(service, query)) if service.options.directory else ""
    text = (
        f"<!doctype html><title>Recent requests</title><style>{STYLE}</style><h1>Recent requests</h1>"
        f"<p>Of this process ({os.getpid()}): {counts}. Sampler: {html.escape(sampler)}. To look into a recording: "
        f"<code>pyrometer view ID.pyro</code></p><table><tr>{heads}</tr>{rows}</table>"
        f"{others and '<h2>Recordings of other processes, and earlier ones</h2><ul>' + others + '</ul>'}"
    )
    return "200 OK", HEADERS, text.encode()
