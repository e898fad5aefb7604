"""The time of moved bytes, fitted to times of steps."""

import pytest

from localsup_mm.analysis import fit_macs_per_byte

WORK = [(3e12, 5e10), (4e12, 6e10), (3e12, 9e10)]


def make_results(ratio, noise=(1, 1, 1)):
    return {
        str(i): dict(
            step_macs=macs,
            moved_bytes=moved,
            seconds=[factor * (macs + ratio * moved) / 1e11],
        )
        for i, ((macs, moved), factor) in enumerate(zip(WORK, noise))
    }


@pytest.mark.parametrize('ratio', [0.5, 10, 200])
def test_ratio_is_found(ratio):
    assert fit_macs_per_byte(make_results(ratio)) == pytest.approx(ratio)


def test_errors_of_times_are_evened_out():
    found = fit_macs_per_byte(make_results(20, noise=(1.01, 0.99, 1.01)))
    assert 17 < found < 24


def test_what_tells_nothing():
    results = make_results(10)
    alike = dict.fromkeys('abc', results['0'])
    assert fit_macs_per_byte(alike) is None
    assert fit_macs_per_byte({'e2e': results['0']}) is None
    # counted on fake tensors, not timed
    untimed = {n: dict(r, seconds=[]) for n, r in results.items()}
    assert fit_macs_per_byte(untimed) is None
    # more bytes take less time: no ratio does
    results['2']['seconds'] = [1.0]
    assert fit_macs_per_byte(results) is None
