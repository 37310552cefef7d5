"""What pyrometer.web does to SQLAlchemy's queries, asked of a database in memory: prints "ok", or fails."""

from wsgiref.util import setup_testing_defaults

from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, exc, insert, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import StaticPool

from pyrometer import web
from pyrometer.web import WSGIMiddleware, _queries

ROWS = Table("row", MetaData(), Column("id", Integer, primary_key=True))


def of_one_request(work):
    """What is kept of a request that does WORK with a connection, and what that returned."""
    engine, done = create_engine("sqlite://", poolclass=StaticPool), []
    ROWS.metadata.create_all(engine)

    def app(environ, start_response):
        with engine.connect() as connection:
            done.append(work(connection))
        start_response("200 OK", [])
        return []

    middleware, environ = WSGIMiddleware(app, slow_s=0), {}
    setup_testing_defaults(environ)
    middleware(environ, lambda status, headers, exc_info=None: None)
    [kept], [returned] = middleware.service.recent, done
    assert web.stats()["query_errors"] == 0
    return kept, returned


def each_is_counted_once():
    def work(connection):
        found = connection.execute(select(ROWS.c.id).where(ROWS.c.id == 7)).all()  # do_execute
        found += connection.execution_options(no_parameters=True).exec_driver_sql("SELECT 7").all()
        connection.exec_driver_sql("INSERT INTO row VALUES (?)", [(1,), (2,)])  # do_executemany
        found += connection.execute(insert(ROWS).returning(ROWS.c.id), [{"id": 3}, {"id": 4}]).all()  # several values in one
        return [*found, *connection.execute(select(ROWS.c.id)).all()]

    kept, found = of_one_request(work)
    assert [row[0] for row in found] == [7, 3, 4, 1, 2, 3, 4], found
    assert kept.queries == 5 and kept.sql_s > 0
    assert all(file == __file__ and line and count == 1 and seconds > 0 for _, file, line, count, seconds in kept.longest), kept.longest


def many_rows_at_once_are_no_repetition():
    def work(connection):
        for at in range(20):
            connection.execute(insert(ROWS).returning(ROWS.c.id), [{"id": 10 * at}, {"id": 10 * at + 1}])

    kept, _ = of_one_request(work)
    assert (kept.queries, kept.repeated) == (20, "")

    def one_by_one(connection):
        for at in range(20):
            connection.execute(insert(ROWS).values(id=at))

    kept, _ = of_one_request(one_by_one)
    assert kept.queries == 20 and kept.repeated.startswith("writes=web_sqlalchemy.py:") and kept.repeated.endswith("x20")


def what_fails_is_the_same_and_has_its_time():
    def work(connection):
        try:
            connection.execute(text("SELECT id FROM nowhere"))
        except exc.OperationalError as error:
            return str(error.orig)

    kept, said = of_one_request(work)
    assert (said, kept.queries, kept.sql_s > 0) == ("no such table: nowhere", 1, True), (said, kept.queries, kept.sql_s)


def who_else_listens_is_asked():
    """Whether he comes before us or behind, and whether he executes it himself or not."""
    for first in (False, True):
        for executes in (True, False):
            asked = []

            def other(cursor, statement, parameters, context):
                if statement != "SELECT 7":
                    return False
                asked.append(statement)
                if executes:
                    cursor.execute("SELECT 8")
                return executes

            event.listen(Engine, "do_execute", other)
            if first:  # we are behind him
                event.remove(Engine, "do_execute", _queries._sqlalchemy_execute)
                event.listen(Engine, "do_execute", _queries._sqlalchemy_execute)
            kept, found = of_one_request(lambda connection: connection.execute(text("SELECT 7")).scalar())
            event.remove(Engine, "do_execute", other)
            assert asked == ["SELECT 7"] and found == (8 if executes else 7), (first, executes, asked, found)
            assert kept.queries == (0 if first and executes else 1), (first, executes)


def outside_of_a_request_nothing_is_counted():
    _, engine = of_one_request(lambda connection: connection.engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 7")).scalar() == 7


each_is_counted_once()
many_rows_at_once_are_no_repetition()
what_fails_is_the_same_and_has_its_time()
who_else_listens_is_asked()
outside_of_a_request_nothing_is_counted()
print("ok")
