"""How the page of a run looks."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root { color-scheme: light dark; --good: #46a05a; --less: #eba028; --bad: #cd3c3c;
  --none: #9aa3ad; --dim: #8884; --note: #5b8dc9; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5em auto; max-width: 78em; padding: 0 1em; }
h1 { font-size: 1.4em; margin: 0 0 .3em; }
summary { cursor: pointer; }
details.shot { border-bottom: 1px solid var(--dim); content-visibility: auto;
  contain-intrinsic-size: auto 2em; }
details.shot > summary { display: grid; align-items: center; gap: 0 1em; padding: .35em 0;
  grid-template-columns: 5em 12em 9em 1fr 15em 14em; }
details.shot > summary > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
details.shot[open] { padding-bottom: 1em; }
details.group { margin: .6em 0; }
details.group > summary { background: var(--dim); padding: .35em .6em; }
.state { border-radius: .8em; padding: 0 .6em; color: #fff; background: var(--none);
  text-align: center; font-size: .86em; }
.state.done { background: var(--good); } .state.failed { background: var(--bad); }
.state.later, .state.stopped, .state.missing { background: var(--less); }
svg { display: block; width: 100%; } svg.strip { height: 10px; } svg.line { height: 48px; }
svg.line { background: var(--dim); }
polyline { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.strength { stroke: var(--good); } .jitter { stroke: var(--bad); }
.e { fill: var(--good); } .f { fill: var(--less); } .s { fill: var(--bad); }
.n { fill: var(--none); } .a { fill: var(--note); }
.key svg { display: inline-block; width: 1.6em; margin: 0 .2em 0 .9em; }
figure { display: inline-block; margin: .6em 1em .2em 0; vertical-align: top; max-width: 432px; }
figure img { display: block; } figcaption { font-size: .86em; }
figcaption i { opacity: .7; }
.over p { margin: .6em 0 .2em; font-size: .86em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; margin: .6em 0;
  font-size: .9em; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
ul { padding: 0; margin: .5em 0; list-style: none; }
li b { display: inline-block; min-width: 4.6em; }
li.error b { color: var(--bad); } li.warning b { color: var(--less); }
li.note b { color: var(--note); }
pre { overflow: auto; background: var(--dim); padding: .6em; font-size: .86em; }
body:has(#show1:checked) .good { display: none; }
body:has(#show2:checked) :is(.good, .note.shot) { display: none; }
"""
