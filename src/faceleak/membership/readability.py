"""A check before training that every attack can be made: all signals are read off a little noise."""

from collections.abc import Iterable

import torch

from faceleak.backbones.backbone import Backbone
from faceleak.common.errors import FaceleakError
from faceleak.membership.options import AttackOptions, MembershipOptions
from faceleak.signals import Comparison, registry
from faceleak.signals.reading import signal_table

FACES = 2
TAKE_AWAY = (
    "Take them away with `null` in an environment of your own (conf/<env>/parameters_membership.yml: "
    "`membership: {{attacks: {{{}}}}}`), or give them other signals: docs/audit-your-own.md."
)


class UnreadableError(FaceleakError):
    """An attack reads what a backbone does not give."""


def check_attacks(options: MembershipOptions, target: Backbone, target_has_head: bool, reference: Backbone) -> None:
    """Raise UnreadableError naming the attacks that cannot be made on the target, or with such references, and why.

    target, reference: as they are going to be, trained or not; a reference comes with its head.
    """
    of_target, unread = _try(options.signals(), target, target_has_head)
    _raise_for(options, unread, "the target")
    of_references, unread = _try({*options.signals(), *options.signals_of_references()}, reference, has_head=True)
    _raise_for(options, unread, "the references of membership.references.training")
    if blind := sorted(unread.keys() & set(options.blind.reference_signals)):
        raise UnreadableError(
            f"membership.blind.reference_signals has {', '.join(blind)}, which the references of "
            f"membership.references.training cannot give. {unread[blind[0]]}"
        )
    compared = {
        name: attack
        for name, attack in options.attacks.items()
        if "shadow" in options.threat_models or attack.calibration is not None
    }
    if differing := [
        name
        for name, attack in compared.items()
        if any(of_target[signal] != of_references[signal] for signal in attack.signals_read())
    ]:
        raise UnreadableError(
            f"{len(differing)} attacks are fitted on what references show, or compare with it "
            f"({', '.join(differing)}), but a reference ({reference.card.architecture}) gives other numbers than the "
            f"target ({target.card.architecture}): it has other layers. Give "
            "membership.references.training the target's architecture and image size, or take `shadow` out of "
            f"membership.threat_models and `calibration` out of these attacks. {_take_away(differing)}"
        )


def without_unreadable(
    options: MembershipOptions, target: Backbone, target_has_head: bool, reference: Backbone
) -> tuple[MembershipOptions, list[str]]:
    """Return the options with what these backbones give, and a sentence for each thing that was left out of them.

    Signals that the target does not give leave the attacks, and an attack without any left is none. Calibrated attacks
    keep the signals that references give in the same columns; if others are fitted on columns that references lack,
    the threat model `shadow` goes.
    """
    of_target, unread = _try(options.signals(), target, target_has_head)
    of_references, unread_of_references = _try(options.signals(), reference, has_head=True)
    alike = {
        name
        for name in of_target.keys() - unread.keys() - unread_of_references.keys()
        if of_target[name] == of_references[name]
    }
    told: list[str] = []
    kept: dict[str, AttackOptions] = {}
    for name, attack in options.attacks.items():
        readable = alike if attack.calibration is not None else of_target.keys() - unread.keys()
        signals = [signal for signal in attack.signals if signal in readable]
        lacking = sorted(attack.signals_read() - readable)
        why = _why(lacking, unread, target, reference)
        if not lacking:
            kept[name] = attack
        elif signals and attack.signals_read() - set(attack.signals) <= readable:
            kept[name] = attack.model_copy(update={"signals": signals})
            told.append(f"The attack {name} goes without {', '.join(lacking)}: {why}")
        else:
            told.append(f"The attack {name} is left out: {why}")
    threat_models = options.threat_models
    if "shadow" in threat_models and any(attack.signals_read() - alike for attack in kept.values()):
        if "partial_knowledge" in threat_models:
            threat_models = ["partial_knowledge"]
            told.append(
                f"Attackers of the threat model `shadow` are left out: they learn from references "
                f"({reference.card.architecture}), which have other layers than the target "
                f"({target.card.architecture}). Give membership.references.training the target's architecture for them."
            )
        else:
            kept = {name: attack for name, attack in kept.items() if attack.signals_read() <= alike}
    if not kept:
        raise UnreadableError(f"No attack can be made on this target. {' '.join(told)}")
    return options.model_copy(update={"attacks": kept, "threat_models": threat_models}), told


def _why(lacking: list[str], unread: dict[str, str], target: Backbone, reference: Backbone) -> str:
    """Why these signals cannot be read off the target, or cannot be compared with references."""
    reasons = list(dict.fromkeys(unread[name] for name in lacking if name in unread))
    return " ".join(reasons) or (
        f"a reference ({reference.card.architecture}) has other layers than the target ({target.card.architecture})."
    )


def _raise_for(options: MembershipOptions, unread: dict[str, str], whose: str) -> None:
    """Raise UnreadableError if an attack reads one of `unread`: signal → why it cannot be read."""
    found = {name: sorted(attack.signals_read() & unread.keys()) for name, attack in options.attacks.items()}
    if attacks := {name: signals for name, signals in found.items() if signals}:
        told = ", ".join(f"{name} ({', '.join(signals)})" for name, signals in attacks.items())
        why = " ".join(dict.fromkeys(unread[signal] for signals in attacks.values() for signal in signals))
        raise UnreadableError(
            f"{len(attacks)} of {len(options.attacks)} attacks read signals that {whose} cannot give: {told}. {why} "
            f"{_take_away(attacks)}"
        )


def _take_away(attacks: Iterable[str]) -> str:
    return TAKE_AWAY.format(", ".join(f"{name}: null" for name in attacks))


def _try(names: Iterable[str], backbone: Backbone, has_head: bool) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Signal → its columns on this backbone; and signal → why it cannot be read, for the others."""
    faces = torch.rand(FACES, 3, *backbone.canvas.shape, generator=torch.Generator().manual_seed(0))
    columns: dict[str, list[str]] = {}
    unread: dict[str, str] = {}
    for name in names:
        signal = registry.get(name)
        if isinstance(signal, Comparison):
            columns[name] = list(signal.columns)
            if signal.access == "head" and not has_head:
                unread[name] = "The target comes without its classification head: give it in target.load."
            continue
        try:
            with torch.inference_mode():
                columns[name] = signal_table(signal, backbone, signal.read(backbone, faces).numpy()).columns.tolist()
        except FaceleakError as error:
            unread[name] = str(error)
    return columns, unread
