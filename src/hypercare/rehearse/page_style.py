"""The look of a backtest's page."""

from typing import Final

STYLE: Final = """
:root{--bg:#fff;--fg:#1b1f24;--soft:#59636e;--line:#d1d9e0;--track:#f3f5f7;--night:#dfe4ee;--firing:#c4271f;
--pending:#b77400;--hour:#3b6fb5;--note:#fff4d6;--focus:#0b5fce}
@media (prefers-color-scheme:dark){:root{--bg:#10141a;--fg:#e6eaef;--soft:#9aa5b1;--line:#323a44;--track:#1b212a;
--night:#2a3140;--firing:#ff6b60;--pending:#e3a63a;--hour:#7fb0f5;--note:#3a3011;--focus:#8ab8ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.2rem 0 .6rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:1.6rem 0 .4rem}
h3{font-size:1rem;margin:0;overflow-wrap:anywhere}p{margin:.3rem 0}small,.words,.legend,.hours{color:var(--soft)}
code,pre{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}
pre{white-space:pre-wrap;background:var(--track);padding:.5rem .7rem;border-radius:6px;margin:.5rem 0}
.facts{display:flex;flex-wrap:wrap;gap:.6rem 2rem;margin:.8rem 0}.facts div{display:flex;flex-direction:column-reverse}
.facts dt{color:var(--soft)}.facts dd{margin:0;font-size:1.5rem;font-variant-numeric:tabular-nums}
.note{background:var(--note);border-radius:6px;padding:.5rem .8rem;margin:.8rem 0}ul.note{padding-left:1.8rem}
.key{display:inline-block;width:1.2em;height:.8em;border-radius:2px;margin:0 .2em 0 .7em;vertical-align:-.05em}
.key.firing{background:var(--firing)}.key.pending{background:var(--pending);height:.35em;vertical-align:.15em}
.key.night{background:var(--night);border:1px solid var(--line)}
.legend .key:first-child{margin-left:0}
.axis,summary,.instance{display:grid;grid-template-columns:minmax(9rem,22%) 1fr;gap:.1rem .8rem;align-items:center}
.axis>div{position:relative;height:1.4em;font-size:.8rem;color:var(--soft);white-space:nowrap;overflow:hidden}
.axis>div span{position:absolute;border-left:1px solid var(--line);padding-left:.3em}
.axis{padding:0 .4rem}.axis>span{font-size:.8rem;color:var(--soft);text-align:right}
details{border-top:1px solid var(--line);padding:.15rem 0}details[open]{padding-bottom:.8rem}
summary{cursor:pointer;list-style:none;padding:.3rem .4rem;border-radius:6px}
summary::-webkit-details-marker{display:none}
summary:hover{background:var(--track)}
:focus-visible{outline:2px solid var(--focus);outline-offset:1px}
.name{font-weight:600;overflow-wrap:anywhere}.name::before{content:"\\25B8";display:inline-block;width:1.1em;
color:var(--soft)}details[open]>summary .name::before{transform:rotate(90deg)}
.instance{padding:.15rem .4rem}.instance .name{font-weight:400;font-size:.85rem;padding-left:1.1rem}
.instance .name::before{content:none}
.words{grid-column:2;font-size:.85rem}
details>summary:not(:has(svg)){display:block;font-weight:600}
svg{display:block;width:100%;height:22px;background:var(--track);border-radius:3px}
.instance svg{height:12px}.unknown{background:none;border:1px dashed var(--line)}
.blank{fill:var(--bg)}.night{fill:var(--night)}.firing{fill:var(--firing)}.pending{fill:var(--pending)}.hour{fill:var(--hour)}
.night-hour{fill:var(--firing)}
.wide{overflow-x:auto;margin:.5rem 0}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid var(--line);white-space:nowrap;
vertical-align:top}th{color:var(--soft);font-weight:600}td:last-child{white-space:normal;min-width:12rem}
.tallies{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem;margin:.8rem 0}
.tallies section{border:1px solid var(--line);border-radius:8px;padding:.7rem}.tallies svg{height:56px;margin-top:.3rem}
.hours{display:flex;justify-content:space-between;font-size:.75rem;margin:0}
@media (max-width:640px){body{font-size:14px}.axis,summary,.instance{grid-template-columns:1fr}.axis>span{display:none}
.words{grid-column:1}.axis>div span:nth-child(even){display:none}}
@media print{details{break-inside:avoid}}
"""
