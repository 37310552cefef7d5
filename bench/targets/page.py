"""A page of a shop on Django over SQLite, asked for again and again by Django's test client.

    page.py SITE REQUESTS       SITE: the folder where Django lies
"""

import datetime
import sys

sys.path.insert(0, sys.argv[1])

import django  # noqa: E402
from django.conf import settings  # noqa: E402

ORDERS_A_PAGE = 50
TEMPLATES = {
    "base.html": """<!doctype html><html><head><title>{% block title %}Shop{% endblock %}</title></head>
<body><nav>{% for word in navigation %}<a href="/{{ word|slugify }}/">{{ word|title }}</a>{% endfor %}</nav>
{% block content %}{% endblock %}</body></html>""",
    "orders.html": """{% extends "base.html" %}{% block title %}{{ block.super }}: orders{% endblock %}
{% block content %}<h1>{{ count }} order{{ count|pluralize }}</h1><table>{% for order in orders %}
<tr class="{% cycle 'odd' 'even' %}"><td>{{ order.pk }}</td><td>{{ order.placed|date:"j F Y" }}</td>
<td>{{ order.customer.name }} &lt;{{ order.customer.email|lower }}&gt;</td>
<td>{% for line in order.lines.all %}{{ line.amount }} x {{ line.product.name }}{% if not forloop.last %}, {% endif %}
{% empty %}nothing{% endfor %}</td><td>{{ order.total|floatformat:2 }}</td></tr>{% endfor %}</table>{% endblock %}""",
}



class Urls:
    """Stands for the module of the site's URLs: __main__ is the profiler's where one runs this."""

    urlpatterns = []


settings.configure(
    SECRET_KEY="of nobody",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=Urls,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", TEMPLATES)],
                "context_processors": ["django.contrib.auth.context_processors.auth"],
            },
        }
    ],
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.shortcuts import render  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402


class Customer(models.Model):
    name = models.CharField(max_length=80)
    email = models.EmailField()

    class Meta:
        app_label = "shop"


class Product(models.Model):
    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        app_label = "shop"


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)
    placed = models.DateTimeField()

    class Meta:
        app_label = "shop"

    @property
    def total(self):
        return sum(line.amount * line.product.price for line in self.lines.all())


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE)
    amount = models.IntegerField()

    class Meta:
        app_label = "shop"


def orders(request):
    found = Order.objects.select_related("customer").prefetch_related("lines__product").order_by("-placed")
    context = {"orders": found[:ORDERS_A_PAGE], "count": Order.objects.count(), "navigation": ["orders", "stock", "staff"]}
    return render(request, "orders.html", context)


Urls.urlpatterns.append(path("orders/", orders))


def fill():
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        for model in (Customer, Product, Order, Line):
            editor.create_model(model)
    customers = [Customer(name=f"Customer {n}", email=f"C{n}@Example.org") for n in range(40)]
    products = [Product(name=f"Product {n}", price=n + 0.25) for n in range(60)]
    Customer.objects.bulk_create(customers)
    Product.objects.bulk_create(products)
    now = timezone.now()
    placed = [Order(customer=customers[n % 40], placed=now - datetime.timedelta(hours=n)) for n in range(400)]
    Order.objects.bulk_create(placed)
    Line.objects.bulk_create(
        Line(order=order, product=products[(n * 7 + i) % 60], amount=i + 1) for n, order in enumerate(placed) for i in range(3)
    )


def main():
    fill()
    client = Client()
    for _ in range(int(sys.argv[2])):
        answer = client.get("/orders/")
        if answer.status_code != 200 or b"Product 7" not in answer.content:
            raise SystemExit(f"the page is wrong: {answer.status_code}")


if __name__ == "__main__":
    main()
