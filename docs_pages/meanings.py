"""What the docstring of a block says of each of its keys.

Docstrings are prose: `key: what it is`, or sentences that mention keys in backticks. A sentence belongs to the keys
that it labels or else mentions; one that does neither belongs to the label before it, or to the introduction. The
first paragraph is introduction, and explains the keys that nothing else explains.
"""

import re
from collections.abc import Collection

LABEL = re.compile(r"((?:`?\w+`?, )*`?\w+`?): ")


def meanings(docstring: str, keys: Collection[str]) -> tuple[str, dict[str, str]]:
    """Introduction, and key → meaning for each key that the docstring explains, in Markdown."""
    introduction: list[str] = []
    explained: dict[str, list[str]] = {}
    otherwise: dict[str, list[str]] = {}
    for number, paragraph in enumerate(docstring.split("\n\n")):
        label: list[str] = []
        for sentence in sentences(" ".join(paragraph.split())):
            found, text = _label(sentence, keys)
            label, mentioned = found or label, _mentioned(sentence, keys)
            if not label and (number == 0 or not mentioned):
                introduction.append(sentence)
            for key in found or ([] if number == 0 else mentioned) or label:
                explained.setdefault(key, []).append(text)
            for key in mentioned:
                otherwise.setdefault(key, []).append(f"See `{found[0]}`." if found else sentence)
    return _joined(introduction), {key: _joined(texts) for key, texts in {**otherwise, **explained}.items()}


def sentences(text: str) -> list[str]:
    """Split at full stops and semicolons that are followed by a space and stand outside brackets."""
    depth, start, found = 0, 0, []
    for end, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and character in ".;" and text[end + 1 : end + 2] == " ":
            found.append(text[start : end + 1])
            start = end + 2
    return [*found, text[start:]]


def _label(sentence: str, keys: Collection[str]) -> tuple[list[str], str]:
    if match := LABEL.match(sentence):
        names = match[1].replace("`", "").split(", ")
        if all(name in keys for name in names):
            return names, sentence[match.end() :]
    return [], sentence


def _mentioned(sentence: str, keys: Collection[str]) -> list[str]:
    return [key for key in keys if f"`{key}`" in sentence or ("_" in key and re.search(rf"\b{key}\b", sentence))]


def _joined(parts: list[str]) -> str:
    text = " ".join(parts).strip()
    text = text if "_" in text.split(" ")[0] else f"{text[:1].upper()}{text[1:]}"
    return f"{text[:-1]}." if text.endswith(";") else text
