"""How many examples a generated test draws: few in an ordinary run, many under HYPOTHESIS_PROFILE=long."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings

TIMES: Final = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1


def generated(examples: int) -> settings:
    """Settings for tests that draw a world from a seed: a smaller seed is no smaller world, so nothing is shrunk."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
