"""A small catalog of products and what people wrote about them, in SQLite."""
