"""The measuring tools at a size that measures nothing."""

from processes import ROOT, run_tool


def test_benchmark_step():
    output = run_tool(
        'analysis_tools/benchmark_step.py',
        '--config',
        str(ROOT / 'configs/infopro/deeplabv3_r18_k4_cityscapes.py'),
        *('--crop', '64x64', '--pairs', '2', '--contenders'),
    )
    assert 'hand-written' in output


def test_compare_accuracy_goes_on_where_it_stopped(make_config, tmp_path):
    config = make_config('infopro/deeplabv3_r18_k4_cityscapes.py')
    words = (
        'analysis_tools/compare_accuracy.py',
        config,
        *('--work-dir', tmp_path, '--seeds', '3', '--cfg-options'),
        'train_cfg.max_iters=2',
    )
    first = run_tool(*words)
    log = next(tmp_path.glob('*_seed3/train.log'))
    trained = log.read_text()
    second = run_tool(*words)
    assert log.read_text() == trained
    table = (tmp_path / 'accuracy.md').read_text()
    assert '| seed 3 | mean | std |' in table
    assert table in first
    assert table in second


def test_compare_accuracy_of_an_unknown_metric(make_config, tmp_path):
    config = make_config('infopro/deeplabv3_r18_k4_cityscapes.py')
    run = tmp_path / f'{config.parent.name}_{config.stem}_seed0'
    run.mkdir()
    (run / 'finished').touch()
    output = run_tool(
        'analysis_tools/compare_accuracy.py',
        config,
        *('--work-dir', tmp_path, '--seeds', '0', '--metric', 'mIuO'),
        expect=1,
    )
    assert "'mIuO'" in output


def test_benchmark_step_of_a_bad_crop():
    output = run_tool(
        'analysis_tools/benchmark_step.py', '--crop', '64', expect=1
    )
    assert "`--crop` should be HxW, but got '64'" in output
