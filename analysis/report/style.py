"""What all pages share: the head, the colours for light, dark and print, and how a table is written."""

from collections.abc import Mapping

from jinja2 import DictLoader, Environment, StrictUndefined

STYLE = """
:root { color-scheme:light dark; --ink:#1c2430; --soft:#5b6675; --line:#dde2e9; --page:#f5f7fa; --card:#ffffff;
  --good:#0a7a4b; --more:#0b5cad; --change:#b3470a; --open:#6b7280; --wanted:#6a3d9a; --code:#eef1f5;
  --arm-0:#0072b2; --arm-1:#d55e00; --arm-2:#009e73; --arm-3:#b8578f; --arm-4:#3a9bd0; --arm-5:#b87d00;
  --arm-6:#555555; }
@media screen and (prefers-color-scheme: dark) { :root { --ink:#e7ebf0; --soft:#a3adba; --line:#333c48;
  --page:#14181e; --card:#1d232b; --good:#4cc38a; --more:#7db8f5; --change:#f2955a; --open:#a3adba;
  --wanted:#b99be6; --code:#2a323d; --arm-0:#58aee8; --arm-1:#f58a45; --arm-2:#3cc49a; --arm-3:#e08fbe;
  --arm-4:#8fd0f5; --arm-5:#eeb445; --arm-6:#b5b5b5; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--page); color:var(--ink);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif; }
main { max-width:1080px; margin:0 auto; padding:32px 20px 64px; }
h1 { font-size:30px; line-height:1.2; margin:0 0 6px; letter-spacing:-.01em; overflow-wrap:anywhere; }
h2 { font-size:21px; margin:44px 0 12px; }
h3 { font-size:16px; margin:20px 0 8px; overflow-wrap:anywhere; }
.card + figure { margin-top:16px; } .card > :first-child { margin-top:0; }
p, li, figcaption, dd, summary { overflow-wrap:anywhere; }
.lead { color:var(--soft); margin:0 0 20px; font-size:17px; }
.card { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:18px 20px; }
.headline { font-size:20px; line-height:1.4; font-weight:650; margin:0 0 16px; }
.answers { display:grid; gap:14px; margin-bottom:14px; }
.answer { border-left:6px solid var(--tone); }
.answer p { margin:6px 0 0; }
.answer .arm { font-weight:650; margin-right:10px; overflow-wrap:anywhere; }
.answer .levels { color:var(--soft); font-size:14.5px; }
.chip { display:inline-block; padding:1px 11px; border-radius:99px; border:1.5px solid var(--tone);
  color:var(--tone); font-weight:650; font-size:14px; }
.tone-good-enough { --tone:var(--good); }
.tone-render-more { --tone:var(--more); }
.tone-change-the-rendering { --tone:var(--change); }
.tone-label-more { --tone:var(--change); }
.tone-not-identified-yet { --tone:var(--open); }
.chip.worse { --tone:var(--change); margin-left:6px; }
.banner { background:#fff3cd; color:#5c4400; border:1px solid #e6c65c; border-radius:10px;
  padding:12px 18px; margin:0 0 20px; font-weight:600; }
.steps { display:grid; gap:14px; margin:0; padding:0; list-style:none; }
.steps p { margin:0; }
.steps pre { margin:10px 0; padding:10px 12px; background:var(--code); border-radius:8px; }
.facts { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(230px,100%),1fr)); gap:14px; margin:14px 0 0; }
.facts div { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:12px 16px; }
.facts dt { color:var(--soft); font-size:14px; }
.facts dd { margin:2px 0 0; }
.table { padding:8px 12px; margin:0 0 14px; }
table { border-collapse:collapse; width:100%; font-size:14.5px; font-variant-numeric:tabular-nums; }
th { text-align:left; color:var(--soft); font-weight:600; border-bottom:2px solid var(--line);
  padding:7px 8px; vertical-align:bottom; }
td { border-bottom:1px solid var(--line); padding:7px 8px; vertical-align:top; overflow-wrap:anywhere; }
td.num, th.num { text-align:right; }
td:not(.num) { min-width:6.5em; } td:first-child:not(.num) { min-width:8.5em; }
@media screen and (min-width:900px) { td.num { white-space:nowrap; } }
tbody tr:last-child td { border-bottom:0; }
tfoot td { font-weight:650; border-top:2px solid var(--line); border-bottom:0; }
.dot { display:inline-block; width:11px; height:11px; border-radius:50%; margin-right:7px; }
figure { margin:0 0 16px; background:var(--card); border:1px solid var(--line); border-radius:10px; padding:12px; }
figure img { display:block; max-width:100%; height:auto; margin:0 auto; }
figure svg { display:block; width:100%; height:auto; margin:0 auto; stroke-linejoin:round; stroke-linecap:butt; }
figure svg text { fill:var(--ink); font-family:inherit !important; }
figure.light { background:#fff; }
figure .narrow { display:none; }
figure .small svg { max-width:640px; }
figcaption { color:var(--soft); font-size:13.5px; padding:8px 6px 0; }
.pair { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr)); gap:16px;
  align-items:start; margin-bottom:16px; }
.pair figure, .pair .table { margin:0; }
.note { color:var(--soft); font-size:14.5px; }
details { margin:0 0 14px; }
summary { cursor:pointer; padding:8px 0; font-weight:600; }
pre { font:13px/1.5 ui-monospace,Menlo,Consolas,monospace; margin:0; white-space:pre-wrap; overflow-wrap:anywhere; }
@media screen and (max-width:640px) {
  main { padding:20px 12px 48px; } h1 { font-size:25px; } h2 { margin-top:34px; }
  figure { padding:8px 6px; } .card { padding:14px; }
  figure .wide { display:none; } figure .narrow { display:block; }
  thead { position:absolute; width:1px; height:1px; overflow:hidden; clip-path:inset(50%); }
  table, tbody, tfoot, tr, td { display:block; }
  tr { border-bottom:1px solid var(--line); padding:8px 0; } tbody tr:last-child { border-bottom:0; }
  td, td.num, tfoot td { display:flex; justify-content:space-between; gap:14px; border:0; padding:2px 0;
    text-align:right; }
  td::before { content:attr(data-label); color:var(--soft); text-align:left; flex:0 0 38%; font-weight:400; }
  td:empty { display:none; } td:not(.num), td:first-child:not(.num) { min-width:0; } }
@media print { @page { margin:14mm 12mm; }
  body { background:#fff; font-size:11.5px; } main { max-width:none; padding:0; }
  h1 { font-size:22px; } h2 { font-size:16px; margin:22px 0 8px; } .headline { font-size:15px; }
  table, .note, .answer .levels, pre, figcaption, .chip, .facts dt { font-size:10px; }
  td:not(.num) { min-width:5em; } td, th { padding:4px 5px; }
  .card, figure, .facts div { padding:9px 11px; } .pair { grid-template-columns:1fr 1fr; }
  .pair > :only-child { grid-column:1 / -1; }
  figure, .answer, .steps li, tr { break-inside:avoid; } h2, h3, .headline { break-after:avoid; } }
"""

HEAD = """{% macro head(title, style, refresh_s=None) %}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{% if refresh_s %}<meta http-equiv="refresh" content="{{ refresh_s }}">
{% endif %}
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>{{ style | safe }}</style>
</head>{% endmacro %}"""

# The columns of a table say how the page writes their cells, and which are set to the right. On a narrow page each row
# is a list, and a cell says its column itself.
GRID = """{% macro grid(table) %}<div class="card table"><table><thead><tr>
{% for column in table.on_page %}
<th{% if column.numeric %} class="num"{% endif %}>{{ column.title }}</th>
{% endfor %}</tr></thead><tbody>
{% for row in table.rows %}<tr>
{% for column in table.on_page %}<td{% if column.numeric %} class="num"{% endif %} data-label="{{ column.title }}">{{
 column.shown(row) }}</td>
{% endfor %}
</tr>
{% endfor %}</tbody>
{% if table.on_page | selectattr("total") | list %}<tfoot><tr>
{% for column in table.on_page %}
<td{% if column.numeric %} class="num"{% endif %} data-label="{{ column.title }}">{{ column.total }}</td>
{% endfor %}</tr></tfoot>{% endif %}
</table></div>{% endmacro %}"""

# A figure: one drawing for wide pages and one for narrow ones, or the same for both.
DRAWN = """{% macro drawn(name, figure) %}{% if figure.narrow %}<div class="wide" role="img" aria-label="{{ name }}">{{
 figure.wide | safe }}</div><div class="narrow" role="img" aria-label="{{ name }}">{{ figure.narrow | safe }}</div>
{% else %}<div class="small" role="img" aria-label="{{ name }}">{{ figure.wide | safe }}</div>{% endif %}
{% endmacro %}"""


def environment(more: Mapping[str, str] | None = None) -> Environment:
    """Templates with what all pages share; every value is escaped. `more`: further templates to import, by name."""
    shared = {"head": HEAD, "grid": GRID, "drawn": DRAWN} | dict(more or {})
    return Environment(loader=DictLoader(shared), autoescape=True, undefined=StrictUndefined)
