"""Measurements of what is not a network's work: drawing faces, validating, fitting, measuring."""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from faceleak.faces.options import DemoOptions
from faceleak.membership.evidence import Evidence
from faceleak.membership.options import AttackOptions
from faceleak.planning.configured import Audit
from faceleak.planning.networks import Network
from faceleak.planning.rates import Rate, Timing, memory_so_far, rate_of, timed
from faceleak.planning.sample import drawing_sample
from faceleak.planning.working import Sample
from faceleak.signals.columns import column_name

ROWS = (400, 1200)
ANCHORS = 5000
RESAMPLES = 100
A_NODE = 0.35  # seconds: writing a table, logging to MLflow, a figure now and then
A_START = 4.0  # seconds: of the program, which `benchmarks.startup` keeps to, and of Great Expectations
Measurement = Callable[[], Rate]


def measurements_here(audit: Audit, sample: Sample) -> dict[str, Measurement]:
    """Quantity → how it is measured."""
    fits, blind = audit.membership.attacks.items(), audit.membership.blind
    read_blind = AttackOptions(signals=[*blind.signals, *blind.reference_signals] or ["pixel_statistics"])
    return {
        "drawing faces": partial(measure_drawing, audit.faces.demo),
        "packing faces": partial(measure_packing, sample),
        "validating faces": partial(measure_validation, sample),
        "comparing": partial(measure_comparing, audit),
        "verifying": partial(measure_verifying, audit),
        "measuring": partial(measure_judging, audit),
        "fitting blind": partial(measure_fitting, audit, read_blind, audit.of_references),
        **{f"fitting {name}": partial(measure_fitting, audit, options, audit.of_target) for name, options in fits},
        "a node": lambda: Rate(A_NODE, A_NODE, 0.0, memory_so_far(), "assumed: mean of the demo's small nodes"),
        "a start": lambda: Rate(A_START, A_START, 0.0, memory_so_far(), "assumed: imports of Kedro and MLflow"),
    }


def measure_drawing(options: DemoOptions | None) -> Rate:
    """Seconds an image that drawing the demo's people takes."""
    assert options is not None
    drawing_sample(options, range(1))
    few, many = (
        timed(number * options.images_per_person, partial(drawing_sample, options, range(number))) for number in (1, 3)
    )
    return rate_of(few, many, f"drawing {few.units:,.0f} and {many.units:,.0f} images")


def measure_packing(sample: Sample) -> Rate:
    """Seconds an image that decoding, checking and hashing take."""
    from faceleak.faces.images import read_as_jpeg

    jpegs = [sample.store.jpeg(row) for row in range(min(len(sample.store), len(sample.images)))]

    def pack(some: list[bytes]) -> None:
        for jpeg in some:
            hashlib.sha256(read_as_jpeg(jpeg, "calibration")[0]).hexdigest()

    quarter = len(jpegs) // 4
    few, many = timed(quarter, partial(pack, jpegs[:quarter])), timed(len(jpegs), partial(pack, jpegs))
    return rate_of(few, many, f"decoding {many.units:,.0f} images")


def measure_validation(sample: Sample) -> Rate:
    """Seconds an image that hashing and decoding it for validation takes."""
    rows = range(min(len(sample.store), len(sample.images)))
    done = timed(len(rows), lambda: [hashlib.sha256(sample.store.jpeg(row)).digest() for row in rows])
    return Rate(done.seconds / done.units, done.cpu_seconds / done.units, 0.0, memory_so_far(), "measured: hashing")


def _embeddings(rows: int, width: int) -> "np.ndarray":
    vectors = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def measure_comparing(audit: Audit) -> Rate:
    """Seconds an image that comparing embeddings takes, beside as many anchors as there will be, 5,000 at most."""
    from faceleak.signals import Comparison, registry
    from faceleak.signals.gathering import Gathering

    signals = [registry.get(name) for name in audit.membership.signals()]
    compared = [signal for signal in signals if isinstance(signal, Comparison) and signal.access != "head"]
    width, anchors = audit.of_target.card.embedding_size, min(ANCHORS, max(1, audit.counts.images("public")))
    strangers = _embeddings(anchors, width)

    def compare(rows: int) -> Timing:
        gathering = Gathering(_embeddings(rows, width), np.arange(rows) // 10, strangers)
        return timed(2 * rows, lambda: [signal.compare(gathering) for signal in compared for _ in range(2)])

    few, many = compare(ROWS[0]), compare(ROWS[1])
    return rate_of(few, many, f"comparing {ROWS[1]:,} embeddings with {anchors:,} anchors")


def measure_fitting(audit: Audit, options: AttackOptions, network: Network) -> Rate:
    """Seconds a row that fitting an attack on a network takes, on numbers that hang together as BN statistics do."""
    from faceleak.membership.attacks import fit_attack

    references = audit.membership.references.count if options.calibration else 0

    def fit(rows: int) -> Timing:
        evidence = _evidence(network, options, rows, references)
        return timed(rows, lambda: fit_attack([evidence], options))

    fit(ROWS[0])
    few, many = fit(ROWS[0]), fit(ROWS[1])
    return rate_of(few, many, f"fitting on {ROWS[0]:,} and {ROWS[1]:,} rows of random numbers")


def _evidence(network: Network, options: AttackOptions, rows: int, references: int) -> Evidence:
    random = np.random.default_rng(0)
    named = network.columns(sorted(options.signals_read()))
    columns = [column_name(signal, column) for signal, of_signal in named.items() for column in of_signal]
    identity = np.arange(rows) // 10
    is_member = identity % 2 == 0
    hidden, mixing = random.normal(size=(rows, 10)), random.normal(size=(10, len(columns)))

    def table(shift: float) -> pd.DataFrame:
        numbers = hidden @ mixing + random.normal(size=(rows, len(columns))) - shift * is_member[:, None]
        return pd.DataFrame(numbers.astype(np.float32), columns=columns)

    images = pd.DataFrame({"image_id": np.arange(rows).astype(str), "identity": identity, "is_member": is_member})
    others = [table(0.0) for _ in range(references)]
    return Evidence(images, table(0.5), others, np.ones((rows, references), bool))


def measure_verifying(audit: Audit) -> Rate:
    """Seconds that the utility of a backbone takes with its interval, by a tenth of the resamples."""
    from faceleak.metrics import verification

    people = max(2, min(audit.counts.people("unseen_identity"), ANCHORS))
    images = max(2 * people, min(audit.counts.images("unseen_identity"), ANCHORS))
    identities = np.arange(images) % people
    bootstrap = audit.bootstrap.model_copy(update={"resamples": RESAMPLES})
    first, second = verification.sample_pairs(identities, audit.target.utility.maximum_pairs, 0)
    same = identities[first] == identities[second]
    similarity = np.random.default_rng(0).normal(size=len(first)) + same
    done = timed(
        RESAMPLES / audit.bootstrap.resamples,
        lambda: verification.verification_auc_interval(
            same, similarity, identities[first], identities[second], bootstrap
        ),
    )
    how = f"measured: {len(first):,} pairs, {RESAMPLES} resamples"
    return Rate(done.seconds / done.units, done.cpu_seconds / done.units, 0.0, memory_so_far(), how)


def measure_judging(audit: Audit) -> Rate:
    """Seconds an image and resample that measuring an attack takes, for images and for people."""
    from faceleak.metrics.epsilon import clopper_pearson_epsilon
    from faceleak.metrics.identity_level import measure_identities
    from faceleak.metrics.membership import measure_membership

    bootstrap = audit.bootstrap

    def judge(people: int) -> Timing:
        scores = _scores(people)
        unseen = scores[scores["population"] != "same_identity"]

        def measure() -> None:
            measure_membership(scores, scores, bootstrap)
            measure_identities(scores, scores, audit.membership.aggregation, bootstrap)
            clopper_pearson_epsilon(
                unseen["score"].to_numpy(float),
                unseen["is_member"].to_numpy(bool),
                identities=unseen["identity"].to_numpy(),
            )

        return timed(len(scores) * bootstrap.resamples, measure)

    judge(30)
    few, many = judge(30), judge(150)
    return rate_of(few, many, f"measuring scores of 300 and 1,500 images, {bootstrap.resamples:,} resamples")


def _scores(people: int) -> pd.DataFrame:
    """Scores of ten images of each person: five of every other person were trained on, the rest were not."""
    random, rows = np.random.default_rng(0), 10 * people
    identity, number = np.arange(rows) // 10, np.arange(rows) % 10
    is_member = (identity % 2 == 0) & (number < 5)
    population = np.where(is_member, "member", np.where(identity % 2 == 0, "same_identity", "unseen_identity"))
    score = random.normal(size=rows) + is_member
    return pd.DataFrame(
        {
            "image_id": np.arange(rows).astype(str),
            "identity": identity.astype(str),
            "population": population,
            "is_member": is_member,
            "score": score,
            "says_member": score > 0.5,
            "other_images_score": np.where(is_member, np.nan, score),
            "other_images_says_member": score > 0.5,
        }
    )
