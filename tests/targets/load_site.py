"""A site of Django's, as WSGI: each request takes a hundred rows through the ORM and puts them into a template, some 5 ms.

LOAD_OPTIONS and LOAD_DATABASE are those of load_app.py, and so are /a and /b.
"""

import json
import os
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

OPTIONS = os.environ.get("LOAD_OPTIONS", "")
DATABASE = os.environ["LOAD_DATABASE"]
PAGE = """{{ path }} {{ row.name }} <table>{% for row in rows %}
<tr class="{% cycle 'odd' 'even' %}"><td>{{ row.id }}</td><td>{{ row.name|upper }}</td><td>{{ row.id|add:work }}</td></tr>{% endfor %}
</table> ?{{ query }}"""


def database():
    if not DATABASE.startswith("postgresql:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}
    url = urlsplit(DATABASE)
    where = {"HOST": url.hostname, "PORT": url.port, "USER": url.username, **{key.upper(): value for key, value in parse_qsl(url.query)}}
    return {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "CONN_MAX_AGE": 60, **{key: value for key, value in where.items() if value}}


settings.configure(
    SECRET_KEY="x" * 50,
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[*(["pyrometer.web.DjangoMiddleware"] if OPTIONS else []), "django.middleware.common.CommonMiddleware"],
    PYROMETER=json.loads(OPTIONS or "{}"),
    DATABASES={"default": {**database(), "CONN_MAX_AGE": 60}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"page": PAGE})]}}],
    USE_TZ=True,
)

import django  # noqa: E402

django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.shortcuts import render  # noqa: E402
from django.urls import path  # noqa: E402


class Row(models.Model):
    id = models.IntegerField(primary_key=True)
    name = models.TextField()

    class Meta:
        app_label = "load"
        db_table = "load_row"
        managed = False


def work_a():
    return sum(at * at for at in range(100))


def work_b():
    return sum(at + at for at in range(100))


def page(request, work):
    rows = list(Row.objects.order_by("id"))
    told = {"path": request.path, "query": request.META["QUERY_STRING"], "row": rows[7], "rows": rows, "work": work()}
    return render(request, "page", told, content_type="text/plain")


def page_a(request):
    return page(request, work_a)


def page_b(request):
    return page(request, work_b)


urlpatterns = [path("a", page_a), path("b", page_b)]
wsgi = get_wsgi_application()
