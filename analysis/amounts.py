"""Amounts as a reader expects them."""

from __future__ import annotations


def money(amount: float, unit: str) -> str:
    """An amount in the budget's unit: $1.20, 3.4 minutes."""
    return f"${amount:,.2f}" if unit == "$" else f"{amount:,.3g} {unit}"
