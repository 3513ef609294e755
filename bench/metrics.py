"""The metrics of `bench -- metrics` by NumPy and SciPy, on features made the same way: seconds on two threads, to compare with.

    python3 bench/metrics.py [ROWS FEATURES]

Needs NumPy and SciPy with OpenBLAS. Each figure is the least of three.
"""
import sys
import time

import numpy
import scipy.linalg

HIDDEN = 256


def features(rows, width, scale, seed):
    """From fewer dimensions than there are features, cut off at 0, as features of networks are."""
    random = numpy.random.default_rng(seed)
    weights = random.standard_normal((HIDDEN, width), dtype=numpy.float32)
    hidden = random.standard_normal((rows, HIDDEN), dtype=numpy.float32) * (scale / 16)
    noise = random.standard_normal((rows, width), dtype=numpy.float32) * 0.3
    return numpy.maximum(0, hidden @ weights + noise).astype(numpy.float32)


def fid_by_sqrtm(x, y):
    """As published evaluations do: float64 covariances, the root of their product by SciPy."""
    x, y = x.astype(numpy.float64), y.astype(numpy.float64)
    mean = x.mean(0) - y.mean(0)
    a, b = numpy.cov(x, rowvar=False), numpy.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(a @ b, disp=False)[0].real
    return mean @ mean + numpy.trace(a) + numpy.trace(b) - 2 * numpy.trace(root)


def squared_distances(x, y):
    return (x * x).sum(1)[:, None] + (y * y).sum(1)[None, :] - 2 * (x @ y.T)


def precision_recall(samples, reference, k=3):
    radius = numpy.partition(squared_distances(reference, reference), k, axis=1)[:, k]
    sample_radius = numpy.partition(squared_distances(samples, samples), k, axis=1)[:, k]
    between = squared_distances(samples, reference)
    return (between <= radius[None, :]).any(1).mean(), (between <= sample_radius[:, None]).any(0).mean()


def measure(name, compute):
    walls, processors = [], []
    for _ in range(3):
        wall, processor = time.perf_counter(), time.process_time()
        result = compute()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    print(f"{name}: {min(walls):.2f} s, {min(processors):.2f} s of processors: {result}", flush=True)


def main():
    rows, width = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) == 3 else (10_000, 2048)
    samples, reference = features(rows, width, 1.1, 1), features(rows, width, 1.0, 2)
    measure("precision and recall", lambda: precision_recall(samples, reference))
    measure("FID by sqrtm", lambda: fid_by_sqrtm(samples, reference))


main()
