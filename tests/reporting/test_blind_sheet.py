"""The page on which a person judges: all pictures, nothing that tells what they are."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faceleak.faces.store import FaceStore
from faceleak.metrics.blind_key import Question
from faceleak.reporting.blind_sheet import FaceBesidePerson, beside_photographs, blind_sheet_page, sheet_name

KINDS = ("member", "control", "random")


class Page(HTMLParser):
    """What a page holds: pictures by question, inputs, and all text and attributes outside of pictures and scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pictures: list[list[np.ndarray]] = []
        self.inputs: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "fieldset":
            self.pictures.append([])
        if tag == "input":
            self.inputs.append((attributes["name"], attributes["value"]))
        if tag == "img":
            header, content = attributes["src"].split(",")
            assert header == "data:image/png;base64"
            with Image.open(io.BytesIO(base64.b64decode(content))) as image:
                assert not image.info
                self.pictures[-1].append(np.asarray(image))


@pytest.fixture(scope="module")
def people(demo_store: FaceStore) -> pd.DataFrame:
    """Two people as members, two as controls, with embeddings that are any numbers."""
    manifest = demo_store.manifest()
    names = manifest["identity"].unique()[:4]
    images = manifest[manifest["identity"].isin(names)]
    role = np.where(images["identity"].isin(names[:2]), "member", "unseen_identity")
    random = np.random.default_rng(0).normal(size=(len(images), 3))
    return images[["image_id", "identity"]].assign(role=role, embedding=list(random))


@pytest.fixture(scope="module")
def questions(people: pd.DataFrame) -> dict[str, Question]:
    by_role = {role: of_role["identity"].unique() for role, of_role in people.groupby("role")}
    asked = {}
    for place, kind in enumerate(KINDS * 2):
        step = "random" if kind == "random" else "optimised"
        identity = by_role["unseen_identity" if kind == "control" else "member"][place % 2]
        asked[f"q{place + 1}"] = Question(
            kind=kind, step=step, number=place, identity=identity, matches=place == 0, accepted_by={"first": True}
        )
    return asked


@pytest.fixture(scope="module")
def faces() -> dict[str, np.ndarray]:
    """Face i of each step is of one grey."""
    greys = np.arange(6, dtype=np.uint8)[:, None, None, None]
    return {step: np.broadcast_to(start + greys, (6, 20, 20, 3)) for step, start in (("optimised", 10), ("random", 90))}


def pairs_of(questions, faces, people, store, most=3) -> dict[str, FaceBesidePerson]:
    embeddings = {step: np.random.default_rng(1).normal(size=(6, 3)) for step in faces}
    return beside_photographs(questions, faces, embeddings, people, store, most)


def test_the_page_shows_each_face_beside_its_person_and_takes_three_answers(questions, faces, people, demo_store):
    pairs = pairs_of(questions, faces, people, demo_store)
    page = Page(blind_sheet_page(pairs, "abc"))
    assert len(page.pictures) == len(questions)
    for (name, question), pictures in zip(questions.items(), page.pictures, strict=True):
        face, *photographs = pictures
        assert np.array_equal(face, faces[question.step][question.number])
        assert len(photographs) == 3
        of_person = people.loc[people["identity"] == question.identity, "image_id"]
        own = demo_store.images(demo_store.positions(of_person), 20)
        assert all(any(np.array_equal(photograph, image) for image in own) for photograph in photographs)
        assert [value for asked, value in page.inputs if asked == name] == ["yes", "no", "cannot_say"]


def test_the_page_does_not_give_the_key_away(questions, faces, people, demo_store):
    page = blind_sheet_page(pairs_of(questions, faces, people, demo_store), "abc")
    told = re.sub(r"data:image/png;base64,[^\"]*", "", page).lower()
    for secret in (*KINDS, "optimised", "unseen", "match", *map(str.lower, people["identity"]), *people["image_id"]):
        assert secret.lower() not in told, secret
    cards = [re.sub(r"\d+", "#", card) for card in told.split("<fieldset>")[1:-1]]
    assert len(set(cards)) == 1  # but for its number, each is like any other
    for tag, attributes in Page(page).tags:
        assert tag not in ("link", "iframe")
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes


def test_the_number_of_photographs_does_not_tell_who_is_a_member(questions, faces, people, demo_store):
    control = next(question.identity for question in questions.values() if question.kind == "control")
    own = people["identity"] == control
    fewer = people[~own | (own.cumsum() <= 2)]
    pairs = pairs_of(questions, faces, fewer, demo_store)
    assert {len(pair.photographs) for pair in pairs.values()} == {2}


def test_another_face_or_question_makes_another_sheet(questions, faces, people, demo_store):
    pairs = pairs_of(questions, faces, people, demo_store)
    name = sheet_name(questions, pairs)
    assert name == sheet_name(questions, pairs_of(questions, faces, people, demo_store))
    assert name != sheet_name(questions, {**pairs, "q1": FaceBesidePerson(pairs["q2"].face, pairs["q1"].photographs)})
    assert name != sheet_name({**questions, "q1": questions["q1"].model_copy(update={"matches": False})}, pairs)
