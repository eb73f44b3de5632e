"""Words with a number, in the form that the number needs: 0, 1 or many."""


def counted(number_of: int, one: str, several: str | None = None) -> str:
    """1 image, 2,000 images, 0 people; without `several`, that is `one` with an s."""
    return f"{number_of:,} {form(number_of, one, several or one + 's')}"


def form(number_of: int, one: str, several: str) -> str:
    """The word that agrees with a number: is for 1, are for 0 and many."""
    return one if number_of == 1 else several
