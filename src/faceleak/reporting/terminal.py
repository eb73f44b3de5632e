"""Results on the terminal: tables of at most 100 columns."""

from collections.abc import Sequence
from io import StringIO
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from faceleak.membership.attackers import suffix_of
from faceleak.metrics.identity_level import SETTINGS
from faceleak.metrics.membership import POPULATIONS
from faceleak.metrics.roc import non_members_needed
from faceleak.reporting.formats import (
    ACCESSES,
    ENDS,
    NARROW,
    PERSONS,
    TEMPLATES,
    TPR,
    interval_text,
    narrow,
    number_text,
)
from faceleak.reporting.privacy_points import ATTACKERS, COMPARED, by_access, checked, compare_variants
from faceleak.reporting.results import Membership, Metrics, Tree, Variant
from faceleak.reporting.style import words
from faceleak.reporting.validation import count_roles
from faceleak.reporting.verdict import ASR_ASSUMES, UPPER_BOUND_NOTE, is_blind, read_ceiling

WIDTH = 100  # of what is shown where no terminal says how wide it is
NAME_WIDTH = 40
VARIANT_WIDTH, BYPASS_WIDTH = 20, 15  # where rows have many columns
VERDICT_STYLES = {"leaks": "bold red", "cannot conclude": "bold yellow", "no evidence": "bold"}
UTILITY = ("verification_auc", "tar_at_far_0.1pct", "lfw_accuracy")
ATTACK = ("auc", "asr", TPR, "advantage_over_blind")
STEP = (
    *("member_match_rate", "control_match_rate", "match_advantage", "distinct_members", "unknown_member_match_rate"),
    *("kid_to_members", "kid_to_controls"),
)
WITH_INTERVAL = ("auc", "match_advantage")  # there is no room for all
KINDS = ("members", "non_members")
WHOSE_PHOTOS = {
    "members": "members, training photos",
    "members_other_images": "members, other images",
    "non_members": "non-members, other images",
    "member_excess": "members less non-members",
}
GIGABYTE, MEGABYTE = 1e9, 1e6
SCOPES = {"attack": "kedro run --pipelines=attack", "audit": "kedro run (the whole audit)"}


def as_text(tables: Sequence[Table]) -> str:
    """The tables as plain text of at most `WIDTH` columns, with an empty line between them."""
    console = Console(file=StringIO(), width=WIDTH, highlight=False, color_system=None)
    with console.capture() as captured:
        for number, table in enumerate(tables):
            console.print(*[""] * (number > 0), table, sep="\n")
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def empty_table(title: str, name: str, *columns: str) -> Table:
    """An empty table, whose first column holds names and the others numbers."""
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        caption_style="",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(name, overflow="fold", max_width=NAME_WIDTH)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def roles_table(splits: pd.DataFrame) -> Table:
    """People and images of each role, and who decided it; errors as for `count_roles`."""
    table = empty_table("Faces", "role", "people", "images", "known to the\nattacker", "who decided it")
    for role, people, images, known, decider in count_roles(splits).itertuples(index=False):
        table.add_row(Text(str(role)), *(f"{int(number):,}" for number in (people, images, known)), Text(decider))
    return table


def headline_tables(variants: Sequence[Variant]) -> list[Table]:
    """Utility, then each variant's attacks of both stages.

    Below a variant's membership metrics stands one line a population that says what they mean.
    """
    tables = [_utility_table(variants)] if any(variant.utilities for variant in variants) else []
    for variant in variants:
        if variant.membership.tree:
            tables.append(_membership_table(variant))
        if variant.upper_bound.tree:
            tables.append(_upper_bound_table(variant))
    for variant in variants:
        tables += [_steps_table(variant, attack, steps) for attack, steps in variant.reconstruction.items()]
    return tables


def _utility_table(variants: Sequence[Variant]) -> Table:
    named = {
        f"{variant.name}{words(stage.removeprefix('utility'))}": measured
        for variant in variants
        for stage, measured in variant.utilities.items()
    }
    metrics = [metric for metric in UTILITY if any(metric in measured for measured in named.values())]
    columns = (NARROW[metric] for metric in metrics)
    table = empty_table("Utility on people the target never saw", "variant", *columns)
    for name, measured in named.items():
        table.add_row(Text(name), *(interval_text(measured, metric) for metric in metrics))
    return table


def _attacks_table(title: str) -> Table:
    return empty_table(title, "non-members, attack", *(NARROW[metric] for metric in ATTACK))


def _add_attacks(table: Table, membership: Membership) -> None:
    for population in POPULATIONS:
        if measured := membership.against(population):
            table.add_row(Text(population, "bold"))
        for attack, numbers in measured.items():
            table.add_row(Text(f"  {attack}", "dim" if is_blind(attack) else ""), *_cells(numbers, ATTACK))


def _cells(numbers: Metrics, metrics: Sequence[str]) -> list[str]:
    return [(interval_text if metric in WITH_INTERVAL else number_text)(numbers, metric) for metric in metrics]


def _upper_bound_table(variant: Variant) -> Table:
    table = _attacks_table(f"Upper bound, with the classification head in hand: {variant.name}")
    _add_attacks(table, variant.upper_bound)
    table.caption = UPPER_BOUND_NOTE
    return table


def _membership_table(variant: Variant) -> Table:
    table = _attacks_table(f"Membership inference: {variant.name}")
    _add_attacks(table, variant.membership)
    lines = []
    for population in (*POPULATIONS, *SETTINGS):
        if variant.membership.against(population):
            verdict, reason = variant.membership.reading(population)
            lines.append(Text.assemble(f"{population}: ", (verdict, VERDICT_STYLES[verdict]), f": {reason}."))
    lines.append(Text(ASR_ASSUMES))
    if missing := _not_measurable(variant.membership):
        lines.append(Text(missing))
    table.caption = Text("\n").join(lines)
    return table


def _not_measurable(membership: Membership) -> str:
    """Why a TPR is missing, in words; empty if none is."""
    few = [
        numbers["non_members"]
        for population in POPULATIONS
        for numbers in membership.against(population).values()
        if TPR in numbers and numbers[TPR] is None
    ]
    if not few:
        return ""
    return (
        f"{narrow(TPR)}: not measurable with {min(few):,.0f} non-members, {non_members_needed(0.01):.0f} are needed; "
        "tpr_at_lowest_fpr says what so many can show."
    )


def _steps_table(variant: Variant, attack: str, steps: Tree) -> Table:
    title = f"Reconstruction: {variant.name}, {attack}"
    table = empty_table(title, "step", *(NARROW[metric] for metric in STEP))
    for step, numbers in steps.items():
        table.add_row(Text(step), *_cells(numbers, STEP))
    lines = [_ranks_line(step, numbers) for step, numbers in steps.items() if "median_rank" in numbers]
    undrawable = read_ceiling(steps)
    table.caption = Text("\n").join([*map(Text, lines), *([Text(f"{undrawable}.")] if undrawable else [])])
    return table


def _ranks_line(step: str, numbers: Metrics) -> str:
    median, low, high = (f"{numbers[f'median_rank{end}']:.3g}" for end in ENDS)
    return (
        f"{step}: the right person is at rank {median} [{low}, {high}] of {numbers['people_ranked']:,.0f}, "
        f"among the first ten in {number_text(numbers, 'cmc_at_10')}"
    )


def defense_tables(points: pd.DataFrame, variants: Sequence[Variant]) -> list[Table]:
    """Make one table an access, with AUC ± half the width of its interval, then one of reconstruction's advantage.

    points: as `privacy_points.collect` gives them; of the variants the reconstruction is shown. Raises ReportingError
    as `privacy_points.checked` does.
    """
    tables = [_access_table(access, rows) for access, rows in by_access(checked(points))]
    return [*tables, *_searches_tables(variants)]


def _access_table(access: str, points: pd.DataFrame) -> Table:
    columns = ("utility", "static\nAUC", "refitted\nAUC", "adaptive\nAUC", "bypassed by", "false\nsense", "TPR\n@1 %")
    table = empty_table(f"Defenses against an attacker with {ACCESSES[access]}", "variant", *columns)
    table.caption = Text("false sense of security: AUC adaptive − static; TPR@1 %: the highest of any attacker")
    table.columns[0].max_width = VARIANT_WIDTH
    bypass = table.columns[COMPARED.index("bypassed by")]
    bypass.no_wrap, bypass.overflow, bypass.max_width, bypass.justify = False, "fold", BYPASS_WIDTH, "left"
    for row in compare_variants(points, _with_half_width).to_dict("records"):
        table.add_row(*(Text(str(row[column])) for column in COMPARED))
    return table


def _with_half_width(metrics: Metrics, metric: str) -> str:
    value, low, high = (metrics.get(f"{metric}{end}", float("nan")) for end in ENDS)
    if metric == TPR or pd.isna(low) or pd.isna(high):
        return number_text(metrics, metric)
    return f"{value:.3f} ±{(high - low) / 2:.2f}".replace("±0.", "±.")


def _searches_tables(variants: Sequence[Variant]) -> list[Table]:
    columns = [f"{attacker}\nattacker" for attacker in ATTACKERS]
    table = empty_table("Reconstruction, optimized: match advantage over controls", "variant", *columns)
    for variant in variants:
        cells = (number_text(_search_by(attacker, variant), "match_advantage") for attacker in ATTACKERS)
        table.add_row(Text(variant.name), *cells)
    return [table] if any(variant.reconstruction for variant in variants) else []


def _search_by(attacker: str, variant: Variant) -> Metrics:
    found = [numbers for name, numbers in variant.optimized.items() if name.endswith(suffix_of(attacker))]
    return found[-1] if found else {}


def tuning_table(measured: Tree) -> Table:
    """The default and the tuned attack, or search (see `tuning.fresh_figure`), and one line that reads it."""
    from faceleak.reporting.tuning import AUC, contenders, quantity_of, tuning_reading

    quantity = quantity_of(measured)
    columns = (f"{quantity.heading} on own data", f"{quantity.heading} on fresh people", "gap")
    table = empty_table("Tuning: before and after", "attack" if quantity is AUC else "search", *columns)
    for name in contenders(measured):
        values = measured[name]
        cells = (interval_text(values, quantity.fresh_metric), interval_text(values, "gap"))
        table.add_row(Text(name), f"{values[quantity.own_metric]:.3f}", *cells)
    table.caption = Text(tuning_reading(measured))
    return table


def targeted_tables(targeted: Tree | None, person_image: Tree | None) -> list[Table]:
    """What an embedding, and an image, of a person gives away in one target, as far as it was measured."""
    tables = []
    if targeted is not None:
        tables.append(_templates_table(targeted))
    if person_image is not None:
        tables.append(_person_table(person_image))
    return tables


def _templates_table(targeted: Tree) -> Table:
    columns = [f"{kind},\n{image} image" for image in ("this", "another") for kind in KINDS]
    table = empty_table(TEMPLATES, "method", *columns)
    for method, kinds in targeted.items():
        cells = [interval_text(kinds[kind], f"type_{number}_success_rate") for number in (1, 2) for kind in KINDS]
        table.add_row(words(method), *cells)
    table.caption = "It says what an embedding gives away, not who was trained on: it works for non-members as well."
    return table


def _person_table(person_image: Tree) -> Table:
    methods = {method: whose for method, whose in person_image.items() if method not in ("verdict", "start")}
    table = empty_table(PERSONS, "whose photos", *map(words, methods))
    for name, compared in WHOSE_PHOTOS.items():
        table.add_row(compared, *(interval_text(whose[name], "match_rate") for whose in methods.values()))
    told = [f"{words(what)} {interval_text(found, 'auc')}" for what, found in person_image["verdict"].items()]
    table.caption = (
        f"AUC of telling members from non-members, by the score of what the method ends with: {', '.join(told)}."
    )
    return table


def plan_table(plan: dict[str, Any]) -> Table:
    """A row a kind of tasks, and one each for what the attack and the whole audit take."""
    workers = plan["machine"]["workers"]
    table = Table(title=f"What is still to be done, by {workers} workers", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("pipeline", "tasks of", "tasks", "there", "time", "of all cores", "disk", "memory"):
        table.add_column(name, justify="left" if name in ("pipeline", "tasks of") else "right")
    for line in plan["lines"]:
        there = f"{line['there']:,}" if line["kept"] else "anew"
        table.add_row(line["pipeline"], line["kind"], f"{line['tasks']:,}", there, *_amounts(line))
    table.add_section()
    for scope, total in plan["totals"].items():
        table.add_row("in all", SCOPES[scope], "", "", *_amounts(total), style="bold")
    return table


def rate_lines(plan: dict[str, Any]) -> list[str]:
    """Where times come from: each rate, measured or assumed."""
    found = []
    for who, rates in plan["rates"].items():
        for name, rate in rates.items():
            if rate["needed"]:
                found.append(f"  {name} ({who}): {1 / rate['seconds']:,.4g} a second; {rate['how']}")
    load = plan["machine"]["load"]
    return [f"Rates, at a load of {load:.1f}:", *found]


def _amounts(line: dict[str, Any]) -> tuple[str, str, str, str]:
    return duration(line["seconds"]), duration(line["cpu_seconds"]), size(line["disk"]), size(line["memory"])


def duration(seconds: float) -> str:
    """Seconds, minutes, hours or days, whichever reads well."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


def size(number: float) -> str:
    """Bytes as MB or GB."""
    return f"{number / GIGABYTE:,.1f} GB" if number >= GIGABYTE else f"{number / MEGABYTE:,.0f} MB"


def erasure_table(tree: Tree) -> Table:
    """What every method of erasure left behind, by the attacker who decides, and one line a method that says so."""
    from faceleak.reporting.erasure import COST_OF_GOLD, read_erasure

    table = empty_table(
        "Erasure: people still found at 5 %", "method", "still found", "who stays", "over gold", "utility", "time"
    )
    methods = read_erasure(tree)
    for one in methods:
        found = interval_text(one.numbers, "still_found")
        stays, over = interval_text(one.numbers, "stays_found"), number_text(one.numbers, "still_found_over_gold")
        change = number_text(one.numbers, "verification_auc_change", "+.3f")
        table.add_row(words(one.method), found, stays, over, change, number_text(one.numbers, COST_OF_GOLD, ".2f"))
    table.caption = Text("\n".join(one.sentence for one in methods))
    return table
