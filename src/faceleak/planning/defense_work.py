"""What the `defense` pipeline does: variants, views, and every attacker against each."""

from collections import Counter
from typing import Any

from faceleak.defenses import registry
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.undoing import averaging, finetuning
from faceleak.defenses.undoing import registry as undoings
from faceleak.planning.attack_work import COPIES, measuring
from faceleak.planning.configured import ID_BYTES, Audit, reading_cost, training_cost
from faceleak.planning.networks import BYTES
from faceleak.planning.searching import searching_costs
from faceleak.planning.work import Cost, Work

NODES = 14
PRIVATE_STEP = {"all": 4.0}  # times a plain training step with gradients of single images (measured: 2.7 to 4.8)
PRIVATE_STEP_OF_FEW = 1.6  # where few layers learn (measured: 1.2 to 1.9)
IMITATION = 1.3  # times a plain training step, for the teacher's forward pass besides
FIVE_FOLDS = 11 / 6  # fits where a view is chosen: five folds and a threshold's five, on four fifths


def defense_work(audit: Audit) -> list[Work]:
    """All of it, for as many backbones as are defended: the target, and with `shadow` each reference."""
    return [*_variants(audit), *_views(audit), *_readings(audit), *_shadows(audit), *_judgement(audit)]


def _variants(audit: Audit) -> list[Work]:
    works, disk = [], audit.backbone_bytes(audit.of_target, audit.counts.people("member"))
    trained = [(variant, costs) for variant in audit.defense.variants if (costs := _training(audit, variant))]
    if any(_starts_publicly(variant) for variant in audit.defense.variants) and audit.target.train is not None:
        start = training_cost(audit.of_target, audit.target.train, audit.counts.images("public"))
        works.append(Work("defense", "public start", 1, (start,), "variants", disk=disk / 2))
    works += [
        Work("defense", "variants that are trained", 1, costs, "variants", disk=1.5 * disk) for _, costs in trained
    ]
    others = len(audit.defense.variants) - len(trained)
    touched = (reading_cost(audit.of_target, audit.counts.images("public")),)
    return [*works, Work("defense", "variants that are not", others, touched, "variants", disk=disk)]


def trains_of_its_own(audit: Audit, variant: VariantOptions) -> bool:
    """Whether making the variant takes training that no other one asks for."""
    return bool(_training(audit, variant))


def _starts_publicly(variant: VariantOptions) -> bool:
    frozen = getattr(variant.checked_settings(), "frozen_statistics", False)
    return variant.defense in ("public_start", "dp_training") or bool(frozen)


def _training(audit: Audit, variant: VariantOptions) -> tuple[Cost, ...]:
    """What training takes that this variant alone asks for; nothing where it trains nothing of its own."""
    settings: Any = variant.checked_settings()
    network, training, counts = audit.of_target, audit.target.train, audit.counts
    quantity = f"training {network.name}"
    if variant.defense == "distillation":
        return (Cost(quantity, IMITATION * settings.epochs * counts.images("public")),)
    if training is None or variant.defense == "public_start":
        return ()
    if variant.defense == "dp_training":
        images = settings.steps * settings.units_per_step * settings.views
        images *= settings.images_per_unit if settings.unit == "identity" else 1
        return (Cost(quantity, PRIVATE_STEP.get(settings.trainable, PRIVATE_STEP_OF_FEW) * images),)
    if variant.defense == "retraining" or hasattr(registry.get(variant.defense), "pieces"):
        epochs = getattr(settings, "epochs", None)
        return (training_cost(network, training, counts.images("member"), epochs),)
    return ()


def _undoings(audit: Audit) -> Counter[str]:
    """How often each undoing is tried."""
    if "adaptive" not in audit.defense.attackers:
        return Counter()
    tried = [undoing for variant in audit.defense.variants for undoing in registry.get(variant.defense).UNDOINGS]
    return Counter(["bn_reestimation", *tried])


def _views(audit: Audit) -> list[Work]:
    own = min(audit.defense.undoing_images, audit.counts.images("auxiliary"))
    disk, works = audit.backbone_bytes(audit.of_target, 0) / 2, []
    for undoing, number in _undoings(audit).items():
        costs = [reading_cost(audit.of_target, own)]
        if undoing == "finetuning":
            costs.append(Cost(f"training {audit.of_target.name}", finetuning.EPOCHS * own))
        kept = undoings.get(undoing).IS_A_BACKBONE
        works.append(Work("defense", f"views by {undoing}", number, tuple(costs), "views", kept=kept, disk=disk * kept))
    return works


def _readings(audit: Audit) -> list[Work]:
    counts, own, names = audit.counts, audit.of_target, audit.membership.signals()
    undoings = _undoings(audit)
    asked_often = undoings.pop(averaging.__name__.rpartition(".")[2], 0)
    views = len(audit.defense.variants) + undoings.total()  # beside the target's own, which `attack` has read
    images, anchors = counts.evaluated, counts.images("public")
    table = images * (audit.table_columns(own, names) * BYTES + ID_BYTES)
    disk = table + (images + anchors) * audit.cached_columns(own, names) * BYTES
    held = COPIES * table
    compared, unseen = Cost("comparing", images), counts.images("unseen_identity")
    works = []
    for number, passes in ((views, 1), (asked_often, averaging.QUERIES)):
        read, verified = reading_cost(own, passes * (images + anchors)), reading_cost(own, passes * unseen)
        works += [
            Work("defense", "signals of views", number, (read, compared), "signals", disk=disk, held=number * held),
            Work("defense", "tables of views", number, (compared,), kept=False),
            Work("defense", "utility of views", number, (verified, Cost("verifying", 1)), "utility", kept=False),
        ]
    return works


def _shadows(audit: Audit) -> list[Work]:
    """With `shadow`, each reference is defended and undone as each variant."""
    options = audit.membership.references
    if "shadow" not in audit.defense.threat_models or set(audit.defense.attackers) == {"static"}:
        return []
    network, auxiliary = audit.of_references, audit.images_read_of_references
    trained = sum(bool(_training(audit, variant)) for variant in audit.defense.variants)
    views = len(audit.defense.variants) + _undoings(audit).total()
    cost = training_cost(network, options.training, audit.images_of_a_reference)
    read = (reading_cost(network, auxiliary), Cost("comparing", auxiliary))
    table = auxiliary * (audit.table_columns(network, audit.membership.signals()) * BYTES + ID_BYTES)
    fits = tuple(Cost(f"fitting {name}", options.count * auxiliary) for name in audit.membership.offline_attacks())
    disk = audit.backbone_bytes(network, 0) / 2
    return [
        Work("defense", "shadows trained again", trained * options.count, (cost,), "shadows", disk=disk),
        Work("defense", "signals of shadows", views * options.count, read, disk=table, held=COPIES * table),
        Work("defense", "attacks taught by shadows", views, fits),
    ]


def _judgement(audit: Audit) -> list[Work]:
    options, attacks = audit.defense, audit.membership.offline_attacks()
    variants, undoings = 1 + len(options.variants), _undoings(audit).total()
    fits = tuple(Cost(f"fitting {name}", FIVE_FOLDS * audit.counts.known) for name in attacks)
    encounters = variants * len(options.attackers)
    measured = 1 + encounters * len(options.threat_models) * len(attacks)
    searches = variants * len(options.reconstruction_attackers)
    costs = searching_costs(audit, options.reconstruction_rounds)
    works = [
        measuring("defense", measured, audit),
        Work("defense", "reconstruction searches", searches + 1, costs, "search", disk=4e6),
        Work("defense", "tables and figures", NODES, (Cost("a node", 1),), kept=False),
    ]
    if "partial_knowledge" in options.threat_models:
        works.insert(0, Work("defense", "attacks fitted", variants + undoings, fits, "fits", kept=False))
    return works
