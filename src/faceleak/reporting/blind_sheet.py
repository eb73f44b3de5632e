"""A page on which a person judges faces without being told what they are."""

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore
from faceleak.metrics.blind_key import Kind, Question
from faceleak.metrics.roc import FloatArray
from faceleak.pieces import fingerprint
from faceleak.reporting.audit.templating import render
from faceleak.reporting.face_canvas import Pixels
from faceleak.reporting.nearest_images import nearest_photographs

ROLES: dict[Kind, str] = {"member": "member", "control": "unseen_identity", "random": "member"}


@dataclass(frozen=True, eq=False)
class FaceBesidePerson:
    """A face, RGB (height, width, 3), and photographs of the person beside it (n, height, width, 3)."""

    face: Pixels
    photographs: Pixels


def beside_photographs(
    questions: Mapping[str, Question],
    faces: Mapping[str, Pixels],
    embeddings: Mapping[str, FloatArray],
    people: pd.DataFrame,
    store: FaceStore,
    most: int,
) -> dict[str, FaceBesidePerson]:
    """Put each question's face beside the photographs of its person that resemble it most.

    faces and embeddings: step → RGB (n, height, width, 3) and (n, d) by one evaluator; people: image_id, identity, role
    and that evaluator's embedding. All people are shown by equally many photographs, `most` or as many as each has:
    their number must not tell who is a member.
    """
    shown = {name: (ROLES[question.kind], question.identity) for name, question in questions.items()}
    of_person = dict(tuple(people.groupby(["role", "identity"])))
    count = min([most, *(len(of_person[person]) for person in shown.values())])
    pairs = {}
    for name, question in questions.items():
        face, (role, identity) = faces[question.step][question.number], shown[name]
        canvas = Canvas(face.shape[0], face.shape[1], "pad")
        own = embeddings[question.step][[question.number]]
        images = of_person[role, identity]
        photographs = nearest_photographs(store, images, role, pd.Series([identity]), own, canvas, count)
        pairs[name] = FaceBesidePerson(face, photographs[0])
    return pairs


def sheet_name(questions: Mapping[str, Question], pairs: Mapping[str, FaceBesidePerson]) -> str:
    """Name a sheet by what is on it, so that answers are not counted by the key of another one."""
    plain = {name: question.model_dump() for name, question in questions.items()}
    return fingerprint(plain, [hashlib.sha256(pair.face.tobytes()).hexdigest() for pair in pairs.values()])


def blind_sheet_page(pairs: Mapping[str, FaceBesidePerson], sheet: str) -> str:
    """Make one HTML page that asks no network: each face beside a person, with yes, no and cannot say.

    pairs: by the questions' names, in the order in which they are shown. Answers are kept by the browser and saved as
    JSON with the name of the `sheet`. The page holds nothing but the pictures: neither kinds of faces nor names.
    """
    pictures = {
        name: {"face": _source(pair.face), "photographs": [_source(photograph) for photograph in pair.photographs]}
        for name, pair in pairs.items()
    }
    return render("blind_sheet.html.j2", questions=pictures, sheet=sheet)


def _source(pixels: Pixels) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
