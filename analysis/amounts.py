"""Amounts of money and time, and probabilities, in words."""


def money(amount: float, unit: str) -> str:
    """An amount in the budget's unit: $1.20, $0.0042, 3.4 minutes."""
    if unit != "$":
        return f"{amount:,.3g} {unit}"
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= 1 else f"${amount:.2g}"


def chance(probability: float) -> str:
    """A probability in percent; draws cannot tell one beyond 99.9 % from certainty. nan: none is given."""
    if probability != probability:
        return "-"
    return "> 99.9%" if probability > 0.999 else f"{probability:.1%}"


def minutes(seconds: float) -> str:
    """A time in the unit that a reader thinks in: 40 s, 12 minutes, 3.5 hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.1f} hours"
