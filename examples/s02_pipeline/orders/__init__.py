"""A pipeline for orders: check, enrich, add up."""
