"""A small shop: an ORM-like layer over sqlite3, a view that lists orders, and its serializers."""
