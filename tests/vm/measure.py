# SPDX-License-Identifier: Apache-2.0
"""Figures out of what a guest told of its I/Os."""

import statistics

from machine import READ, WRITE


def median(values):
    values = [x for x in values if x is not None]
    return statistics.median(values) if values else None


def quantile(values, share):
    """Nearest rank."""
    ordered = sorted(x for x in values if x is not None)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def requests(records):
    return [r for r in records if r.op in (READ, WRITE)]


def window(records, begin, end):
    """Requests that ended between two times: how many a second, and how long reads took."""
    inside = [r for r in requests(records) if begin <= r.arrived < end]
    reads = [r.latency for r in inside if r.op == READ]
    if end <= begin or not inside:
        return {"iops": 0.0, "read_p50_us": None, "read_mean_us": None, "read_p99_us": None}
    return {"iops": len(inside) / (end - begin),
            "read_p50_us": statistics.median(reads) * 1e6 if reads else None,
            "read_mean_us": statistics.fmean(reads) * 1e6 if reads else None,
            "read_p99_us": quantile(reads, 0.99) * 1e6 if reads else None}


def longest_gap(records, begin, end):
    """The longest time in which the host heard of no finished request, in seconds."""
    times = [r.arrived for r in requests(records) if begin <= r.arrived < end]
    return max((b - a for a, b in zip(times, times[1:])), default=None)


def first_after(records, life):
    """When the first request of a life ended."""
    return next((r.arrived for r in requests(records) if r.life == life), None)


def written_bytes(records, begin, end):
    return 4096 * sum(r.op == WRITE and begin <= r.arrived < end for r in records)
