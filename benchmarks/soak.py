"""A long training of a tiny network: is memory flat, and how long a resume?

    python benchmarks/soak.py --iterations 3000

It trains the toy network of the tests with two local modules on the CPU,
writes a checkpoint every 100 iterations, and compares the resident memory of
the last quarter with that of the first, warm-up left out. Then it resumes.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from mmengine.hooks import Hook

sys.path.insert(0, str(Path(__file__).parents[1] / 'tests'))

from toy_runner import make_runner

WARM_UP = 100


class MemoryHook(Hook):
    """Keeps the resident memory after each iteration, in MiB."""

    priority = 'LOWEST'

    def __init__(self):
        self.resident = []
        self.times = []

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        status = Path('/proc/self/status').read_text()
        line = next(x for x in status.splitlines() if x.startswith('VmRSS'))
        self.resident.append(int(line.split()[1]) / 2**10)
        self.times.append(time.perf_counter())


def train(work_dir, max_iters, **settings):
    runner = make_runner(
        work_dir,
        max_iters=max_iters,
        checkpoint=dict(interval=100, max_keep_ckpts=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-6)),
        log_level='WARNING',
        **settings,
    )
    hook = MemoryHook()
    runner.register_hook(hook)
    start = time.perf_counter()
    runner.train()
    return hook, hook.times[0] - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--iterations', type=int, default=3000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder) / 'soak'
        hook, first = train(work_dir, args.iterations)
        resident = hook.resident[WARM_UP:]
        quarter = len(resident) // 4
        before = statistics.mean(resident[:quarter])
        after = statistics.mean(resident[-quarter:])
        size = (work_dir / f'iter_{args.iterations}.pth').stat().st_size
        _, resumed = train(work_dir, args.iterations + 1, resume=True)
    print(
        json.dumps(
            dict(
                iterations=args.iterations,
                mib_in_first_quarter=round(before, 2),
                mib_in_last_quarter=round(after, 2),
                growth_percent=round(100 * (after / before - 1), 3),
                seconds_to_first_iteration=round(first, 3),
                seconds_to_resumed_iteration=round(resumed, 3),
                checkpoint_kib=round(size / 2**10),
            ),
            indent=2,
        )
    )


if __name__ == '__main__':
    main()
