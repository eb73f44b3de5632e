"""Whether this process works on tasks for another one."""

_working = False


def is_worker() -> bool:
    """Whether this process works on tasks for another one: tasks of a task then run here."""
    return _working


def become_worker() -> None:
    """Remember that this process works on tasks for another one."""
    global _working  # noqa: PLW0603  one per process, set once when its first task comes
    _working = True
