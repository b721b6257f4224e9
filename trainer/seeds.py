"""Random numbers that depend on the run's seed and the step alone, not on what was drawn before.

So a step that is made again, after a kill or in smaller parts, draws the same dropout again, and a
checkpoint needs no generator's state.
"""

import numpy as np
import torch


def seed_step(seed: int, step: int, *process: int) -> None:
    """Seed torch's generators for one step: for one process, or the same in all without it."""
    drawn = np.random.SeedSequence([seed, step, *process]).generate_state(1, np.uint32)
    torch.manual_seed(int(drawn[0]))
