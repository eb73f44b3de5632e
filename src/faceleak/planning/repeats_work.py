"""What the `repeats` pipeline does beside `attack`, whose target is the first of its targets."""

from faceleak.planning.attack_work import COPIES
from faceleak.planning.configured import ID_BYTES, Audit, reading_cost, training_cost
from faceleak.planning.networks import BYTES
from faceleak.planning.work import Cost, Work

NODES = 11


def repeats_work(audit: Audit) -> list[Work]:
    """Targets, what they and the references show of all evaluated people, attacks on each."""
    training = audit.target.train
    if training is None or audit.target.source != "train":
        return []
    counts, options, own = audit.counts, audit.membership, audit.of_target
    others, evaluated, everybody = options.targets - 1, counts.evaluated, counts.of_evaluated_people
    anchors = counts.images("public")
    disk = audit.backbone_bytes(own, counts.people("member"))
    signals, calibrating, online = options.signals(), options.signals_of_references(), options.online_signals()
    table = evaluated * (audit.table_columns(own, signals) * BYTES + ID_BYTES)
    cached = (evaluated + anchors) * audit.cached_columns(own, signals) * BYTES
    of_references = evaluated * (audit.table_columns(audit.of_references, calibrating) * BYTES + ID_BYTES)
    cached_of_references = everybody * audit.cached_columns(audit.of_references, calibrating) * BYTES
    references, each = options.references.count, Cost("comparing", options.targets * evaluated)
    works = [
        Work(
            "repeats",
            "repeated targets",
            others,
            (training_cost(own, training, counts.images("member")),),
            "repeats",
            disk=disk,
        ),
        Work(
            "repeats",
            "signals of repeated targets",
            others,
            (reading_cost(own, evaluated + anchors, audit.shards(evaluated)), Cost("comparing", evaluated)),
            disk=table + cached,
            held=COPIES * options.targets * table,
        ),
        Work(
            "repeats",
            "references on repeated targets' images",
            references,
            (reading_cost(audit.of_references, everybody, audit.shards(everybody)), each),
            disk=cached_of_references + options.targets * of_references,
            held=COPIES * references * options.targets * of_references,
        ),
    ]
    if online:
        costs = (reading_cost(own, everybody, audit.shards(everybody)), each)
        works.append(Work("repeats", "targets on each other's images", options.targets, costs))
    return [*works, *_fits(audit)]


def _fits(audit: Audit) -> list[Work]:
    counts, options, targets = audit.counts, audit.membership, audit.membership.targets
    works = []
    if "partial_knowledge" in options.threat_models:
        costs = tuple(Cost(f"fitting {name}", counts.known) for name in options.attacks)
        works.append(Work("repeats", "attacks fitted", targets, costs, kept=False))
    if "shadow" in options.threat_models:
        rows = options.references.count * audit.images_read_of_references
        costs = tuple(Cost(f"fitting {name}", rows) for name in options.attacks)
        works.append(Work("repeats", "attacks fitted", 1, costs, kept=False))
    measured = 1 + len(options.threat_models) * len(options.attacks)
    judged = Cost("measuring", targets * counts.judged * audit.bootstrap.resamples)
    return [
        *works,
        Work("repeats", "attacks measured", measured, (judged,), kept=False),
        Work("repeats", "tables and figures", NODES, (Cost("a node", 1),), kept=False),
    ]
