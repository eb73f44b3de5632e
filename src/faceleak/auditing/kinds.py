"""Types of what nodes hand on, under names that import nothing heavy.

To find what checks a parameter, Kedro resolves all hints of a node before anything runs, and gives up on that node
where one of them is nowhere to be found. So each is there: a type checker sees the class, and Kedro an object.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.training_task import TrainingTask
    from faceleak.membership.scoring import Attacks
    from faceleak.reconstruction.prior_training.trained import TrainedPrior
    from faceleak.reconstruction.scorer import Scorer
    from faceleak.reconstruction.tasks import ReconstructionTask
    from faceleak.reporting.audit.document import Audit
else:
    Attacks = Audit = Backbone = Figure = Scorer = ReconstructionTask = TrainedPrior = TrainingTask = object

__all__ = ["Attacks", "Audit", "Backbone", "Figure", "ReconstructionTask", "Scorer", "TrainedPrior", "TrainingTask"]
