"""What the `faces` and `attack` pipelines do."""

from faceleak.faces.demo import PEOPLE_PER_PIECE
from faceleak.faces.store import ROWS_PER_BATCH
from faceleak.metrics.attackers import is_much
from faceleak.planning.configured import ID_BYTES, Audit, reading_cost, training_cost
from faceleak.planning.networks import BYTES, Network
from faceleak.planning.searching import searching_costs
from faceleak.planning.work import Cost, PipelineName, Work

TRAINED_TOGETHER = "train_backbones"
COPIES = 3  # of a table in memory while it is put together: its parts, the whole, what is taken out of it
NODES = {"faces": 7, "attack": 36 - 7}  # of figures, tables and files, each of which takes a little


def faces_work(audit: Audit, image_bytes: float) -> list[Work]:
    """Draw or pack, split, validate."""
    images, drawn = audit.counts.store.images, audit.faces.source == "demo"
    per_piece = PEOPLE_PER_PIECE * audit.counts.store.images_per_person if drawn else ROWS_PER_BATCH
    pieces = max(1, round(images / per_piece))
    making = Cost("drawing faces" if drawn else "packing faces", images / pieces)
    rows, checking = images * 2 * ID_BYTES, (Cost("validating faces", images), Cost("a start", 1))
    return [
        Work("faces", "faces in the store", pieces, (making,), "faces", disk=image_bytes * images / pieces),
        Work("faces", "start of the program", 1, (Cost("a start", 1),), kept=False),
        Work("faces", "splits and validation", 1, checking, kept=False, disk=rows, held=rows),
        Work("faces", "tables and figures", NODES["faces"], (Cost("a node", 1),), kept=False),
    ]


def attack_work(audit: Audit) -> list[Work]:
    """Everything from the target to reconstructed faces."""
    return [*_trainings(audit), *_readings(audit), *_fits(audit), *_judgement(audit)]


def _trainings(audit: Audit) -> list[Work]:
    counts, references = audit.counts, audit.membership.references
    works = []
    for name, evaluator in audit.reconstruction.evaluators.items():
        if evaluator.training is None:
            continue
        network, role = audit.of_evaluators[name], "same_identity" if evaluator.independent else "member"
        cost = training_cost(network, evaluator.training, counts.images(role, "unseen_identity"))
        people = counts.people("member") + counts.people("unseen_identity")
        disk = audit.backbone_bytes(network, people)
        works.append(Work("attack", f"evaluator {name}", 1, (cost,), TRAINED_TOGETHER, disk=disk))
    if audit.target.source == "train" and audit.target.train is not None:
        cost = training_cost(audit.of_target, audit.target.train, counts.images("member"))
        disk = audit.backbone_bytes(audit.of_target, counts.people("member"))
        works.append(Work("attack", "target", 1, (cost,), TRAINED_TOGETHER, disk=disk))
    cost = training_cost(audit.of_references, references.training, audit.images_of_a_reference)
    people = round(references.member_share * counts.people("auxiliary"))
    disk = audit.backbone_bytes(audit.of_references, people)
    works.append(Work("attack", "reference backbones", references.count, (cost,), TRAINED_TOGETHER, disk=disk))
    return works


def _readings(audit: Audit) -> list[Work]:
    counts, options, references = audit.counts, audit.membership, audit.membership.references.count
    anchors, auxiliary = counts.images("public"), audit.images_read_of_references
    evaluated, signals, calibrating = counts.evaluated, options.signals(), options.signals_of_references()
    own, theirs = audit.of_target, audit.of_references

    def reading(kind: str, network: Network, pieces: int, rows: int, names: list[str], more: int = 0) -> Work:
        table = rows * (audit.table_columns(network, names) * BYTES + ID_BYTES)
        cached = (rows + more) * audit.cached_columns(network, names) * BYTES
        costs = (reading_cost(network, rows + more, audit.shards(rows)), Cost("comparing", rows))
        return Work("attack", kind, pieces, costs, disk=table + cached, held=COPIES * pieces * table)

    people = counts.images("member", "same_identity", "unseen_identity", "public")
    judges = [
        Work("attack", "people seen by evaluators", 1, (reading_cost(network, people),), kept=False)
        for network in audit.of_evaluators.values()
    ]
    verified = (reading_cost(own, counts.images("unseen_identity")), Cost("verifying", 1))
    return [
        reading("signals of references", theirs, references, auxiliary, signals, anchors),
        reading("references on the target's images", theirs, references, evaluated, calibrating),
        reading("signals of the target", own, 1, evaluated, signals, anchors),
        Work(
            "attack",
            "blind baseline",
            1,
            (reading_cost(theirs, evaluated, audit.shards(evaluated)), Cost("fitting blind", counts.known)),
            kept=False,
        ),
        *judges,
        Work("attack", "utility of the target", 1, verified, kept=False),
    ]


def _fits(audit: Audit) -> list[Work]:
    counts, options = audit.counts, audit.membership
    rows = {
        "partial_knowledge": counts.known,
        "shadow": options.references.count * audit.images_read_of_references,
    }
    return [
        Work("attack", "attacks fitted", 1, (Cost(f"fitting {name}", rows[threat_model]),), kept=False)
        for threat_model in options.threat_models
        for name in options.offline_attacks()
    ]


def measuring(pipeline: PipelineName, attacks: int, audit: Audit) -> Work:
    """Metrics and intervals of so many attacks, side by side where that pays."""
    judged = audit.counts.judged
    pool = "measuring" if is_much(attacks * judged, audit.bootstrap) else ""
    cost = Cost("measuring", judged * audit.bootstrap.resamples)
    return Work(pipeline, "attacks measured", attacks, (cost,), pool, kept=False)


def _judgement(audit: Audit) -> list[Work]:
    options = audit.membership
    measured = 1 + len(options.threat_models) * len(options.offline_attacks())
    costs = searching_costs(audit, audit.reconstruction.search.rounds)
    attackers = len(audit.reconstruction.attackers)
    return [
        measuring("attack", measured, audit),
        Work("attack", "reconstruction searches", attackers + 1, costs, "search", disk=4e6),
        Work("attack", "tables and figures", NODES["attack"], (Cost("a node", 1),), kept=False),
    ]
