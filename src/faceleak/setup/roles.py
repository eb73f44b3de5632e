"""Roles and their sizes for the people that there are."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from faceleak.common.errors import FaceleakError
from faceleak.common.words import counted

Count = Counter[str]

IMAGES = (4, 2)  # a person, of those who are compared: the first that leaves `ENOUGH` people
ENOUGH = 90
MOST = {"member": 100, "unseen_identity": 100, "auxiliary": 200}  # more people make intervals smaller, and runs longer
STRANGERS, MOST_STATED = 50, 200  # to compare with, however few members there are
MOST_PUBLIC = 500
LEAST = {"member": 4, "unseen_identity": 10, "auxiliary": 4}  # an interval over people takes ten
SHARES = {"member": 2, "unseen_identity": 2, "auxiliary": 4}
PUBLIC_SHARE = 1
CAUTION = 30  # people of a role, below which intervals are wide


class RolesError(FaceleakError):
    """There are too few people for an audit."""


@dataclass(frozen=True)
class Roles:
    """How many people play each role, as `faces.splits.roles` takes it, and why; warnings in words.

    images: how many a person who is compared has at least. stated: whether somebody says who was trained on.
    """

    roles: dict[str, dict[str, Any]]
    why: dict[str, str]
    images: int
    stated: bool
    warnings: list[str]


def propose(counts: dict[str | None, Count]) -> Roles:
    """Sizes of the roles by how many images a role and person have; the role is None where nobody states any.

    Raises RolesError where there are too few people.
    """
    if None in counts:
        return _drawn(counts[None])
    people = {role: set(found) for role, found in counts.items()}
    members = counts.get("member", Counter()) + counts.get("same_identity", Counter())
    others = sum((found for role, found in counts.items() if role not in ("member", "same_identity")), Counter())
    if not people.get("member"):
        raise RolesError("Nobody is stated to have been trained on: there are no members to audit the backbone for.")
    return _stated(members, others)


def _drawn(counts: Count) -> Roles:
    least = sum(LEAST.values())
    images = _images_needed(counts, least)
    able = _able(counts, images)
    if able < least:
        raise RolesError(
            f"{counted(able, 'person has', 'people have')} {counted(images, 'image')} or more, and an audit takes at "
            f"least {least}: members, non-members and the attacker's own people. Bring more, or more images of them."
        )
    sizes = {role: _size(role, able * share // (sum(SHARES.values()) + PUBLIC_SHARE)) for role, share in SHARES.items()}
    sizes["auxiliary"] = min(sizes["auxiliary"], able - sizes["member"] - sizes["unseen_identity"])
    return _roles(sizes, images, able, len(counts) - sum(sizes.values()), stated=False)


def _stated(members: Count, others: Count) -> Roles:
    least = LEAST["unseen_identity"] + LEAST["auxiliary"]
    images = _images_needed(others, least)
    able, trained = _able(others, images), _able(members, min(images, 2))
    if able < least or trained < LEAST["member"]:
        raise RolesError(
            f"{counted(trained, 'person', 'people')} who were trained on and {counted(able, 'other')} have "
            f"{counted(images, 'image')} or more, and an audit takes at least {LEAST['member']} and {least}: "
            "non-members to compare the members with, and the attacker's own people. Add people who were not trained "
            "on (--others PATH), or more images of them."
        )
    shares = SHARES["unseen_identity"] + SHARES["auxiliary"] + PUBLIC_SHARE
    wished = min(max(trained, STRANGERS), MOST_STATED)
    unseen = max(LEAST["unseen_identity"], min(wished, able * SHARES["unseen_identity"] // shares))
    auxiliary = min(_size("auxiliary", able * SHARES["auxiliary"] // shares), able - unseen)
    sizes = {"member": min(trained, MOST_STATED), "unseen_identity": unseen, "auxiliary": auxiliary}
    found = _roles(sizes, images, able, len(others) - unseen - auxiliary, stated=True)
    people: int | str = MOST_STATED if trained > MOST_STATED else "all"
    found.roles["member"] = {"people": people, "minimum_images": min(images, 2)}
    found.why["member"] = f"of {counted(trained, 'person', 'people')} who were trained on"
    return found


def _size(role: str, share: int) -> int:
    return min(MOST[role], max(LEAST[role], share))


def _roles(sizes: dict[str, int], images: int, able: int, rest: int, stated: bool) -> Roles:
    public = max(0, min(MOST_PUBLIC, rest))
    roles: dict[str, dict[str, Any]] = {
        role: {"people": people, "minimum_images": images} for role, people in sizes.items()
    }
    roles["unseen_identity"]["maximum_images"] = 20
    roles["public"] = {"people": public, "minimum_images": 1, "maximum_images": 20}
    of = f"of {counted(able, 'person', 'people')} with {counted(images, 'image')} or more"
    why = {
        "member": f"{of}: whose images count as trained on",
        "unseen_identity": f"{of}: non-members, whom members are compared with",
        "auxiliary": f"{of}: the attacker's own people, for references",
        "public": "people of whom one image does: to bypass defenses, to judge reconstructions",
    }
    few = [f"{role} ({people})" for role, people in sizes.items() if people < CAUTION]
    warnings = (
        [f"Few people play {', '.join(few)}: intervals will be wide, and the verdict may well be `cannot conclude`."]
        if few
        else []
    )
    return Roles(roles, why, images, stated, warnings)


def _images_needed(counts: Count, least: int) -> int:
    """So many images of a person as leave enough people; one where hardly anybody has two."""
    for images in IMAGES:
        if _able(counts, images) >= ENOUGH:
            return images
    return IMAGES[-1] if _able(counts, IMAGES[-1]) >= least else 1


def _able(counts: Count, images: int) -> int:
    return sum(number >= images for number in counts.values())
