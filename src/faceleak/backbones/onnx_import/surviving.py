"""How much of a network's BN an ONNX file still holds: exporters fold it into convolutions unless told not to."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from faceleak.backbones.onnx_import.reading import operator, read_model

ACTIVATIONS = {"Relu", "PRelu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "Selu"}
AFTER_BN = ACTIVATIONS | {"Add"}  # a residual block adds after its last BN
FUSED = ("com.microsoft::FusedConv", "com.microsoft.nchwc::Conv")
ADVICE = (
    "Export again with BN kept: torch.onnx.export(…, training=torch.onnx.TrainingMode.PRESERVE, "
    "do_constant_folding=False, dynamo=False), the network in eval mode."
)


@dataclass(frozen=True)
class SurvivingBatchNorms:
    """Counts of nodes. `probably_folded`: convolutions with a bias, with an activation or a sum right after them."""

    batch_norms: int
    convolutions: int
    probably_folded: int

    @property
    def meaning(self) -> str:
        """What the audit can read, in words."""
        kept, lost = self.batch_norms, self.probably_folded
        if kept and not lost:
            return f"All signs are that the {kept} BN layers are complete: BN and embedding signals both work."
        if kept:
            return (
                f"{kept} BN layers are there, and about {lost} were probably folded into convolutions: BN signals read "
                f"a part of what the network knows, embedding signals still work. {ADVICE}"
            )
        if lost:
            return (
                f"No BN layer is there, and {lost} of {self.convolutions} convolutions look as if BN was folded into "
                f"them: BN signals are impossible, embedding signals still work. {ADVICE}"
            )
        return (
            "The network has no BN layer and shows no sign of one: BN signals are impossible, embedding signals work."
        )


def surviving_batch_norms(path: Path) -> SurvivingBatchNorms:
    """Count BN nodes and convolutions of an ONNX file without reading its weights. Raises OnnxError."""
    nodes = read_model(path).graph.node
    followers = defaultdict(set)
    for node in nodes:
        for name in node.input:
            followers[name].add(operator(node))
    kinds = [operator(node) for node in nodes]
    with_bias = [node for node, kind in zip(nodes, kinds, strict=True) if kind == "Conv" and any(node.input[2:])]
    folded = [node for node in with_bias if any(followers[name] & AFTER_BN for name in node.output)]
    fused = sum(kind in FUSED for kind in kinds)
    return SurvivingBatchNorms(kinds.count("BatchNormalization"), kinds.count("Conv") + fused, len(folded) + fused)
