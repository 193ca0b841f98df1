# SPDX-License-Identifier: Apache-2.0
"""report.html: the demo's figures as pictures, one file without any reference to another."""

import html

WIDTH, HEIGHT, LEFT, BOTTOM = 860, 240, 60, 28
COLOURS = {"host-a": "#4e79a7", "host-b": "#f28e2b", "host-c": "#59a14f"}


def svg(body, height=HEIGHT):
    return (f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" '
            f'font-family="sans-serif" font-size="11">{body}</svg>')


def text(x, y, words, anchor="start", colour="#444"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
            f'{html.escape(words)}</text>')


def tick(value):
    """Three digits, and no powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


class Axes:
    """Maps seconds and values to the drawing, linearly."""

    def __init__(self, seconds, top, unit):
        self.low, self.high = seconds
        self.top = top or 1
        self.unit = unit

    def x(self, at):
        return LEFT + (WIDTH - LEFT - 10) * (at - self.low) / max(1e-9, self.high - self.low)

    def y(self, value):
        return (HEIGHT - BOTTOM) - (HEIGHT - BOTTOM - 12) * min(value, self.top) / self.top

    def frame(self):
        out = ""
        for i in range(5):
            value = self.top * i / 4
            y = self.y(value)
            out += (f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" '
                    'stroke="#e5e5e5"/>')
            out += text(LEFT - 6, y + 4, f"{tick(value)} {self.unit}", "end")
        step = max(1, round((self.high - self.low) / 10))
        at = int(self.low // step * step)
        while at <= self.high:
            if at >= self.low:
                out += text(self.x(at), HEIGHT - 8, f"{at:+d} s", "middle")
            at += step
        return out

    def flip(self):
        x = self.x(0)
        return (f'<line x1="{x:.1f}" x2="{x:.1f}" y1="8" y2="{HEIGHT - BOTTOM}" stroke="#c00" '
                f'stroke-dasharray="4 3"/>' + text(x + 4, 18, "flip", colour="#c00"))

    def line(self, points, colour):
        path = " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'


def heat_strip(hot):
    strip = [float(x) for x in hot.get("strip", [])]
    if not strip:
        return "<p>no forecast was made</p>"
    most, cell = max(strip) or 1, (WIDTH - 20) / len(strip)
    body = ""
    for i, heat in enumerate(strip):
        share = (heat / most) ** 0.5
        colour = f"hsl({220 - 220 * share:.0f} 80% {94 - 44 * share:.0f}%)"
        body += (f'<rect x="{10 + i * cell:.2f}" y="6" width="{cell + 0.2:.2f}" height="40" '
                 f'fill="{colour}"/>')
    body += text(10, 62, "extent 0") + text(WIDTH - 10, 62, f"extent {hot['extentsTotal']}", "end")
    return svg(body, 70)


def residency(got):
    points = [(at - got["flipped_at"], hosts) for at, hosts in got["residency"]]
    if not points:
        return "<p>no samples</p>"
    top = max(max(hosts.values(), default=0) for _, hosts in points)
    axes = Axes((points[0][0], points[-1][0]), top * 1.1, "ext")
    body = axes.frame() + axes.flip()
    for i, (host, colour) in enumerate(COLOURS.items()):
        body += axes.line([(at, hosts.get(host, 0)) for at, hosts in points], colour)
        body += text(WIDTH - 120, 24 + 14 * i, host, colour=colour)
    return svg(body)


def buckets(requests, flipped_at, share):
    """Latency percentile of every tenth of a second, ms."""
    by_time = {}
    for at_ms, us, _ in requests:
        by_time.setdefault(round((at_ms / 1000 - flipped_at) * 10), []).append(us / 1000)
    return [(tenth / 10, sorted(values)[min(len(values) - 1, int(len(values) * share))])
            for tenth, values in sorted(by_time.items())]


def latency(a, b):
    lines = []
    for got, colour in ((a, "#c44"), (b, "#293")):
        for part in ("before", "after"):
            lines.append((buckets(got[part], got["flipped_at"], 0.99), colour))
    lines = [([p for p in points if -10 <= p[0] <= 12], colour) for points, colour in lines]
    top = sorted(value for points, _ in lines for _, value in points)
    axes = Axes((-10, 12), top[int(len(top) * 0.98)] * 1.1 if top else 1, "ms")
    body = axes.frame() + axes.flip()
    for points, colour in lines:
        body += axes.line(points, colour)
    body += text(WIDTH - 120, 24, "A: cold", colour="#c44")
    body += text(WIDTH - 120, 38, "B: prepared", colour="#293")
    return svg(body)


def write(path, rows, a, b):
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(x)}</td>" for x in row) + "</tr>"
                    for row in rows)
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8">
<title>Foreshift demo</title>
<style>body{{font:15px/1.5 sans-serif;max-width:900px;margin:2em auto;color:#222}}
td{{padding:.2em 1em;border-bottom:1px solid #ddd;text-align:right}}
td:first-child{{text-align:left}}
h2{{margin:1.6em 0 .3em}}p{{color:#555;margin:.3em 0}}</style>
<h1>Foreshift: the same migration, cold and prepared</h1><table>{cells}</table>
<h2>What was expected to be hot</h2>
<p>Expected accesses over the horizon, along the volume, as forecast before round B moved.</p>
{heat_strip(b["hot"])}
<h2>Read latency around the flip</h2>
<p>99th percentile of every tenth of a second; between the flip and the first point the client
starts at its new host.</p>{latency(a, b)}
<h2>Extents per host, round A</h2>{residency(a)}
<h2>Extents per host, round B</h2>
<p>Pre-positioning adds copies at the destination; surplus copies go after the flip.</p>
{residency(b)}
</html>"""
    with open(path, "w", encoding="utf-8") as f:
        f.write(page)
