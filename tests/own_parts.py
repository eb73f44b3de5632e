"""Parts of one's own, one of each kind, as a user writes them: the package `own_parts`, some of it from the docs."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "own-parts.md"
FROM_PAGE = dict(re.findall(r'```python title="own_parts/(\w+)\.py"\n(.*?)```', PAGE.read_text(), re.DOTALL))
PEAKS = FROM_PAGE["peaks"].replace('COLUMN = ("layer", "statistic")\n', "")
FILES = FROM_PAGE | {
    "__init__": "",
    "unsaid": PEAKS,
    "comparing": "from faceleak.signals.reference_similarity import ACCESS, COLUMNS, compare\n",
    "guessing": """
from dataclasses import dataclass

import numpy as np

from faceleak.membership.models.base import best_threshold, numbers
from faceleak.membership.models.base import PlainData


@dataclass(frozen=True)
class Difference(PlainData):
    columns: tuple
    weights: tuple
    threshold: float

    def score(self, table):
        return numbers(table, self.columns) @ np.array(self.weights)

    def logit(self, rows):
        return rows @ rows.new_tensor(self.weights)


MODEL = Difference


def fit(table, columns):
    values, is_member = numbers(table, columns), table["is_member"].to_numpy(bool)
    weights = (values[is_member].mean(0) - values[~is_member].mean(0)) / (values.std(0) + 1e-6) ** 2
    return Difference(tuple(columns), tuple(weights.tolist()), best_threshold(values @ weights, is_member))
""",
    "calibrating": """
class Shift:
    def fit(self, scores, is_member, online=False):
        return {"offset": 0.5}

    def calibrate(self, scores, fitted, online=False):
        return scores.target - scores.out_side().mean + fitted["offset"]
""",
    "bright": """
def needs(scorer):
    return frozenset()


def value(sample, scorer):
    return sample.faces.mean((1, 2, 3))
""",
    "wandering": """
import torch

TAKES_GRADIENTS = False


def maximize(prior, objective, latents, options, generator, dtype):
    moved = prior.space.vary(latents, torch.randn(latents.shape, generator=generator), options.variation)
    return moved, [float(objective(prior.faces(moved), moved).mean())] * options.steps
""",
    "nets": '''
import torch
from torch import nn


class Net(nn.Module):
    """Faces (n, 3, 32, 32) → embeddings (n, 32)."""

    def __init__(self):
        super().__init__()
        self.first, self.bn1 = nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16)
        self.second, self.bn2 = nn.Conv2d(16, 32, 4, 4), nn.BatchNorm2d(32)
        self.third, self.bn3 = nn.Linear(128, 32), nn.BatchNorm1d(32)

    def forward(self, x):
        x = self.bn2(self.second(self.bn1(self.first(x)).relu())).relu()
        return self.bn3(self.third(x.flatten(1)))


class Generator(nn.Module):
    """Latents (n, 4) → faces (n, 3, 32, 32) in 0…1."""

    def __init__(self):
        super().__init__()
        self.small = nn.Linear(4, 3 * 4 * 4)
        nn.init.normal_(self.small.weight, generator=torch.Generator().manual_seed(0))
        nn.init.zeros_(self.small.bias)

    def forward(self, latents):
        return nn.functional.interpolate(self.small(latents).sigmoid().view(-1, 3, 4, 4), scale_factor=8)
''',
}
CONFIGURATION = {
    "faces": """
faces:
  source: own_parts.census
  settings: {people: 52}
  splits:
    roles:
      member: {people: 12}
      unseen_identity: {people: 12}
      auxiliary: {people: 16}
      public: {people: 12}
""",
    "target": """
target:
  train: {architecture: "own_parts.nets:Net", image_size: 32, embedding_size: 32, epochs: 1, batch_size: 16}
""",
    "membership": """
membership:
  risk: null
  attacks:
    bn_distance: null
    bn_moments: null
    reference_similarity: null
    fused: null
    bavaria: null
    own: {signals: [own_parts.peaks, own_parts.comparing], model: own_parts.guessing}
    own_early: {signals: [own_parts.peaks], layers: early}
    own_climbed: {signals: [own_parts.peaks], model: own_parts.guessing, calibration: "own_parts.calibrating:Shift"}
  blind: {reference_signals: [own_parts.peaks]}
  references:
    count: 4
    training: {architecture: "own_parts.nets:Net", image_size: 32, embedding_size: 32, epochs: 1, batch_size: 16}
""",
    "reconstruction": """
reconstruction:
  prior: {factory: "own_parts.nets:Generator", latent_size: 4, output_range: [0, 1]}
  search:
    attack: own_climbed
    optimizer: own_parts.wandering
    objective: {membership: 1.0, own_parts.bright: 0.5}
    candidates: 16
    selected: 8
    rounds: 1
    steps: 1
    images_per_person: 2
  evaluators:
    first:
      training: {architecture: iresnet_tiny, image_size: 32, embedding_size: 32, epochs: 1, batch_size: 16}
    second: null
    resembling: null
""",
    "defense": """
defense:
  bypass_images: 16
  reconstruction_attackers: [adaptive]
  variants:
    - {defense: own_parts.hiding}
""",
}


def write(folder: Path, changes: dict[str, str] | None = None) -> None:
    """Write the package, with other texts for some of its files, into a folder."""
    (folder / "own_parts").mkdir(exist_ok=True)
    for name, text in (FILES | (changes or {})).items():
        (folder / "own_parts" / f"{name}.py").write_text(text)
