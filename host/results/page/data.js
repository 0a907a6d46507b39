// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the page shows, taken from the JSON that the program put into it. No drawing here.
'use strict';

// A fault is shown, and left where a test finds it.
window.addEventListener('error', (event) => {
  const box = document.createElement('p');
  box.id = 'problem';
  box.textContent = 'This page could not be drawn: ' + event.message;
  document.body.prepend(box);
  document.body.dataset.errors = event.message;
});

const page = JSON.parse(document.getElementById('data').textContent);

const is_number = (x) => typeof x === 'number' && Number.isFinite(x);
const fixed = (x, digits) => (is_number(x) ? x.toFixed(digits) : '–');
const percent = (x) => (is_number(x) ? (100 * x).toFixed(2) : '–');
const grouped = (x) => (is_number(x) ? x.toLocaleString('en-US') : '–');
function bytes_text(n) {
  if (!is_number(n)) return '–';
  if (n < 10240) return grouped(n) + ' B';
  return n < 10485760 ? (n / 1024).toFixed(1) + ' KiB' : (n / 1048576).toFixed(1) + ' MiB';
}

// Rows are numbered from 1 as in the table; a run's name says seed only where there are several.
function row_name(run) {
  return page.kind === 'run' ? page.title : (run.row + 1) + '  ' + page.rows[run.row].label;
}
function run_name(run) {
  const several = page.kind !== 'run' && (page.rows[run.row].runs || []).length > 1;
  return row_name(run) + (several ? ', seed ' + run.seed : '');
}

// Training figures of a report as points over done epochs; evaluations with their epoch.
function curves(report, key) {
  const series = report.series || {};
  const scale = key === 'accuracy' ? 100 : 1;
  const train = (series[key] || []).map((y, i) => ({ x: series.epoch[i], y: scale * y }));
  const last = train.length ? train[train.length - 1].x : 0;
  const evaluate = (report.stages || []).filter((s) => s.type === 'evaluate').map((s) => ({
    x: is_number(s.epoch) ? s.epoch : last, y: scale * s[key] }));
  return { train, evaluate };
}

// Layers in order with the figures of their weights and of what they read.
function layers(report) {
  const noise = new Map(tensors(report).map((t) => [t.tensor, t]));
  const found = new Map();
  const entry = (layer) => {
    if (!found.has(layer)) found.set(layer, { layer, weight: null, input: null });
    return found.get(layer);
  };
  const with_noise = (row) => Object.assign({}, row, { noise: noise.get(row.name) });
  for (const row of report.activations || []) {
    entry(row.name.replace(/^input of /, '')).input = with_noise(row);
  }
  for (const row of report.parameters || []) {
    if (row.name.endsWith('/weight')) entry(row.name.slice(0, -7)).weight = with_noise(row);
  }
  return [...found.values()];
}

function tensors(report) {
  return (report.layer_statistics || {}).tensors || [];
}

// Points that no other one beats: at least the accuracy with at most the bits. Ascending in x.
function front(points) {
  const sorted = points.slice().sort((a, b) => a.x - b.x || b.y - a.y);
  let best = -Infinity;
  return sorted.filter((p) => {
    if (p.y <= best) return false;
    best = p.y;
    return true;
  });
}

// The revision of a section that this page draws; undefined for a section that it does not know.
const kSectionRevisions = new Map([['storage', 1], ['formats', 1], ['origin', 1]]);
const known_revision = (name) => (name.startsWith('table.') ? 1 : kSectionRevisions.get(name));

// Sections of a report; `why` says what keeps one from being drawn. Reports of before have none.
function sections(report) {
  return Object.entries(report.sections || {}).map(([name, section]) => {
    const known = known_revision(name), revision = section.revision;
    const why = known === undefined ? 'not known to this page'
              : revision !== known ? 'this page draws revision ' + known : '';
    return { name, revision, section, why };
  });
}
function drawn_section(report, name) {
  const found = sections(report).find((s) => s.name === name && !s.why);
  return found && found.section;
}
