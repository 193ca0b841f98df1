#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lstm_torch.py BENCH_FORECAST_COST: one LSTM step by the product and by PyTorch (python3-torch),
with the same batch, weights and one thread; fails when the results differ by more than 1e-5."""
import subprocess
import sys
import tempfile
import time

import numpy
import torch

torch.set_num_threads(1)
with tempfile.NamedTemporaryFile() as file:
    ours_ns = float(subprocess.run([sys.argv[1], "--lstm", file.name], check=True,
                                   capture_output=True, text=True).stdout)
    raw = open(file.name, "rb").read()
inputs, units, rows = numpy.frombuffer(raw, numpy.uint32, 3)
numbers = numpy.frombuffer(raw, numpy.float32, offset=12)
state = rows * units
sizes = [(inputs + units + 1) * 4 * units, units + 1, rows * inputs, state, state, rows]
gates, head, x, hidden, cell, ours = numpy.split(numbers, numpy.cumsum(sizes)[:-1])
gates = torch.tensor(gates.reshape(-1, 4 * units))
lstm = torch.nn.LSTMCell(int(inputs), int(units))
line = torch.nn.Linear(int(units), 1)
with torch.no_grad():
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
      f"{ours_ns:.0f} ns an extent, PyTorch {torch.__version__} {theirs_ns:.0f} ns",
      f"({theirs_ns / ours_ns:.1f} times); apart by at most {apart:.1e}")
sys.exit(apart > 1e-5)
