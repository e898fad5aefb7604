"""What becomes of one config: it is checked, planned and localized.

    python benchmarks/host_configs/measure_config.py mmseg::fcn/...py

prints a line of JSON. Nothing is trained and no weights are loaded.
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from list_configs import HOSTS, locate, name_paths
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS

from localsup_mm.cli.main import is_refusal
from localsup_mm.engine import check_classes
from localsup_mm.errors import BoundaryError
from localsup_mm.hosts import find_class, find_host, read_training
from localsup_mm.planning import check_end_to_end, localize, write_config
from localsup_mm.simulation import build_host_model, read_workload


def measure(name: str) -> dict[str, Any]:
    """Localize a config, and say what came of it.

    Args:
        name (str): A config's name, ``'mmseg::...'``, or its path.

    Returns:
        dict: ``verdict``: ``'works'``, ``'saves nothing'``, ``'no cut'``,
        ``'refused'`` by a check of ours, ``'host fails'`` by itself, or
        ``'fails'``; ``message`` of an error; the figures of the plan, sizes
        in bytes; ``seconds``, of the CPU.
    """
    begin = time.process_time()
    record: dict[str, Any] = {}
    try:
        record.update(_localize(locate(name)))
    except BoundaryError as error:
        record.update(verdict='no cut', message=name_paths(str(error)))
    except Exception as error:
        kind = f'{type(error).__name__}: '
        if is_refusal(error):
            verdict, kind = 'refused', ''
        else:
            verdict = 'host fails' if _is_of_host(error) else 'fails'
        record.update(
            verdict=verdict, message=name_paths(f'{kind}{error}')[:1000]
        )
    record['seconds'] = round(time.process_time() - begin, 1)
    return record


def measure_quietly(name: str) -> dict[str, Any]:
    """Measure a config as :func:`measure` does, and print nothing."""
    warnings.simplefilter('ignore')
    MMLogger.get_current_instance().setLevel('ERROR')
    with contextlib.redirect_stdout(io.StringIO()):
        return measure(name)


def _is_of_host(error: Exception) -> bool:
    """Tell whether a host cannot build its model, or says it cannot train.

    It may lack a package then.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    package = frames[-1].f_globals.get('__package__') or ''
    return any(f.f_code is build_host_model.__code__ for f in frames) or (
        isinstance(error, (NotImplementedError, ImportError))
        and package.split('.')[0] in HOSTS
    )


def _localize(name: str) -> dict[str, Any]:
    cfg = read_training(name)
    check_end_to_end(cfg, name)
    workload = read_workload(cfg)
    check_classes(workload.model, _find_metainfo(cfg))
    changes, plan = localize(cfg, workload)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'local.py'))
        write_config(path, [], name, changes)
        backbone = Config.fromfile(path).model.backbone
    if list(backbone.local_modules.boundaries) != list(plan.boundaries):
        raise AssertionError('the written config has other boundaries')
    saves = plan.boundaries and plan.peak_memory < 0.98 * plan.end_to_end
    return dict(
        verdict='works' if saves else 'saves nothing',
        input_shape=list(workload.input_shape),
        num_local_modules=len(plan.boundaries) + 1,
        end_to_end=plan.end_to_end,
        peak_memory=plan.peak_memory,
        extra_macs=round(plan.extra_macs, 4),
    )


def _find_metainfo(cfg: Config) -> dict[str, Any]:
    """Find the classes of the training data set, without its files."""
    dataset = cfg.train_dataloader.dataset
    while isinstance(dataset, (dict, list)) and 'metainfo' not in dataset:
        if isinstance(dataset, list):
            dataset = dataset[0]
        elif 'dataset' in dataset or 'datasets' in dataset:
            dataset = dataset.get('dataset') or dataset.datasets
        else:
            break
    metainfo = getattr(
        find_class(dataset, DATASETS, find_host(cfg).scope), 'METAINFO', {}
    )
    return {**metainfo, **(dataset.get('metainfo') or {})}


def main() -> None:
    """Measure the config of the command line; print a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    args = parser.parse_args()
    print(json.dumps(measure_quietly(args.config)))


if __name__ == '__main__':
    main()
