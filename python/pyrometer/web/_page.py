"""The page of recent requests: plain HTML, nothing loaded, nothing to click that changes anything."""

from __future__ import annotations

import html
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrometer.web._service import Kept, Service

HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
]
STYLE = "body{font:14px sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:left}td.n{text-align:right}"
TITLES = ("when (UTC)", "request", "status", "why", "total", "python", "queries", "their time", "repeated", "recording")


def _row(kept: Kept) -> str:
    answer = kept.answer or {}
    python = f"{answer['running_s']:.3f} s" if answer.get("samples") else "-"
    recording = kept.id if answer.get("recording") else answer.get("error") or ("limited" if kept.limited else "none")
    cells = [
        time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(kept.when_s)),
        kept.title,
        str(kept.status),
        kept.why,
        f"{kept.total_s:.3f} s",
        python,
        str(kept.queries),
        f"{kept.sql_s:.3f} s",
        kept.repeated or "-",
        recording,
    ]
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def page(service: Service) -> bytes:
    """All of it, newest first."""
    if service.sampler is not None:
        service.sampler.poll()
    counts = ", ".join(f"{name} {count}" for name, count in service.counted().items())
    sampler = service.sampler.state if service.sampler is not None else "no directory is given, so there is none"
    rows = "".join(_row(kept) for kept in reversed(list(service.recent)))
    heads = "".join(f"<th>{title}</th>" for title in TITLES)
    directory = html.escape(service.options.directory or "")
    text = (
        f"<!doctype html><title>Recent requests</title><style>{STYLE}</style><h1>Recent requests</h1>"
        f"<p>Of this process ({os.getpid()}): {counts}. Sampler: {html.escape(sampler)}. To ask a recording: "
        f"<code>pyrometer stats {directory}/ID.pyro</code></p><table><tr>{heads}</tr>{rows}</table>"
    )
    return text.encode()
