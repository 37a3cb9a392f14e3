"""Amounts of money and time in words."""


def money(amount: float, unit: str) -> str:
    """An amount in the budget's unit: $1.20, $0.0042, 3.4 minutes."""
    if unit != "$":
        return f"{amount:,.3g} {unit}"
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= 1 else f"${amount:.2g}"
