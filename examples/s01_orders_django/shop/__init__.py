"""A small shop in Django: its tables, a view that lists orders, and its serializers."""
