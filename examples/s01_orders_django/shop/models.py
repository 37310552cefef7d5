"""The tables of the shop. They were there before Django, and nobody declared an index."""

from __future__ import annotations

from django.db import models


class Customer(models.Model):
    """Who buys."""

    id = models.IntegerField(primary_key=True)
    name = models.TextField()
    city = models.TextField()

    class Meta:
        managed = False


class Order(models.Model):
    """What was bought, and by whom. Amounts are in cents."""

    id = models.IntegerField(primary_key=True)
    number = models.TextField()
    placed = models.DateField()
    total = models.IntegerField()
    customer = models.ForeignKey(Customer, on_delete=models.DO_NOTHING)

    class Meta:
        managed = False
