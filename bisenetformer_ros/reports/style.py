"""Style sheet of the reports."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5d6b7e; --rule: #dfe4ea; --accent: #0b6bcb;
  --bad: #c8372d;
  --series-0: #8aa4c0; --series-1: #5fb3a8; --series-2: #9bc46b; --series-3: #2f7fd1; --series-4: #e09a3e;
  --series-5: #b07cc6; --series-6: #c9d1da; --series-7: #33475f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --card: #1b212a; --ink: #e6ebf1; --soft: #97a5b6; --rule: #2e3742; --accent: #6db3ff;
    --bad: #ff7a6e; --series-6: #465361; --series-7: #c4d0de;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto,
  "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 20px 60px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 14px; }
p { margin: 0 0 12px; }
.lead { color: var(--soft); margin-bottom: 22px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 20px 22px;
  margin-top: 18px; overflow-x: auto; }
.warning { border-left: 4px solid var(--bad); padding: 2px 0 2px 14px; margin-bottom: 22px; }
.note { color: var(--soft); font-size: 13.5px; margin: 12px 0 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; }
.tile b { display: block; font-size: 26px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; font-size: 13px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
tr.total td { font-weight: 600; }
.swatch { display: inline-block; width: 13px; height: 13px; border-radius: 3px; margin-right: 8px;
  vertical-align: -2px; box-shadow: inset 0 0 0 1px rgb(0 0 0 / 0.2); }
.meter { display: inline-block; width: 90px; height: 8px; border-radius: 4px; background: var(--rule);
  margin-left: 10px; overflow: hidden; }
.meter i { display: block; height: 100%; background: var(--accent); }
figure { margin: 0; }
figure img { display: block; width: 100%; border-radius: 6px; background: #000; }
figcaption { color: var(--soft); font-size: 13px; padding: 5px 2px 0; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; margin-bottom: 18px; }
.row:last-child { margin-bottom: 0; }
h3 { font-size: 14.5px; margin: 0 0 8px; }
svg { display: block; width: 100%; height: auto; font-size: 12.5px; }
svg text { fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--rule); fill: none; }
svg .whisker { stroke: var(--soft); stroke-width: 1.5; fill: none; }
svg .line { stroke: var(--accent); stroke-width: 2; fill: none; stroke-linejoin: round; }
svg .mark { fill: var(--card); stroke: var(--accent); stroke-width: 2.5; }
svg .missing { fill: var(--bad); opacity: 0.22; }
svg.heat { margin: 0 auto 18px; }
svg .right { fill: var(--accent); }
svg .wrong { fill: var(--bad); }
svg.heat g text { fill: var(--ink); }
svg.heat g .strong { fill: #fff; }
svg .frame { fill: none; stroke: var(--rule); }
svg .view { fill: var(--rule); opacity: 0.45; }
svg .true { stroke: var(--ink); stroke-dasharray: 3 2; fill-opacity: 0.2; }
svg .estimated { stroke: var(--ink); fill-opacity: 0.7; }
svg .id { fill: var(--ink); stroke: var(--card); stroke-width: 3; paint-order: stroke; font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 0; color: var(--soft); font-size: 13px; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: 13px; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
"""
