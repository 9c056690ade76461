"""How the page looks, in light and in dark."""

from __future__ import annotations

from bench.report.plots import COLOURS

__all__ = ["style"]

_STYLE = """
:root {
  color-scheme: light dark;
  --text: #1c2430; --soft: #5b6675; --back: #ffffff; --grid: #e3e7ec;
  --ours: #c2410c; --theirs: #8aa0b8; --good: #15803d; --bad: #b91c1c;
  --c0: #c2410c; --c1: #1d4ed8; --c2: #15803d; --c3: #7e22ce; --c4: #0e7490;
  --c5: #a16207; --c6: #be185d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6eaf0; --soft: #9aa7b8; --back: #12161c; --grid: #2a323d;
    --ours: #fb923c; --theirs: #55708f; --good: #4ade80; --bad: #f87171;
    --c0: #fb923c; --c1: #60a5fa; --c2: #4ade80; --c3: #c084fc; --c4: #22d3ee;
    --c5: #facc15; --c6: #f472b6;
  }
}
body {
  font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 54rem; margin: 2rem auto; padding: 0 1rem;
}
h1, h2, h3 { line-height: 1.2; }
h3 { margin: 1.6rem 0 .4rem; }
.soft, figcaption { color: var(--soft); }
figure { margin: 0 0 1rem; overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; }
td, th { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid var(--grid); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.met { color: var(--good); }
.not { color: var(--bad); }
svg { max-width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--text); }
svg .axis { fill: var(--soft); }
.grid { stroke: var(--grid); }
.ours { fill: var(--ours); }
.theirs { fill: var(--theirs); }
.limit { stroke: var(--good); stroke-width: 2; stroke-dasharray: 4 3; }
.line { fill: none; stroke-width: 2; }
.dashed { stroke-dasharray: 5 4; }
"""


def style() -> str:
    """The style sheet."""
    coloured = [
        f".line.c{n} {{ stroke: var(--c{n}); }}\n.dot.c{n}, svg .n{n} {{ fill: var(--c{n}); }}\n"
        for n in range(COLOURS)
    ]
    return _STYLE + "".join(coloured)
