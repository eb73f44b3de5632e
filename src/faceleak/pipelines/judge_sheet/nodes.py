"""Judge sheet: a person's answers on the blind sheet, by kind of face, and agreement with the evaluators."""

import logging
from typing import Any

from faceleak.membership.attackers import UNDEFENDED
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions

log = logging.getLogger(__name__)


def judge_sheet(
    blind_key: dict[str, Any], options: ReconstructionOptions, bootstrap: BootstrapOptions
) -> dict[str, dict[str, Any]]:
    """Count the answers that `blind_sheet.answers` names: variant → blind_sheet → answers and agreement.

    Raises AnswersError where they cannot be counted.
    """
    from faceleak.metrics.blind_answers import read_answers
    from faceleak.metrics.blind_judgement import count_answers, in_words
    from faceleak.metrics.blind_key import BlindKey

    key = BlindKey.model_validate(blind_key)
    counted = count_answers(key, read_answers(options.blind_sheet.answers, key), bootstrap)
    for line in in_words(counted):
        log.info(line)
    return {UNDEFENDED: {"blind_sheet": counted}}
