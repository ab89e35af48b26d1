"""How numbers are said in a sentence."""


def plural(count: float, thing: str) -> str:
    """Return a number with what it counts: '1 record', '2,000 records', '1.5 minutes'.

    Parameters
    ----------
    count : int or float
        How many.
    thing : str
        What one of them is called; an s is added for any other number.
    """
    shown = f"{count:g}" if isinstance(count, float) else f"{count:,}"
    return f"{shown} {thing}{'' if count == 1 else 's'}"
