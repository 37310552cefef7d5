"""A small object-relational mapper over sqlite3, and a shop that uses it: metaclass, descriptors, a
query builder, an identity map, a unit of work, lazy relations, serialisation. Five functions of the
shop are timed by the program itself. `--learn 1` prints
the possible pairs of frames instead.
"""
import json
import random
import sqlite3
import sys

import truth

CUSTOMERS, PRODUCTS = 120, 150


# ---- the mapper ----

class Column:
    def __init__(self, sql_type, convert=None):
        self.sql_type = sql_type
        self.convert = convert

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        if instance is None:
            return self
        return instance.values.get(self.name)

    def __set__(self, instance, value):
        if instance.values.get(self.name) != value:
            instance.values[self.name] = value
            instance.note_change(self.name)

    def __eq__(self, other):
        return Condition(self, "=", other)

    def __lt__(self, other):
        return Condition(self, "<", other)

    def __gt__(self, other):
        return Condition(self, ">", other)

    def __hash__(self):
        return hash(self.name)


class Relation:
    def __init__(self, target, key):
        self.target = target
        self.key = key

    def __get__(self, instance, owner):
        if instance is None:
            return self
        return instance.session.get(MODELS[self.target], getattr(instance, self.key))


class Condition:
    def __init__(self, column, operator, value):
        self.column, self.operator, self.value = column, operator, value

    def compile(self):
        return "%s %s ?" % (self.column.name, self.operator), [self.value]


MODELS = {}


class ModelMeta(type):
    def __new__(mcs, name, bases, body):
        made = super().__new__(mcs, name, bases, body)
        made.columns = [value for value in body.values() if isinstance(value, Column)]
        made.table = name.lower()
        MODELS[name] = made
        return made


class Model(metaclass=ModelMeta):
    def __init__(self, session=None, **values):
        self.values = {}
        self.changed = set()
        self.session = session
        for name, value in values.items():
            setattr(self, name, value)

    def note_change(self, name):
        self.changed.add(name)
        if self.session is not None:
            self.session.note_dirty(self)

    @classmethod
    def from_row(cls, session, row):
        made = cls.__new__(cls)
        made.changed = set()
        made.session = session
        made.values = {column.name: convert_value(column, value)
                       for column, value in zip(cls.columns, row)}
        return made


def convert_value(column, value):
    if column.convert is not None and value is not None:
        return column.convert(value)
    return value


class Query:
    def __init__(self, session, model):
        self.session, self.model = session, model
        self.conditions, self.order, self.most = [], None, None

    def where(self, condition):
        self.conditions.append(condition)
        return self

    def order_by(self, name):
        self.order = name
        return self

    def limit(self, most):
        self.most = most
        return self

    def compile(self):
        parts, values = [], []
        for condition in self.conditions:
            text, more = condition.compile()
            parts.append(text)
            values.extend(more)
        text = "SELECT %s FROM %s" % (
            ", ".join(column.name for column in self.model.columns), self.model.table)
        if parts:
            text += " WHERE " + " AND ".join(parts)
        if self.order:
            text += " ORDER BY " + self.order
        if self.most is not None:
            text += " LIMIT %d" % self.most
        return text, values

    def __iter__(self):
        text, values = self.compile()
        for row in self.session.execute(text, values):
            yield self.session.load(self.model, row)

    def all(self):
        return list(self)


class Session:
    def __init__(self):
        self.connection = sqlite3.connect(":memory:")
        self.known, self.dirty = {}, {}

    def execute(self, text, values=()):
        return self.connection.execute(text, values)

    def create(self, model):
        self.execute("CREATE TABLE %s (%s)" % (model.table, ", ".join(
            "%s %s" % (column.name, column.sql_type) for column in model.columns)))

    def query(self, model):
        return Query(self, model)

    def load(self, model, row):
        key = (model, row[0])
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = model.from_row(self, row)
        return found

    def get(self, model, number):
        found = self.known.get((model, number))
        if found is None:
            for found in self.query(model).where(model.id == number):
                pass
        return found

    def note_dirty(self, instance):
        self.dirty[id(instance)] = instance

    def add(self, instance):
        names = ", ".join(instance.values)
        marks = ", ".join("?" for _ in instance.values)
        cursor = self.execute("INSERT INTO %s (%s) VALUES (%s)"
                              % (instance.table, names, marks), list(instance.values.values()))
        instance.values["id"] = cursor.lastrowid
        instance.session = self
        instance.changed.clear()
        return instance

    def flush(self):
        for instance in list(self.dirty.values()):
            self.write(instance)
        self.dirty.clear()

    def write(self, instance):
        names = sorted(instance.changed)
        if names:
            text = ", ".join(name + " = ?" for name in names)
            self.execute("UPDATE %s SET %s WHERE id = ?" % (instance.table, text),
                         [instance.values[name] for name in names] + [instance.values["id"]])
        instance.changed.clear()

    def forget(self):
        self.known.clear()


class Customer(Model):
    id = Column("INTEGER PRIMARY KEY")
    name = Column("TEXT", str.title)
    city = Column("TEXT")


class Product(Model):
    id = Column("INTEGER PRIMARY KEY")
    title = Column("TEXT")
    price = Column("REAL", float)
    stock = Column("INTEGER", int)


class Sale(Model):
    id = Column("INTEGER PRIMARY KEY")
    customer_id = Column("INTEGER")
    product_id = Column("INTEGER")
    pieces = Column("INTEGER", int)
    customer = Relation("Customer", "customer_id")
    product = Relation("Product", "product_id")


# ---- the shop ----

def fill(session, chance):
    for model in (Customer, Product, Sale):
        session.create(model)
    for number in range(CUSTOMERS):
        session.add(Customer(name="customer %d" % number, city=chance.choice("ABCDEF")))
    for number in range(PRODUCTS):
        session.add(Product(title="product %d" % number, price=chance.random() * 99, stock=900))


def place_sales(session, chance):
    for _ in range(12):
        session.add(Sale(customer_id=chance.randint(1, CUSTOMERS),
                         product_id=chance.randint(1, PRODUCTS), pieces=chance.randint(1, 5)))


def list_customers(session, chance):
    session.forget()
    found = session.query(Customer).where(Customer.city == chance.choice("ABCDEF")).all()
    return sorted(found, key=lambda customer: customer.name)


def report_sales(session, chance):
    totals = {}
    for sale in session.query(Sale).order_by("id DESC").limit(40):
        line = total_of_line(sale)
        city = sale.customer.city
        totals[city] = totals.get(city, 0.0) + line
    return totals


def total_of_line(sale):
    return sale.pieces * sale.product.price


def restock(session, chance):
    for product in session.query(Product).where(Product.stock < chance.randint(1, 950)).limit(25):
        product.stock = product.stock + chance.randint(-300, 300)
    session.flush()


def export_catalogue(session, chance):
    return json.dumps([as_dictionary(product) for product in session.query(Product).limit(60)])


def as_dictionary(instance):
    return {column.name: getattr(instance, column.name) for column in instance.columns}


def trim(session):
    session.execute("DELETE FROM sale WHERE id < (SELECT max(id) FROM sale) - 500")


TIMED = (place_sales, list_customers, report_sales, restock, export_catalogue)


def serve(session, chance, seconds):
    clock = truth.clock
    split = truth.Split([function.__name__ for function in TIMED])
    end = clock() + seconds
    now = clock()
    while now < end and not truth.stopping:
        for index, function in enumerate(TIMED):
            begin = clock()
            function(session, chance)
            split.spent[index] += clock() - begin
        trim(session)
        now = clock()
        split.mark(now)
    split.finish()
    return split


def parts_of(variant):
    return {function.__name__: function.__name__ for function in TIMED}


def main():
    options = truth.arguments("shop", seed=1, learn=0)
    session, chance = Session(), random.Random(options.seed)
    fill(session, chance)
    if options.learn:
        learner = truth.PairLearner()
        learner.start()
        serve(session, chance, 2.0)
        learner.finish()
        sys.exit()
    serve(session, chance, 0.1)
    truth.ready()
    truth.finish(serve(session, chance, options.seconds))


if __name__ == "__main__":
    main()
