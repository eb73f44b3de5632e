"""Quantities that take time in an audit, and their measurement: a little of each, at two sizes if it has a start."""

import hashlib
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
import pandas as pd

from faceleak.backbones.architectures import ONNX
from faceleak.backbones.training_options import TrainingOptions
from faceleak.common.options import Aggregation
from faceleak.faces.options import DemoOptions
from faceleak.membership.options import AttackOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.networks import Network, columns, seconds_an_image
from faceleak.planning.rates import Rate, Timing, mean_rate, memory_so_far, rate_of, timed
from faceleak.planning.sample import Sample
from faceleak.planning.work import Quantity
from faceleak.reconstruction.options import ReconstructionOptions

BATCHES = (1, 5)  # of a training, after which a line is drawn
TRIED = 4  # images that say whether whole batches are affordable
READ = 12  # images that are read at least
STEPS = 3  # of a search
SHARE_OF_READING = 4  # the smaller reading is this part of the larger one
RANKED, LEARNT = 4, 32  # faces of a search, and images that its attack is fitted on, at least
ROWS = (400, 1200)
ANCHORS = 5000
RESAMPLES = 100


def _assumed(seconds: float, why: str, sample: Sample) -> Rate:  # noqa: ARG001
    return Rate(seconds, seconds, 0.0, memory_so_far(), f"assumed: {why}")


A_NODE = Quantity("a node", partial(_assumed, 0.35, "mean of the demo's small nodes"))  # a table, a figure, MLflow
A_START = Quantity("a start", partial(_assumed, 4.0, "imports of Kedro and MLflow"))  # and of Great Expectations


def training(options: TrainingOptions) -> Quantity:
    """Images that training steps see: trainings of a few batches."""
    return Quantity(f"training {Network.of(options, None).name}", partial(_train, options))


def training_on(network: Network) -> Quantity:
    """The same for training that continues a network: an attacker, or an owner who has not trained it.

    A network that an ONNX file describes is trained no further, so it is only read.
    """
    card = network.card
    if not card.architecture or card.architecture == ONNX:
        return reading(network)
    own = card.model_dump(include={"architecture", "embedding_size", "normalization"})
    return training(TrainingOptions.model_validate({**own, "image_size": card.preprocessing.image_size, "epochs": 1}))


def _train(options: TrainingOptions, sample: Sample) -> Rate:
    from faceleak.backbones.training import TrainingTask, train

    one_epoch, turn = options.model_copy(update={"epochs": 1}), sample.images.groupby("identity").cumcount()
    in_turn = sample.images.iloc[turn.argsort(kind="stable")]  # so that few images show several people

    def trained(batches: int, size: int = options.batch_size) -> Timing:
        number = batches * size
        images = pd.concat([in_turn] * -(-number // len(in_turn)), ignore_index=True).head(number)
        cache = sample.compute.cache / f"training_{next(numbers)}"
        few_at_once = one_epoch.model_copy(update={"batch_size": size})
        task = TrainingTask("calibration", sample.store, images, few_at_once, sample.compute, cache)
        return timed(number, lambda: train(task))

    numbers, tried = count(), min(TRIED, options.batch_size)
    first = trained(1, tried)  # what torch does once in a process is not counted, unless that is all
    if first.seconds > sample.patience:
        return mean_rate(first, f"training on {tried} images")
    one, before = trained(1, tried), memory_so_far()
    two = trained(1, 2 * tried)
    of_a_batch = options.batch_size / tried
    if 2 * of_a_batch * (two.seconds - one.seconds) > sample.patience:
        found = rate_of(one, two, f"training on {one.units:,.0f} and {two.units:,.0f} images")
        return replace(found, memory=before + of_a_batch * (found.memory - before))
    few = trained(BATCHES[0])
    many = trained(max(BATCHES[0] + 1, min(BATCHES[1], int(sample.patience / few.seconds))))
    return rate_of(few, many, f"training on {few.units:,.0f} and {many.units:,.0f} images")


def reading(network: Network) -> Quantity:
    """Forward passes with all that signals read on the way; a plain embedding is counted as one too."""
    return Quantity(f"reading {network.name}", partial(_read, network))


def _read(network: Network, sample: Sample) -> Rate:
    from faceleak.signals import is_read_off_images
    from faceleak.signals.readable import readable
    from faceleak.signals.reading import read_signals

    backbone, images = network.make(), sample.images
    names = readable(filter(is_read_off_images, sample.signals), backbone) or ["embedding"]

    def read(some: pd.DataFrame) -> Timing:
        return timed(len(some), lambda: read_signals(names, backbone, sample.store, some, sample.compute))

    read(images.tail(2))
    tried = read(images.iloc[1 : 1 + TRIED])
    number = min(len(images), max(READ, int(sample.patience * tried.units / tried.seconds)))
    few, many = read(images.head(number // SHARE_OF_READING)), read(images.head(number))
    return rate_of(few, many, f"reading {few.units:,.0f} and {many.units:,.0f} images")


def ranking(
    options: ReconstructionOptions, attack: AttackOptions, target: Network, compared: list[Network]
) -> Quantity:
    """Faces that a search of stage 2 draws and scores; `compared`: the references that calibrate the attack."""
    measure = partial(_search, options, attack, target, compared, 0)
    return Quantity(f"ranking faces by {target.name}", measure)


def ascending(
    options: ReconstructionOptions, attack: AttackOptions, target: Network, compared: list[Network]
) -> Quantity:
    """Faces that a search takes gradients through."""
    return Quantity(f"ascending by {target.name}", partial(_search, options, attack, target, compared, STEPS))


def _search(
    options: ReconstructionOptions,
    attack: AttackOptions,
    target: Network,
    compared: list[Network],
    steps: int,
    sample: Sample,
) -> Rate:
    """By a search without steps, and by what the steps take in addition; an untrained network guides it."""
    from faceleak.reconstruction.objectives.objective import Objective
    from faceleak.reconstruction.priors.opening import stand_in
    from faceleak.reconstruction.scorer import fit_scorer
    from faceleak.reconstruction.search import reconstruct
    from faceleak.work.compute import pick_device, training_dtype

    search, compute, references = options.search, sample.compute, [network.make() for network in compared]
    affordable = int(sample.patience / sum(seconds_an_image(one, compute) for one in (target.make(), *references)))
    images = sample.images.head(max(LEARNT, affordable))
    labels = images.assign(is_member=pd.factorize(images["identity"])[0] % 2 == 0)
    scorer = fit_scorer(target.make(), references, sample.store, labels, attack, compute, search.optimizer)
    device = pick_device(compute)
    prior, dtype = stand_in(options.prior, device), training_dtype(compute, device)
    objective = Objective(scorer.to(device), search.objective)
    selected = min(search.batch_size, search.selected, max(RANKED, affordable // (2 * STEPS)))
    short = search.model_copy(update={"candidates": 2 * selected, "selected": selected, "rounds": 1, "steps": steps})

    def searched(number: int) -> Timing:
        few = short.model_copy(update={"steps": number})
        return timed(few.faces_ranked, lambda: reconstruct(prior, objective, few, device, dtype))

    searched(1)
    ranked = searched(0)
    if not steps:
        return mean_rate(ranked, f"ranking {ranked.units:,.0f} faces")
    maximized = searched(steps)
    more = max(maximized.seconds - ranked.seconds, 0.1 * maximized.seconds)
    more_cpu = max(maximized.cpu_seconds - ranked.cpu_seconds, 0.1 * maximized.cpu_seconds)
    return mean_rate(Timing(short.faces_optimized, more, more_cpu), f"ascending by {short.faces_optimized:,} faces")


def drawing(options: DemoOptions) -> Quantity:
    """Images of the demo: one person and three."""
    return Quantity("drawing faces", partial(_draw, options))


def _draw(options: DemoOptions, sample: Sample) -> Rate:  # noqa: ARG001
    from faceleak.faces.demo import draw_person

    def draw(people: int) -> Timing:
        return timed(people * options.images_per_person, lambda: [draw_person(options, who) for who in range(people)])

    draw(1)
    few, many = draw(1), draw(3)
    return rate_of(few, many, f"drawing {few.units:,.0f} and {many.units:,.0f} images")


def packing() -> Quantity:
    """Images that are decoded, checked and hashed."""
    return Quantity("packing faces", _pack)


def _pack(sample: Sample) -> Rate:
    from faceleak.faces.images import read_as_jpeg

    def pack(some: list[bytes]) -> Timing:
        return timed(
            len(some), lambda: [hashlib.sha256(read_as_jpeg(jpeg, "calibration")[0]).digest() for jpeg in some]
        )

    jpegs = sample.jpegs()
    few, many = pack(jpegs[: len(jpegs) // 4]), pack(jpegs)
    return rate_of(few, many, f"decoding {many.units:,.0f} images")


def validating() -> Quantity:
    """Images that validation hashes."""
    return Quantity("validating faces", _validate)


def _validate(sample: Sample) -> Rate:
    number = min(len(sample.store), len(sample.images))
    return mean_rate(timed(number, lambda: [hashlib.sha256(jpeg).digest() for jpeg in sample.jpegs()]), "hashing")


def comparing(width: int, anchors: int) -> Quantity:
    """Images whose embeddings, so many numbers each, are compared with each other and those of so many anchors."""
    return Quantity("comparing", partial(_compare, width, min(ANCHORS, max(1, anchors))))


def _compare(width: int, anchors: int, sample: Sample) -> Rate:
    from faceleak.signals import Comparison, EmbeddedImages, registry

    signals = [registry.get(name) for name in sample.signals]
    compared = [signal for signal in signals if isinstance(signal, Comparison) and signal.access != "head"]
    unit = np.random.default_rng(0).normal(size=(ROWS[1] + anchors, width)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)

    def compare(rows: int) -> Timing:
        embedded = EmbeddedImages(unit[:rows], np.arange(rows) // 10, unit[ROWS[1] :])
        return timed(2 * rows, lambda: [signal.compare(embedded) for signal in compared for _ in range(2)])

    few, many = compare(ROWS[0]), compare(ROWS[1])
    return rate_of(few, many, f"comparing {ROWS[1]:,} embeddings with {anchors:,} anchors")


def fitting(name: str, options: AttackOptions, network: Network, references: int) -> Quantity:
    """Rows that an attack is fitted on, read off `network` and calibrated by so many references."""
    calibrated = references if options.calibration else 0
    return Quantity(f"fitting {name}", partial(_fit, options, network, calibrated))


def _fit(options: AttackOptions, network: Network, references: int, sample: Sample) -> Rate:  # noqa: ARG001
    """On numbers that hang together as BN statistics do."""
    from faceleak.membership.attacks import fit_attack
    from faceleak.membership.inputs import AttackInput

    names, random = columns(network.make(), sorted(options.signals_read())), np.random.default_rng(0)
    mixing = random.normal(size=(10, len(names)))

    def fit(rows: int) -> Timing:
        identity, hidden = np.arange(rows) // 10, random.normal(size=(rows, 10))
        is_member = identity % 2 == 0

        def table(shift: float) -> pd.DataFrame:
            numbers = hidden @ mixing + random.normal(size=(rows, len(names))) - shift * is_member[:, None]
            return pd.DataFrame(numbers.astype(np.float32), columns=names)

        ids = np.arange(rows).astype(str)
        images = pd.DataFrame({"image_id": ids, "identity": identity, "is_member": is_member})
        others = [table(0.0) for _ in range(references)]
        inputs = AttackInput(images, table(0.5), others, np.ones((rows, references), bool))
        return timed(rows, lambda: fit_attack([inputs], options))

    fit(ROWS[0])
    few, many = fit(ROWS[0]), fit(ROWS[1])
    return rate_of(few, many, f"fitting on {ROWS[0]:,} and {ROWS[1]:,} rows of random numbers")


def verifying(people: int, images: int, maximum_pairs: int, bootstrap: BootstrapOptions) -> Quantity:
    """Backbones whose utility is measured, with its interval, on so many people and images."""
    people = max(2, min(people, ANCHORS))
    images = max(2 * people, min(images, ANCHORS))
    return Quantity("verifying", partial(_verify, people, images, maximum_pairs, bootstrap))


def _verify(people: int, images: int, maximum_pairs: int, bootstrap: BootstrapOptions, sample: Sample) -> Rate:  # noqa: ARG001
    """By a tenth of the resamples."""
    from faceleak.metrics import verification

    identities, fewer = np.arange(images) % people, bootstrap.model_copy(update={"resamples": RESAMPLES})
    first, second = verification.sample_pairs(identities, maximum_pairs, 0)
    same = identities[first] == identities[second]
    similarity = np.random.default_rng(0).normal(size=len(first)) + same
    pairs = same, similarity, identities[first], identities[second]
    work = partial(verification.verification_auc_interval, *pairs, fewer)
    return mean_rate(timed(RESAMPLES / bootstrap.resamples, work), f"{len(first):,} pairs, {RESAMPLES} resamples")


def measuring(aggregation: Aggregation, bootstrap: BootstrapOptions) -> Quantity:
    """Scores times resamples of attacks that are measured, on images and on people."""
    return Quantity("measuring", partial(_measure, aggregation, bootstrap))


def _measure(aggregation: Aggregation, bootstrap: BootstrapOptions, sample: Sample) -> Rate:  # noqa: ARG001
    """By made-up scores of 30 people and of 150."""
    from faceleak.metrics.attackers import measure_attacker

    def judge(people: int) -> Timing:
        scores = _scores(people)
        work = partial(measure_attacker, scores, scores, aggregation, bootstrap)
        return timed(len(scores) * bootstrap.resamples, work)

    judge(30)
    few, many = judge(30), judge(150)
    return rate_of(few, many, f"measuring scores of 300 and 1,500 images, {bootstrap.resamples:,} resamples")


def _scores(people: int) -> pd.DataFrame:
    """Scores of ten images of each person: five of every other person were trained on, the rest were not."""
    rows = 10 * people
    identity, number = np.arange(rows) // 10, np.arange(rows) % 10
    is_member = (identity % 2 == 0) & (number < 5)
    score = np.random.default_rng(0).normal(size=rows) + is_member
    return pd.DataFrame(
        {
            "image_id": np.arange(rows).astype(str),
            "identity": identity.astype(str),
            "population": np.select([is_member, identity % 2 == 0], ["member", "same_identity"], "unseen_identity"),
            "is_member": is_member,
            "score": score,
            "says_member": score > 0.5,
            "other_images_score": np.where(is_member, np.nan, score),
            "other_images_says_member": score > 0.5,
        }
    )
