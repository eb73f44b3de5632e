"""A guide that says scores and no gradients: any attack on single images, also one that sees embeddings alone."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.membership.attacks import code_of
from faceleak.membership.evidence import Evidence
from faceleak.reconstruction.guide import Guide
from faceleak.signals import registry
from faceleak.signals.observation import Observation, observe
from faceleak.signals.reading import signal_table

if TYPE_CHECKING:
    from faceleak.membership.attacks import Attack


class ScoreGuide(Guide):
    """`model` is the whole attack, with its calibration; no reference saw the people that are drawn."""

    def score_seen(self, seen: Observation) -> Tensor:
        """Membership scores (n,) of faces that the backbone has seen already; no gradient reaches the faces."""
        with torch.inference_mode():
            own = self._table(seen, self.backbone)
            others = [self._table(observe(one, seen.faces, self.needs), one) for one in self.references]
        images = pd.DataFrame({"identity": np.arange(len(own)), "is_member": False})
        attack: Attack = self.model  # type: ignore[assignment]  # a whole attack, as `make_guide` gives it
        scores = attack.score(Evidence(images, own, others, np.ones((len(own), len(others)), bool)))
        return torch.from_numpy(scores).to(seen.faces)

    @property
    def code(self) -> list[str]:
        """The modules that were looked up by name, by which their code enters keys."""
        attack: Attack = self.model  # type: ignore[assignment]
        return [*super().code, *code_of([attack.options])]

    def _table(self, seen: Observation, backbone: Backbone) -> pd.DataFrame:
        readers = [registry.get_reader(name) for name in self.signals]
        tables = [signal_table(reader, backbone, reader.compute(seen).float().cpu().numpy()) for reader in readers]
        return pd.concat(tables, axis=1)


def make_guide(backbone: Backbone, attack: "Attack", references: tuple[Backbone, ...], takes_gradients: bool) -> Guide:
    """Guide an optimizer by an attack that was fitted on what this backbone, or one like it, shows."""
    if takes_gradients:
        return Guide(backbone, tuple(attack.options.signals), attack.model, references)
    return ScoreGuide(backbone, tuple(sorted(attack.options.signals_read())), attack, references)
