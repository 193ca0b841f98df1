#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lstm_torch.py BENCH_FORECAST_COST [ROWS ...]: one LSTM step by the product and by PyTorch
(python3-torch) with the same weights, batch and one thread, for batches of 256 extents, which is
what the product takes, and larger ones; fails when results differ by more than 1e-5."""
import subprocess
import sys
import tempfile
import time

import numpy
import torch


def by_product(bench, rows):
    """Its time, shape, weights, batch and results."""
    with tempfile.NamedTemporaryFile() as file:
        said = subprocess.run([bench, "--lstm", file.name, str(rows)], check=True,
                              capture_output=True, text=True).stdout
        raw = open(file.name, "rb").read()
    inputs, units, rows = (int(x) for x in numpy.frombuffer(raw, numpy.uint32, 3))
    state = rows * units
    sizes = [(inputs + units + 1) * 4 * units, units + 1, rows * inputs, state, state, rows]
    numbers = numpy.frombuffer(raw, numpy.float32, offset=12).copy()
    return float(said), inputs, units, numpy.split(numbers, numpy.cumsum(sizes)[:-1])


def compare(bench, rows):
    ours_ns, inputs, units, (gates, head, x, hidden, cell, ours) = by_product(bench, rows)
    gates = torch.tensor(gates.reshape(-1, 4 * units))
    lstm = torch.nn.LSTMCell(inputs, units)
    line = torch.nn.Linear(units, 1)
    lstm.weight_ih.copy_(gates[:inputs].T)
    lstm.weight_hh.copy_(gates[inputs:-1].T)
    lstm.bias_ih.copy_(gates[-1])
    lstm.bias_hh.zero_()
    line.weight.copy_(torch.tensor(head[:-1])[None])
    line.bias.copy_(torch.tensor(head[-1:]))
    x = torch.tensor(x.reshape(rows, inputs))
    state = torch.tensor(hidden.reshape(rows, units)), torch.tensor(cell.reshape(rows, units))
    theirs_ns = float("inf")
    for _ in range(200):
        began = time.thread_time_ns()
        theirs = line(lstm(x, state)[0])
        theirs_ns = min(theirs_ns, (time.thread_time_ns() - began) / rows)
    apart = float(numpy.abs(theirs.numpy().ravel() - ours).max())
    print(f"LSTM step, {rows} x {inputs} inputs, {units} units, one thread:",
          f"{ours_ns:.0f} ns an extent,",
          f"PyTorch {torch.__version__} {theirs_ns:.0f} ns ({theirs_ns / ours_ns:.1f} times);",
          f"apart by at most {apart:.1e}")
    return apart <= 1e-5


torch.set_num_threads(1)
with torch.no_grad():
    sizes = sys.argv[2:] or (256, 1024, 8192)
    sys.exit(not all([compare(sys.argv[1], int(rows)) for rows in sizes]))
