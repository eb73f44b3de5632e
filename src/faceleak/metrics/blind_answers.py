"""What a person answered on the blind sheet, as the page saves it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from faceleak.errors import FaceleakError
from faceleak.metrics.blind_key import BlindKey
from faceleak.options import Options

Answer = Literal["yes", "no", "cannot_say"]


class AnswersError(FaceleakError):
    """The answers to a blind sheet cannot be counted."""


class BlindAnswers(Options):
    """Answers by the questions' names; a question may be left open."""

    sheet: str
    answers: dict[str, Answer] = Field(min_length=1)


def read_answers(path: Path, key: BlindKey) -> BlindAnswers:
    """Read the file that the page saved. Raises AnswersError where it is missing, broken, or of another sheet."""
    try:
        answers = BlindAnswers.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AnswersError(
            f"There are no answers at {path} ({error.strerror}). Open blind_sheet.html, answer, press `Save answers`, "
            "and move the file there, or name it: --params=reconstruction.blind_sheet.answers=FILE."
        ) from error
    except ValidationError as error:
        problems = "\n".join(f"  {_place(problem['loc'])}: {problem['msg']}" for problem in error.errors())
        raise AnswersError(
            f"{path} holds no answers as the page saves them:\n{problems}\nSave them again from blind_sheet.html."
        ) from error
    if answers.sheet != key.sheet:
        raise AnswersError(
            f"{path} answers the sheet {answers.sheet}, but blind_key.json belongs to {key.sheet}: the sheet was made "
            "anew in between. Answer the new one, or take the key that was made with the old one."
        )
    if unknown := sorted(answers.answers.keys() - key.questions.keys()):
        raise AnswersError(f"{path} answers questions that the sheet does not ask: {', '.join(unknown)}.")
    return answers


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "file"
