"""The report's page as a Jinja template: no script, no request to anywhere, made for light, dark and print."""

STYLE = """
:root { --ink:#1c2430; --soft:#5b6675; --line:#dde2e9; --page:#f5f7fa; --card:#ffffff;
  --good:#0a7a4b; --more:#0b5cad; --change:#b3470a; --open:#6b7280; }
@media (prefers-color-scheme: dark) { :root { --ink:#e7ebf0; --soft:#a3adba; --line:#333c48;
  --page:#14181e; --card:#1d232b; --good:#4cc38a; --more:#7db8f5; --change:#f2955a; --open:#a3adba; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--page); color:var(--ink);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif; }
main { max-width:1080px; margin:0 auto; padding:32px 20px 64px; }
h1 { font-size:30px; line-height:1.2; margin:0 0 6px; letter-spacing:-.01em; }
h2 { font-size:21px; margin:44px 0 12px; }
h3 { font-size:16px; margin:20px 0 8px; }
.lead { color:var(--soft); margin:0 0 20px; font-size:17px; }
.card { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:18px 20px; }
.table { padding:8px 12px; overflow-x:auto; }
.answers { display:grid; gap:14px; margin-bottom:14px; }
.answer { border-left:6px solid var(--tone); }
.answer p { margin:6px 0 0; font-size:17px; }
.answer .arm { font-weight:650; margin-right:10px; overflow-wrap:anywhere; }
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
table { border-collapse:collapse; width:100%; font-size:14.5px; font-variant-numeric:tabular-nums; }
th { text-align:left; color:var(--soft); font-weight:600; border-bottom:2px solid var(--line);
  padding:7px 10px; vertical-align:bottom; }
td { border-bottom:1px solid var(--line); padding:7px 10px; vertical-align:top; }
td.num, th.num { text-align:right; }
td.num { white-space:nowrap; }
tbody tr:last-child td { border-bottom:0; }
tfoot td { font-weight:650; border-top:2px solid var(--line); border-bottom:0; }
.dot { display:inline-block; width:11px; height:11px; border-radius:50%; margin-right:7px; }
figure { margin:0 0 16px; background:#fff; border:1px solid var(--line); border-radius:10px; padding:12px; }
figure img { display:block; max-width:100%; height:auto; margin:0 auto; }
figcaption { color:#5b6675; font-size:13.5px; padding:8px 6px 0; }
.pair { display:grid; grid-template-columns:repeat(auto-fit,minmax(440px,1fr)); gap:16px; align-items:start; }
.pair figure { margin:0; }
.note { color:var(--soft); font-size:14.5px; }
pre { overflow-x:auto; font:13px/1.5 ui-monospace,Menlo,Consolas,monospace; margin:0; }
@media (max-width:560px) { .pair { grid-template-columns:1fr; } }
@media print { body { background:#fff; color:#000; font-size:12px; } main { max-width:none; padding:0; }
  figure,.answer,tr { break-inside:avoid; } h2 { break-after:avoid; } pre { white-space:pre-wrap; } }
"""

SLOPE_IS_PRIOR = "The slope drawn is mostly the prior's: the runs do not determine alpha."

# The columns of a table say how the page writes their cells, and which are set to the right.
GRID = """{% macro grid(table) %}<div class="card table"><table><thead><tr>
{% for column in table.on_page %}
<th{% if column.numeric %} class="num"{% endif %}>{{ column.title }}</th>
{% endfor %}</tr></thead><tbody>
{% for row in table.rows %}<tr>
{% for column in table.on_page %}<td{% if column.numeric %} class="num"{% endif %}>{{
 column.shown(row) }}</td>{% endfor %}
</tr>
{% endfor %}</tbody>
{% if table.on_page | selectattr("total") | list %}<tfoot><tr>
{% for column in table.on_page %}
<td{% if column.numeric %} class="num"{% endif %}>{{ column.total }}</td>
{% endfor %}</tr></tfoot>{% endif %}
</table></div>{% endmacro %}"""

PAGE = """{% from "grid" import grid %}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{{ data.title }}</title>
<style>{{ style | safe }}</style>
</head>
<body><main>
<header>
<h1>{{ data.title }}</h1>
<p class="lead">{{ data.question }}</p>
{% if data.simulated %}<p class="banner">Simulated: every error on this page was drawn from a known law.
It says nothing about real photographs.</p>{% endif %}
</header>

<section id="answer">
<h2>The answer</h2>
<div class="answers">
{% for verdict in tables.verdicts.rows %}
<div class="card answer tone-{{ verdict.label | slug }}">
<span class="arm"><span class="dot" style="background:{{ colours[verdict.arm] }}"></span>{{ verdict.arm }}</span>
<span class="chip">{{ verdict.label }}</span>
{% if verdict.without and verdict.without.finding == "worse" %}
<span class="chip worse">worse than none</span>
{% endif %}
<p>{{ verdict.sentence }}</p>
</div>
{% else %}<p class="card">No verdict yet: no arm has runs at three sizes, which the law needs.
The tables below hold what was measured.</p>
{% endfor %}
</div>
{% if tables.verdicts.rows %}{{ grid(tables.verdicts) }}
<p class="note">What the laws give is told on this page as its median, with an interval that holds 95%
{%- if tables.verdicts.rows[0].level != 0.95 %} ({{ "%.3g" | format(100 * tables.verdicts.rows[0].level) }}% in the
verdicts and the table above, as the sweep asks){% endif %}.</p>{% endif %}
{% if data.stop_reason %}<p class="note">Why the sweep ended: {{ data.stop_reason }}.</p>{% endif %}
{% for note in data.notes %}<p class="note">{{ note }}</p>{% endfor %}
</section>

{% include "exchange" %}

<section id="curves">
<h2>The curves</h2>
{% if figures.others.comparison is defined %}
<figure><img alt="Error against n, all arms" src="{{ figures.others.comparison | source }}">
<figcaption>Error on the real task against the number of rendered images. Marks: runs, with one standard error;
points: single fine-tunes; lines: the law error(n) = D n<sup>&minus;alpha</sup> + C, its median at each n; bands: 90%
for the mean error.
{% if dashed %}<br><strong>Dashed ({{ dashed | join(", ") }}): {{ slope_is_prior }}</strong>{% endif %}
</figcaption></figure>
{% endif %}
<div class="pair">
{% for arm, png in figures.curves.items() %}
<figure><img alt="Curve of {{ arm }}" src="{{ png | source }}">
<figcaption>Marks: runs, with one standard error, those of one size side by side; points: single fine-tunes;
numbers above: the order in which the runs were chosen; line: the median of the law, with bands of 50 and 90%;
thin line: what endless rendering would leave, with 95%.
{% if data.fits[arm].slope_is_prior %}<br><strong>{{ slope_is_prior }}</strong>{% endif %}</figcaption></figure>
{% endfor %}
</div>
</section>

<section id="law">
<h2>alpha and C, and how well they are known</h2>
<p class="note">alpha is how fast the error falls with more images; C, the transfer gap, is the error that
endless rendering would leave.</p>
{{ grid(tables.fits) }}
</section>

{% if data.effects %}<section id="effects">
<h2>What each attribute does</h2>
<p class="note">On average over all combinations of the others, by the model of effects: main effects, pairs, and each
setting's own. Settings that were never rendered count too.</p>
{% if figures.others.effects is defined %}
<figure><img alt="Effects of rendering attributes" src="{{ figures.others.effects | source }}">
<figcaption>Points of error with 95% intervals; left of zero the first level is better.</figcaption></figure>
{% endif %}
{{ grid(tables.effects) }}
{{ grid(tables.settings) }}
</section>{% endif %}

<section id="reference">
<h2>Is pre-training better than none?</h2>
{% if tables.references.rows %}
<p class="note">Both have the recipe values tuned for no pre-training, unless folds showed others to be better.</p>
{{ grid(tables.references) }}
{% else %}<p class="card">The n = 0 reference has not been run.</p>{% endif %}
</section>

{% if data.controls %}<section id="controls">
<h2>Features, or luck?</h2>
<p class="note">Controls: pre-trained on the same images with their labels dealt out anew, fine-tuned and tuned like the
arm. They stay outside the fits.</p>
{{ grid(tables.controls) }}
</section>{% endif %}

{% if data.steps %}<section id="steps">
<h2>How long a fine-tune is</h2>
<p class="note">Chosen before the first run, on folds of the real training images: {{ data.steps_reason }}. The test
images had no part in it.</p>
{% if figures.others.steps is defined %}
<figure><img alt="Error on the folds against steps" src="{{ figures.others.steps | source }}">
<figcaption>The error on the folds by how many steps the fine-tuning had, without pre-training and with it. Thin lines
are single folds.</figcaption></figure>
{% endif %}
{{ grid(tables.steps) }}
</section>{% endif %}

{% if data.tuning %}<section id="tuning">
<h2>What was tuned</h2>
<p class="note">Optuna's choice, {{ data.tuned_on }}. Its minutes and dollars are part of the fine-tunes' below.</p>
{{ grid(tables.tuning) }}
</section>{% endif %}

<section id="decisions">
<h2>What was run, and why</h2>
{% if figures.others.decisions is defined %}
<figure><img alt="Decision path" src="{{ figures.others.decisions | source }}">
<figcaption>The size chosen at each decision, by arm.</figcaption></figure>
{% endif %}
{% if figures.others.learning is defined %}
<figure><img alt="Expected against realised reduction" src="{{ figures.others.learning | source }}">
<figcaption>By what share the uncertainty that a run was for was expected to fall, and fell; on the line it came as
expected. Where several runs of an arm came in between two fits, the fall is that of all of them. Below zero the run
was a surprise: it left more open than there seemed to be before.</figcaption></figure>
{% endif %}
{{ grid(tables.decisions) }}
</section>

<section id="images">
<h2>What was rendered</h2>
{% for sheet in data.sheets %}
<figure><img alt="Rendered images of {{ sheet.rendering }}" src="{{ sheet.png | source }}">
<figcaption><strong>{{ sheet.rendering }}</strong> {{ sheet.caption }}</figcaption></figure>
{% else %}<p class="card">No images to show: none were rendered, or they are not where the config's store is.</p>
{% endfor %}
</section>

<section id="ledger">
<h2>Time and money by stage</h2>
{% if figures.others.spending is defined %}
<figure><img alt="Time and money by stage" src="{{ figures.others.spending | source }}"></figure>
{% endif %}
{{ grid(tables.ledger) }}
</section>

<section id="made">
<h2>How this was made</h2>
<div class="pair">
<div><h3>Versions</h3>{{ grid(tables.versions) }}</div>
<div><h3>Seeds</h3>{{ grid(tables.seeds) }}</div>
</div>
<h3>The sweep, resolved</h3>
<div class="card"><pre>{{ data.config_text }}</pre></div>
</section>
</main></body></html>
"""
