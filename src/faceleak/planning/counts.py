"""How many people and images play each role: counted in splits, or as the configuration will have it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from faceleak.faces.options import FacesOptions, PersonRole, RoleOptions
from faceleak.faces.splits import EVALUATED_ROLES
from faceleak.planning.errors import PlanError
from faceleak.planning.options import PlanOptions


@dataclass(frozen=True)
class Count:
    """People, and images of all of them together."""

    people: int
    images: int

    @property
    def images_per_person(self) -> float:
        """Mean number."""
        return self.images / max(1, self.people)


@dataclass(frozen=True)
class Counts:
    """Of the whole store, and by role; `same_identity` shares its people with `member`."""

    store: Count
    roles: Mapping[str, Count]
    known_share: float

    def images(self, *roles: str) -> int:
        """Images of these roles together."""
        return sum(self.roles[role].images for role in roles if role in self.roles)

    def people(self, role: str) -> int:
        """People of a role."""
        return self.roles[role].people if role in self.roles else 0

    @property
    def evaluated(self) -> int:
        """Images that signals of the target are read for."""
        return self.images(*EVALUATED_ROLES)

    @property
    def known(self) -> int:
        """Those that an attacker with partial knowledge has."""
        return round(self.known_share * self.evaluated)

    @property
    def judged(self) -> int:
        """Those that attacks are measured on."""
        return self.evaluated - self.known

    @property
    def of_evaluated_people(self) -> int:
        """All images of the evaluated people that are in the store, also those that no role takes."""
        people = self.people("member") + self.people("unseen_identity")
        return max(self.evaluated, round(people * self.store.images_per_person))


def count_splits(splits: pd.DataFrame, store: Count, known_share: float) -> Counts:
    """Count what was drawn."""
    groups = splits.groupby("role")["identity"].agg(["nunique", "size"])
    roles = {str(role): Count(int(row["nunique"]), int(row["size"])) for role, row in groups.iterrows()}
    return Counts(store, roles, known_share)


def count_configured(faces: FacesOptions, plan: PlanOptions) -> Counts:
    """Work out what will be drawn, with the same number of images for everybody. Raises PlanError."""
    store, options = _store(faces, plan), faces.splits
    fixed = {role: wanted.people for role, wanted in options.roles.items() if wanted.people != "all"}
    left = store.people - sum(fixed.values())
    if left < 0:
        raise PlanError(
            f"The roles ask for {store.people - left} people, and the source has {store.people}. Lower "
            "faces.splits.roles, or correct plan.people."
        )
    roles: dict[str, Count] = {}
    for role, wanted in options.roles.items():
        people = fixed.get(role, left)
        if role == "member":
            roles |= _halves(people, _images_of_each(wanted, store), options.training_share)
        else:
            roles[role] = Count(people, round(people * _images_of_each(wanted, store)))
    return Counts(store, roles, options.known_share)


def _store(faces: FacesOptions, plan: PlanOptions) -> Count:
    if plan.people is not None and plan.images is not None:
        return Count(plan.people, plan.images)
    if faces.source == "demo" and faces.demo is not None:
        return Count(faces.demo.people, faces.demo.people * faces.demo.images_per_person)
    raise PlanError(
        f"How many people and images the source `{faces.source}` has is known once it is packed. Pack it (kedro run "
        "--pipelines=faces), or state them in plan.people and plan.images."
    )


def _images_of_each(wanted: RoleOptions, store: Count) -> float:
    return min(store.images_per_person, wanted.maximum_images or store.images_per_person)


def _halves(people: int, images: float, training_share: float) -> dict[str, Count]:
    trained_on = min(max(1.0, round(training_share * images)), max(1.0, images - 1))
    member: PersonRole = "member"
    return {
        member: Count(people, round(people * trained_on)),
        "same_identity": Count(people, round(people * max(0.0, images - trained_on))),
    }
