"""The report's page as a Jinja template: answers first; no script, no request to anywhere."""

# Of one s, and of several.
QUESTION = ("Render more images, or change how they are rendered?", "Render more images, or label more photographs?")
QUESTION_OF_DESIGN = "Which attribute of the rendering matters, and which setting is the best?"
SLOPE_IS_PRIOR = "The slope drawn is mostly the prior's: the runs do not determine alpha."

ANSWERS = """{% macro ranked(rankings) %}{% for task, found in rankings.items() %}
<p class="headline">{% if rankings | length > 1 %}{{ task }}: {% endif %}{{ found.in_words }}</p>
{% endfor %}{% endmacro %}
{% macro card(verdict, colour, levels) %}
<div class="card answer tone-{{ verdict.label | slug }}">
<span class="arm"><span class="dot" style="background:{{ colour }}"></span>{{ verdict.arm }}</span>
<span class="chip">{{ verdict.label }}</span>
{% if verdict.without and verdict.without.finding == "worse" %}
<span class="chip worse">worse than none</span>
{% endif %}
{% if levels %}<div class="levels">{% for name, level in levels.items() %}{{ name | replace("_", " ") }} {{ level
 }}{% if not loop.last %} &middot; {% endif %}{% endfor %}</div>{% endif %}
<p>{{ verdict.sentence }}</p>
</div>{% endmacro %}
{% macro facts(pairs, tested) %}{% if pairs or tested %}<dl class="facts">
{% for term, text in pairs %}<div><dt>{{ term }}</dt><dd>{{ text }}</dd></div>
{% endfor %}
{% if tested %}<div><dt>What the test set can tell apart</dt><dd>{{ tested.in_words }}</dd></div>{% endif %}
</dl>{% endif %}{% endmacro %}"""

PAGE = """{% from "head" import head %}{% from "grid" import grid %}{% from "drawn" import drawn %}
{% from "answers" import ranked, card, facts %}{{ head(data.title, style, data.refresh_s) }}
<body><main>
<header>
<h1>{{ data.title }}</h1>
<p class="lead">{{ data.question }}</p>
{% if data.simulated %}<p class="banner">Simulated: every error on this page was drawn from a known law.
It says nothing about real photographs.</p>{% endif %}
{% if not data.stop_reason %}<p class="banner">Not finished: what follows is what the runs so far say.</p>{% endif %}
</header>

<section id="answer">
<h2>The answer</h2>
{{ ranked(rankings) }}
<div class="answers">
{% for verdict in tables.verdicts.rows %}{{ card(verdict, colours[verdict.arm], data.levels.get(verdict.arm)) }}
{% else %}{% for name, said in attributes.items() %}<div class="card answer tone-none">
{% if attributes | length > 1 %}<span class="arm">{{ name }}</span>{% endif %}
{% for sentence in said %}<p>{{ sentence[0] | upper }}{{ sentence[1:] }}.</p>
{% endfor %}</div>
{% else %}<p class="card">No verdict yet: no arm has runs at three sizes, which the law needs.
The tables below hold what was measured.</p>
{% endfor %}{% endfor %}
</div>
</section>

{% if data.next_steps %}<section id="next">
<h2>What to do next</h2>
<ol class="steps">
{% for step in data.next_steps %}<li class="card"><p>{{ step.what }}</p>
{% if step.command %}<pre><code>{{ step.command }}</code></pre>{% endif %}
{% if step.cost %}<p class="note">{{ step.cost }}</p>{% endif %}
</li>
{% endfor %}</ol>
</section>{% endif %}

<section id="facts">
{{ facts(data.facts, tested) }}
{% if data.stop_reason %}<p class="note">Why the sweep ended: {{ data.stop_reason }}.</p>{% endif %}
{% for note in data.notes %}<p class="note">{{ note }}</p>{% endfor %}
</section>

{% include "exchange" %}

<section id="curves">
<h2>The curves</h2>
{% if figures.others.comparison is defined %}
<figure>{{ drawn("Error against n, all arms", figures.others.comparison) }}
<figcaption>Error on the real task against the number of rendered images. Marks: runs, with one standard error;
points: single fine-tunes; lines: the law error(n) = D n<sup>&minus;alpha</sup> + C, its median at each n; bands: 90%
for the mean error.
{% if dashed %}<br><strong>Dashed ({{ dashed | join(", ") }}): {{ slope_is_prior }}</strong>{% endif %}
</figcaption></figure>
{% endif %}
{% if figures.curves %}{% if figures.curves | length > 1 or figures.others.comparison is defined %}
<h3>Each arm</h3>{% endif %}
<div class="pair">
{% for arm, figure in figures.curves.items() %}
<figure>{{ drawn("Curve of " ~ arm, figure) }}
{% if data.fits[arm].slope_is_prior %}<figcaption><strong>Dashed: {{ slope_is_prior }}</strong></figcaption>{% endif %}
</figure>
{% endfor %}
</div>
<p class="note">Marks: runs, with one standard error, those of one size side by side; points: single fine-tunes; line:
the median of the law, with bands of 50 and 90%; thin line: C, the transfer gap, with
{{ "%.3g" | format(100 * data.level) }}%.</p>{% endif %}
{% if tables.verdicts.rows %}{{ grid(tables.verdicts) }}
<p class="note">What the laws give is told on this page as its median, with an interval that holds
{{ "%.3g" | format(100 * data.level) }}%.</p>{% endif %}
</section>

{% if data.photographs or data.sheets or not data.simulated %}<section id="images">
<h2>Renders beside real photographs</h2>
{% if data.photographs or data.sheets %}<div class="pair">
{% for sheet in ([data.photographs] if data.photographs else []) + (data.sheets | list) %}
<figure><img alt="{{ sheet.rendering }}" src="{{ sheet.picture | source }}">
<figcaption><strong>{{ sheet.rendering }}</strong>: {{ sheet.caption }}</figcaption></figure>
{% endfor %}
</div>{% else %}<p class="card">No images to show: none were rendered, or they are not where the config's store is.</p>
{% endif %}
{% if data.sheets | selectattr("labelled") | list %}<details><summary>The renders with their labels</summary>
{% for sheet in data.sheets if sheet.labelled %}
<figure><img alt="Labels of {{ sheet.rendering }}" src="{{ sheet.labelled | source }}">
<figcaption><strong>{{ sheet.rendering }}</strong>, with the boxes and classes of what is visible</figcaption></figure>
{% endfor %}</details>{% endif %}
</section>{% endif %}

{% if data.effects %}<section id="effects">
<h2>What each attribute does</h2>
<p class="note">On average over all combinations of the others, by the model of effects: main effects, pairs, and each
setting's own. Settings that were never rendered count too.</p>
{% if figures.others.effects is defined %}
<figure>{{ drawn("Effects of rendering attributes", figures.others.effects) }}
<figcaption>Points of error with 95% intervals; left of zero the first level is better.</figcaption></figure>
{% endif %}
{{ grid(tables.effects) }}
{% if not data.fits or tables.settings.rows | rejectattr("2.runs") | list %}{{ grid(tables.settings) }}{% endif %}
</section>{% endif %}

<section id="reference">
<h2>Is pre-training better than none?</h2>
{% if tables.references.rows %}
{% if data.tuning %}<p class="note">Both have the recipe values tuned for no pre-training, unless folds showed others to
be better.</p>{% endif %}
{{ grid(tables.references) }}
{% else %}<p class="card">The n = 0 reference has not been run.</p>{% endif %}
</section>

<section id="law">
<h2>alpha and C, and how well they are known</h2>
<p class="note">alpha is how fast the error falls with more images; C, the transfer gap, is the error that
any number of images would leave.</p>
{{ grid(tables.fits) }}
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
<figure>{{ drawn("Error on the folds against steps", figures.others.steps) }}
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

<section id="ledger">
<h2>Time and money by stage</h2>
<p class="note">Minutes of work; stages run side by side, so the sweep itself was shorter.</p>
{{ grid(tables.ledger) }}
</section>

<section id="decisions">
<h2>What was run, and why</h2>
<details><summary>Every run in order, with its reason: {{ data.decisions | length }} of them</summary>
{% if figures.others.decisions is defined %}
<figure>{{ drawn("Decision path", figures.others.decisions) }}
<figcaption>The size chosen at each decision, by arm.</figcaption></figure>
{% endif %}
{{ grid(tables.decisions) }}
{% if figures.others.learning is defined %}
<figure>{{ drawn("Expected against realised reduction", figures.others.learning) }}
<figcaption>By what share the uncertainty that a run was for was expected to fall, and fell; on the line it came as
expected. Where several runs of an arm came in between two fits, the fall is that of all of them. Below zero the run
was a surprise: it left more open than there seemed to be before.</figcaption></figure>
{% endif %}
</details>
</section>

<section id="made">
<h2>How this was made</h2>
<details><summary>Names in the tables, versions, seeds, and the sweep file</summary>
{% if full_names %}<h3>Names</h3><div class="card"><dl>
{% for short, name in full_names.items() %}<dt>{{ short }}</dt><dd>{{ name }}</dd>
{% endfor %}</dl></div>{% endif %}
<div class="pair">
<div><h3>Versions</h3>{{ grid(tables.versions) }}</div>
<div><h3>Seeds</h3>{{ grid(tables.seeds) }}</div>
</div>
<h3>The sweep, resolved</h3>
<div class="card"><pre>{{ data.config_text }}</pre></div>
</details>
</section>
</main></body></html>
"""
