"""Profile single requests of a web application in production: closed unless configured.

    app = pyrometer.web.WSGIMiddleware(app, secret_file="/run/secrets/pyrometer", directory="/var/lib/shop/requests", slow=1.0)
    app.add_middleware(pyrometer.web.ASGIMiddleware, ...)                      # Starlette, FastAPI
    MIDDLEWARE = ["pyrometer.web.DjangoMiddleware", ...]; PYROMETER = {...}    # Django

Options (Options) are the same for all; docs/production.md walks through them. connection = count_queries(connection) counts
the queries of a plain DB-API connection; those of Django and SQLAlchemy are counted anyway.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrometer.web._asgi import ASGIMiddleware
    from pyrometer.web._django import DjangoMiddleware
    from pyrometer.web._queries import count_queries
    from pyrometer.web._service import Options, stats
    from pyrometer.web._wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "DjangoMiddleware", "Options", "WSGIMiddleware", "count_queries", "stats"]

_MODULES = {
    "ASGIMiddleware": "_asgi",
    "DjangoMiddleware": "_django",
    "Options": "_service",
    "WSGIMiddleware": "_wsgi",
    "count_queries": "_queries",
    "stats": "_service",
}


def __getattr__(name: str) -> object:
    """Load what is asked for the first time."""
    if name not in _MODULES:
        raise AttributeError(f"module 'pyrometer.web' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"pyrometer.web.{_MODULES[name]}"), name)
    return value
