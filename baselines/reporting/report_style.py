"""The style sheet of the report: light and dark, telephone and desk."""

STYLE = """
:root { color-scheme: light dark; --page: #fcfcfb; --ink: #1c1b19; --soft: #5f5e5a; --line: #e2e1dc;
  --accent: #2a78d6; --accent-soft: #86b6ef; --plain: #8a8984; --good: #0b6b3a; --bad: #a33327; }
@media (prefers-color-scheme: dark) { :root { --page: #171716; --ink: #f0efec; --soft: #a9a8a2;
  --line: #363531; --accent: #4c94ea; --accent-soft: #2c5f9e; --plain: #8f8e88; --good: #6fc795;
  --bad: #ef9487; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 58rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; }
p { max-width: 42rem; margin: .5rem 0; }
.lead { color: var(--soft); font-size: 1.1rem; }
.note, caption, figcaption, small { color: var(--soft); font-size: .875rem; }
.figure { display: flex; gap: 1rem; align-items: center; margin: 1.5rem 0; }
.figure b { font-size: 2.75rem; line-height: 1; color: var(--accent); }
figure { margin: 1rem 0; }
figcaption b { color: var(--ink); }
img { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
.film img { margin-bottom: .5rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: 1rem 1.25rem; }
.grid figure { margin: 0; }
.grid img { width: 100%; margin-top: .25rem; }
.chart { max-width: 30rem; }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
.scroll { overflow-x: auto; margin: 1.25rem 0; }
table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .35rem; }
th { text-align: right; font-weight: 600; font-size: .875rem; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td small { display: block; white-space: normal; min-width: 9rem; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--soft); }
.higher { color: var(--good); } .lower { color: var(--bad); } .not { color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .6rem; } }
text { fill: var(--ink); } .tick { fill: var(--soft); } .middle { text-anchor: middle; }
.end { text-anchor: end; } .strong { font-weight: 600; }
polyline { fill: none; stroke-linejoin: round; }
.grid-line { stroke: var(--line); } .axis { stroke: var(--plain); }
.level { stroke: var(--plain); stroke-dasharray: 4 4; }
.run { stroke: var(--accent-soft); stroke-width: 1.5; }
.mean { stroke: var(--accent); stroke-width: 2.5; }
.whisker { stroke-width: 2; stroke: var(--plain); } .whisker.marked { stroke: var(--accent); }
.dot { fill: var(--plain); stroke: var(--page); stroke-width: 2; }
.dot.marked { fill: var(--accent); }
"""
"""Colours are in one place each, and turn with the reader's preference."""
