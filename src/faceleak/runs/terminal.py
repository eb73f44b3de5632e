"""Messages and tables of a run on the terminal."""

from typing import Any

from rich.console import Console

WIDTH = 100

_console = Console(highlight=False)
if not _console.is_terminal:
    _console = Console(highlight=False, width=WIDTH)


def show(line: str) -> None:
    """Print one line."""
    _console.print(line, markup=False, soft_wrap=True)


def show_faces(splits: Any, validation: dict[str, Any]) -> None:
    """Print the roles, who decided them, and whether the faces are fit for an audit."""
    from faceleak.reporting.terminal import roles_table
    from faceleak.reporting.validation import how_images_were_checked, verdict

    _console.print()
    _console.print(roles_table(splits))
    show(f"{verdict(validation)} {how_images_were_checked(validation)}")


def show_results(variants: list[Any]) -> None:
    """Print the short tables of one target: utility, membership, reconstruction."""
    from faceleak.reporting.terminal import headline_tables

    for table in headline_tables(variants):
        _console.print()
        _console.print(table)


def show_readiness(what: str, utility: dict[str, Any], faults: list[str]) -> None:
    """Print whether all is as it should be, or what is not. what: is judged, with its verb."""
    from faceleak.reporting.formats import interval_text

    _console.print()
    if not faults:
        auc = interval_text(utility, "verification_auc")
        show(f"{what} as they should be: verification AUC {auc} on people the target never saw.")
        return
    show(f"{what} NOT as they should be:")
    for fault in faults:
        show(f"- {fault}")


def show_defenses(points: Any, variants: list[Any], recommendation: str) -> None:
    """Print one row a variant, what it costs and what each attacker still gets, and what follows from it."""
    from rich.markdown import Markdown

    from faceleak.reporting.terminal import defense_tables

    for table in defense_tables(points, variants):
        _console.print()
        _console.print(table)
    _console.print()
    _console.print(Markdown(recommendation))


def show_gate(judged: list[dict[str, Any]]) -> None:
    """Print one line a policy."""
    from faceleak.reporting.gate import gate_lines

    for line in gate_lines(judged):
        show(line)


def show_tuning(metrics: dict[str, dict[str, Any]]) -> None:
    """Print the default and the tuned attack, or search, side by side."""
    from faceleak.reporting.terminal import tuning_table

    for variant in metrics.values():
        for measured in variant.values():
            _console.print()
            _console.print(tuning_table(measured))


def show_targeted(targeted: dict[str, Any] | None, person_image: dict[str, Any] | None) -> None:
    """Print what an embedding and what an image gives away, variant by variant, as far as a run has measured it."""
    from faceleak.reporting.terminal import targeted_tables

    first, second = targeted or {}, person_image or {}
    for variant in dict.fromkeys([*first, *second]):
        found = first.get(variant, {}).get("targeted"), second.get(variant, {}).get("person_image")
        for table in targeted_tables(*found):
            _console.print()
            _console.print(table)


def show_erasure(metrics: dict[str, dict[str, Any]]) -> None:
    """Print what each method of erasure left behind."""
    from faceleak.reporting.terminal import erasure_table

    for variant in metrics.values():
        _console.print()
        _console.print(erasure_table(variant["erasure"]))


def show_plan(plan: dict[str, Any]) -> None:
    """Print what an audit will take, kind by kind, and what the machine lacks for it."""
    from faceleak.reporting.terminal import plan_table, rate_lines

    _console.print()
    _console.print(plan_table(plan))
    for line in (*rate_lines(plan), *(f"WARNING: {warning}" for warning in plan["warnings"])):
        show(line)
