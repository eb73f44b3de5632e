"""Match rates of reconstructions with members and controls, from the embeddings of evaluators.

A reconstruction matches a gallery if the evaluators agree on one of its people (`matcher.find_people`). Against
control people, who were not in the training set, the same rate tells how often that happens by chance. Beside the
rates: whom reconstructions show, one by one, and which members were found.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.metrics.intervals import (
    DIFFERENCE,
    Interval,
    combined_interval,
    enclosing,
    independent_difference,
    percentile_interval,
    rate_interval,
    resampling_weights,
)
from faceleak.metrics.matcher import Findings, Gallery, Matcher, Panel, find_people
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import FloatArray, MetricError
from faceleak.metrics.verification import IndexArray


def measure_panel(embeddings: Mapping[str, FloatArray], panel: Panel, options: BootstrapOptions) -> dict[str, Any]:
    """Measure what the independent evaluators agree on, and what each evaluator says by itself.

    embeddings: evaluator → (n, d). Returns the metrics of `measure_match` for the independent ones together; below
    `evaluators`, those of each by itself, with those of its lax matcher as `any_image_…`. Where an evaluator
    resembles the target: `resembling_gap`, its member match rate minus the mean of the single independent ones:
    how much it overstates (arXiv 2505.03519). Raises MetricError.
    """
    alone: dict[str, dict[str, float]] = {}
    for name, matcher in panel.matchers.items():
        lax = measure_match([embeddings[name]], [panel.lax[name]], options)
        alone[name] = measure_match([embeddings[name]], [matcher], options)
        alone[name] |= {f"any_image_{metric}": value for metric, value in lax.items()}
    independent = [embeddings[name] for name in panel.independent], [panel.matchers[name] for name in panel.independent]
    together = measure_match(*independent, options)
    if panel.resembling:
        together |= _resembling_gap(embeddings, panel, options).named("resembling_gap")
    return {**together, "evaluators": alone}


def measure_photographs(
    embeddings: Mapping[str, FloatArray], identities: NDArray[Any], panel: Panel, options: BootstrapOptions
) -> dict[str, float]:
    """Measure how well the independent evaluators recognize members in photographs: `photograph_match_rate`, in 0…1.

    embeddings: evaluator → (n, d), a photograph each, other ones than the gallery is made of; identities: (n,). It is
    the share in which the evaluators find the right person, among the people of the gallery, with its interval: what
    faces as good as photographs would reach. Empty if no photograph shows anybody of the gallery. If it is near
    0, that nobody is found in reconstructions says nothing.
    """
    matchers = [panel.matchers[name] for name in panel.independent]
    known = np.isin(identities, matchers[0].members.identities)
    if not known.any():
        return {}
    found = find_members([embeddings[name][known] for name in panel.independent], matchers)
    right = found.matches & (matchers[0].members.identities[found.person] == identities[known])
    people = np.unique(identities[known], return_inverse=True)[1]
    return _rate_interval(Findings(people, right), options).named("photograph_match_rate")


def _resembling_gap(embeddings: Mapping[str, FloatArray], panel: Panel, options: BootstrapOptions) -> Interval:
    def rate(names: Sequence[str]) -> FloatArray:
        found = [find_members([embeddings[name]], [panel.matchers[name]]).matches for name in names]
        rates: FloatArray = np.stack(found).astype(float).mean(axis=0)
        return rates

    names = panel.independent
    people = find_members([embeddings[name] for name in names], [panel.matchers[name] for name in names]).person
    first, second = rate(panel.resembling), rate(names)
    rates, number = np.array([first.mean(), second.mean()]), len(np.unique(people))
    if number < 2:
        return Interval(float(rates[0] - rates[1]), -1.0, 1.0)
    resampled = np.array([_resampled_means(values, people, options, 0) for values in (first, second)])
    return combined_interval(rates, resampled, DIFFERENCE, number, options.level)


def find_members(embeddings: Sequence[FloatArray], matchers: Sequence[Matcher]) -> Findings:
    """Which members the evaluators find in reconstructions, by `find_people`."""
    return find_people(
        embeddings, [matcher.members for matcher in matchers], [matcher.threshold for matcher in matchers]
    )


def find_controls(embeddings: Sequence[FloatArray], matchers: Sequence[Matcher]) -> Findings:
    """Which control people the evaluators find in reconstructions, by `find_people`."""
    return find_people(
        embeddings, [matcher.controls for matcher in matchers], [matcher.threshold for matcher in matchers]
    )


def measure_match(
    embeddings: Sequence[FloatArray], matchers: Sequence[Matcher], options: BootstrapOptions
) -> dict[str, float]:
    """Measure how many reconstructions show members, against how many show controls, who can only match by chance.

    embeddings: an evaluator's (n, d), one reconstruction each, for each of `matchers`, who have to agree
    (`find_people`).

    Returns, with `_ci_low` and `_ci_high` each:
    `member_match_rate` and `control_match_rate`, shares in 0…1 of reconstructions that match the gallery;
    `match_advantage`, their difference in −1…1;
    `unknown_member_match_rate`, the share that matches a member the attacker had no image of (a smaller gallery, so it
    compares with the same rate of other latents, not with the controls);
    and `distinct_members`, the number of different people who are the best match of a matching member reconstruction.

    Intervals resample people, and reconstructions with them: each reconstruction belongs to its nearest person, drawn
    or not drawn together with all that resemble the same person, so one face drawn fifty times counts as one
    finding. The gallery's people are not drawn themselves: a resample would hold 63 % of them, a match with the best
    of fewer people is rarer, and the interval would lie below the rate that it should enclose.
    For the difference the members are drawn, then the controls, and the deviations from the value add up; the part that
    is due to chance in the reconstructions is counted twice, so this interval is somewhat wide (cover 95 to 98 %).
    If all reconstructions have the same nearest person, one finding shows no spread: the bounds are those of the
    range. No interval is narrower than as many nearest people can show it (`rate_interval`), nor that of the difference
    than both rates' together (Newcombe, Stat. Med. 17, 1998, method 10): 0 of 32 is not certainty. With fewer than
    about ten nearest people intervals are too narrow.

    Raises MetricError if the galleries differ in size or share people, every member is known, no known member is
    in the gallery, or an embedding has no direction.
    """
    unknown = [_check_galleries(matcher) for matcher in matchers]
    thresholds = [matcher.threshold for matcher in matchers]
    member, control = find_members(embeddings, matchers), find_controls(embeddings, matchers)
    unknown_member = find_people(embeddings, unknown, thresholds)
    intervals = {
        "member_match_rate": _rate_interval(member, options),
        "control_match_rate": _rate_interval(control, options),
        "match_advantage": _difference_interval(member, control, options),
        "unknown_member_match_rate": _rate_interval(unknown_member, options),
    }
    result = {key: value for name, interval in intervals.items() for key, value in interval.named(name).items()}
    return result | {"distinct_members": len(np.unique(member.person[member.matches]))}


def _rate_interval(found: Findings, options: BootstrapOptions) -> Interval:
    rate, number = float(found.matches.mean()), len(np.unique(found.person))
    if number < 2:
        return Interval(rate, 0.0, 1.0)
    return rate_interval(rate, _resampled_means(found.matches, found.person, options, 0), number, options.level)


def _difference_interval(member: Findings, control: Findings, options: BootstrapOptions) -> Interval:
    differences = member.matches.astype(float) - control.matches
    value = float(differences.mean())
    if min(len(np.unique(found.person)) for found in (member, control)) < 2:
        return Interval(value, -1.0, 1.0)
    by_member = _resampled_means(differences, member.person, options, 0)
    by_control = _resampled_means(differences, control.person, options, 1)
    resampled = percentile_interval(value, np.clip(by_member + by_control - value, -1, 1), options.level)
    return enclosing(
        resampled, independent_difference(_rate_interval(member, options), _rate_interval(control, options))
    )


def _resampled_means(values: NDArray[Any], people: IndexArray, options: BootstrapOptions, stream: int) -> FloatArray:
    """Means (resamples,) of values (n,) over people drawn with replacement; streams are independent draws."""
    seed = int(np.random.SeedSequence([options.seed, stream]).generate_state(1)[0])
    weights = resampling_weights(people, np.ones(len(people), bool), options.resamples, seed)
    means: FloatArray = weights @ values.astype(float) / weights.sum(axis=1)
    return means


def _check_galleries(matcher: Matcher) -> Gallery:
    """Return the unknown members, once the galleries are found fit to be compared."""
    members, controls, known_members = matcher.members, matcher.controls, matcher.known_members
    if len(members) != len(controls):
        raise MetricError(
            f"The galleries hold {len(members)} members and {len(controls)} controls, but a larger gallery is matched "
            "more often by chance, so the rates do not compare. Sample both to the same number of people."
        )
    if shared := len(members) - len(members.without(controls.identities.tolist())):
        raise MetricError(
            f"{shared} of {len(controls)} controls are members, so a match with them proves nothing. "
            "Take controls who were not in the training set."
        )
    unknown_members = members.without(known_members)
    if len(unknown_members) == 0:
        raise MetricError(
            f"The attacker had images of all {len(members)} members, so nothing shows what the target alone "
            "gives away. Leave some members out of the attacker's knowledge."
        )
    if len(known_members) and len(unknown_members) == len(members):
        raise MetricError(
            f"None of the {len(known_members)} known members is in the gallery: their identities may be written in "
            "another type or spelling, and known people would count as unknown. Take both from the same splits."
        )
    return unknown_members


SIMILARITY = "member_similarity."


def findings_table(embeddings: Mapping[str, FloatArray], panel: Panel) -> pd.DataFrame:
    """Whom each reconstruction resembles most by the independent evaluators together: a row for each of n.

    embeddings: evaluator → (n, d). Columns: member_identity, matches_member, known (whether the attacker had images of
    that member), control_identity, matches_control, and for each evaluator the cosine to that member and that control,
    `member_similarity.<evaluator>` and `control_similarity.<evaluator>`.
    """
    names = panel.independent
    matchers, of_matchers = [panel.matchers[name] for name in names], [embeddings[name] for name in names]
    member, control = find_members(of_matchers, matchers), find_controls(of_matchers, matchers)
    member_identity = matchers[0].members.identities[member.person]
    table = pd.DataFrame(
        {
            "member_identity": member_identity,
            "matches_member": member.matches,
            "known": [identity in matchers[0].known_members for identity in member_identity],
            "control_identity": matchers[0].controls.identities[control.person],
            "matches_control": control.matches,
        }
    )
    for name, matcher in panel.matchers.items():
        table[f"{SIMILARITY}{name}"] = _cosines(embeddings[name], matcher.members, member)
        table[f"control_similarity.{name}"] = _cosines(embeddings[name], matcher.controls, control)
    return table


def _cosines(embeddings: FloatArray, gallery: Gallery, found: Findings) -> FloatArray:
    return np.take_along_axis(gallery.similarities(embeddings), found.person[:, None], axis=1)[:, 0]


def hit_list(findings: pd.DataFrame) -> pd.DataFrame:
    """Which members were found: a row for each evaluation, step and member, most often found first.

    findings: evaluation, step and the columns of `findings_table`. Columns: evaluation, step, identity, known,
    reconstructions (how many match this member), and the best cosine among them for each evaluator.
    """
    keys = ["evaluation", "step", "member_identity"]
    grouped = findings[findings["matches_member"]].groupby(keys, sort=False)
    best = [str(column) for column in findings.columns if str(column).startswith(SIMILARITY)]
    hits = grouped.agg(known=("known", "first"), reconstructions=("known", "size")).join(grouped[best].max())
    names = {"member_identity": "identity"} | {column: column.replace("member", "best", 1) for column in best}
    hits = hits.reset_index().rename(columns=names)
    order = ["evaluation", "step", "reconstructions", "identity"]
    return hits.sort_values(order, ascending=[True, True, False, True], ignore_index=True)
