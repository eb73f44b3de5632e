"""Who people are to an erasure, and the table in which they are scored: words that scores and metrics share."""

GROUPS = ERASED, STAYS, NEVER_IN = "erased", "stays", "never in"
SCORE_COLUMNS = ["draw", "method", "seed", "attacker", "identity", "group", "images", "before", "after"]
