"""A small shop in SQLAlchemy: its tables, a view that lists orders, and its serializers."""
