"""One service on Django or on SQLAlchemy whose requests each send too many queries of one kind, asked in the process itself: prints what
X-Profile says of each, as JSON.

    web_judged.py django|sqlalchemy DATABASE [DIRECTORY for recordings]

The lines that send them end in the names of the paths."""

import json
import sys
from wsgiref.util import setup_testing_defaults

LIBRARY, DATABASE, *DIRECTORY = sys.argv[1:]
ORDERS, CUSTOMERS = 300, 5  # few: each is asked for often
CALLS = 24  # so that each is well over a twentieth of the whole, imports with it
PROFILED = {"when": lambda environ: True, "directory": DIRECTORY[0] if DIRECTORY else None, "rate_hz": 1000, "recordings_per_s": 1000}


def django_app():
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="x",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["pyrometer.web.DjangoMiddleware"],
        PYROMETER=PROFILED,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    )
    django.setup()
    from django.core.wsgi import get_wsgi_application
    from django.db import connection, models
    from django.http import HttpResponse
    from django.urls import path

    class Customer(models.Model):
        name = models.TextField()

        class Meta:
            app_label = "shop"

    class Order(models.Model):
        customer = models.ForeignKey(Customer, models.CASCADE)

        class Meta:
            app_label = "shop"

    with connection.schema_editor() as editor:
        editor.create_model(Customer)
        editor.create_model(Order)
    Customer.objects.bulk_create([Customer(id=at, name=str(at)) for at in range(ORDERS)])
    Order.objects.bulk_create([Order(id=at, customer_id=at % CUSTOMERS) for at in range(ORDERS)])

    def lazily():
        for order in Order.objects.all():
            order.customer.name  # lazily

    def each():
        for order in Order.objects.all():
            Customer.objects.get(id=order.id)  # each

    def same():
        for at in range(ORDERS):
            Customer.objects.get(id=7)  # same

    def writes():
        for at in range(ORDERS):
            Customer.objects.filter(id=at).update(name="x")  # writes

    def answer(view):
        return lambda request: HttpResponse(view() or "")

    globals()["urlpatterns"] = [path(view.__name__, answer(view)) for view in (lazily, each, same, writes)]
    return get_wsgi_application()


def sqlalchemy_app():
    from sqlalchemy import ForeignKey, create_engine, insert, select, update
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

    from pyrometer.web import WSGIMiddleware

    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
        customer: Mapped[Customer] = relationship()

    engine = create_engine(f"sqlite:///{DATABASE}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(insert(Customer), [{"id": at, "name": str(at)} for at in range(ORDERS)])
        session.execute(insert(Order), [{"id": at, "customer_id": at % CUSTOMERS} for at in range(ORDERS)])
        session.commit()

    def lazily(session):
        for order in session.scalars(select(Order)).all():
            session.expunge(order.customer)  # lazily

    def each(session):
        for order in session.scalars(select(Order)).all():
            session.execute(select(Customer.name).where(Customer.id == order.id)).scalar()  # each

    def same(session):
        for at in range(ORDERS):
            session.execute(select(Customer.name).where(Customer.id == 7)).scalar()  # same

    def writes(session):
        for at in range(ORDERS):
            session.execute(update(Customer).where(Customer.id == at).values(name="x"))  # writes

    views = {f"/{view.__name__}": view for view in (lazily, each, same, writes)}

    def app(environ, start_response):
        with Session(engine) as session:
            views[environ["PATH_INFO"]](session)
        start_response("200 OK", [])
        return []

    return WSGIMiddleware(app, **PROFILED)


def ask(app, path):
    environ, told = {"SCRIPT_NAME": "", "PATH_INFO": path}, []
    setup_testing_defaults(environ)
    body = app(environ, lambda status, headers, exc_info=None: told.append((status, dict(headers))))
    list(body)
    if hasattr(body, "close"):
        body.close()
    [(status, headers)] = told
    assert status == "200 OK", status
    return headers["X-Profile"]


app = {"django": django_app, "sqlalchemy": sqlalchemy_app}[LIBRARY]()
print(json.dumps({path: [ask(app, "/" + path) for _ in range(CALLS)] for path in ("lazily", "each", "same", "writes")}))
