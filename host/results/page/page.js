// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Puts texts, tables and charts into the page.

const by_id = (id) => document.getElementById(id);
const element = (tag, text, name) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
};

// columns: { name, number, cell(row) -> text or node, value(row) -> what sorts }. A click sorts.
function fill_table(table, columns, rows, row_class) {
  table.replaceChildren();
  const head = table.appendChild(element('thead')).appendChild(element('tr'));
  const body = table.appendChild(element('tbody'));
  const show = (sorted) => body.replaceChildren(...sorted.map((row) => {
    const line = element('tr', undefined, row_class ? row_class(row) : '');
    for (const column of columns) {
      const cell = line.appendChild(element('td', undefined, column.number ? 'number' : ''));
      const content = column.cell(row);
      cell.append(content === null || content === undefined ? '' : content);
    }
    return line;
  }));
  columns.forEach((column) => {
    const th = head.appendChild(element('th', column.name, column.number ? 'number' : ''));
    th.title = 'sort';
    th.addEventListener('click', () => {
      const down = th.getAttribute('aria-sort') === 'ascending';
      for (const other of head.children) other.removeAttribute('aria-sort');
      th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const value = column.value || column.cell;
      const missing = (v) => v === null || v === undefined || v === '';
      show(rows.slice().sort((a, b) => {
        const x = value(a), y = value(b);
        if (missing(x) || missing(y)) return missing(x) - missing(y);
        const order = typeof x === 'number' ? x - y : String(x).localeCompare(String(y));
        return down ? -order : order;
      }));
    });
  });
  show(rows);
}

const number_column = (name, key, text) => ({ name, number: true,
  cell: (row) => text(row[key]), value: (row) => row[key] });

function accuracy_cell(row) {
  if (!is_number(row.accuracy_mean)) return '–';
  const several = (row.accuracies || []).length > 1;
  return percent(row.accuracy_mean) + (several ? ' ± ' + percent(row.accuracy_deviation) : '');
}

function setting_columns() {
  if (page.kind !== 'sweep') return [{ name: 'pipeline', cell: (row) => row.label }];
  return page.pointers.map((pointer, i) => ({ name: page.columns[i], cell: (row) => {
    const value = row.settings[pointer];
    if (value === undefined) return '';
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }, value: (row) => row.settings[pointer] }));
}

function fill_rows() {
  const columns = [{ name: '#', number: true, cell: (row) => page.rows.indexOf(row) + 1 },
    ...setting_columns(),
    { name: 'accuracy, %', number: true, cell: accuracy_cell, value: (row) => row.accuracy_mean },
    number_column('weight bits', 'weight_bits', (x) => fixed(x, 2)),
    number_column('activation bits', 'activation_bits', (x) => fixed(x, 2)),
    number_column('model bytes', 'model_bytes', grouped),
    number_column('s/epoch', 'seconds_per_epoch', (x) => fixed(x, 2))];
  if (page.kind === 'sweep') {
    columns.push({ name: 'Pareto', cell: (row) => (row.pareto ? 'yes' : '') });
    if (page.rows.some((row) => row.error)) {
      columns.push({ name: 'error', cell: (row) => row.error && element('span', row.error) });
    }
  }
  fill_table(by_id('rows'), columns, page.rows, (row) => (row.pareto ? 'front' : ''));
}

function fill_header() {
  const kinds = { run: 'qloom run', compare: 'qloom compare', sweep: 'qloom sweep' };
  by_id('kind').textContent = kinds[page.kind];
  by_id('title').textContent = page.title;
  const tile = (name, value) => {
    const box = by_id('tiles').appendChild(element('div', undefined, 'tile'));
    box.append(element('b', value), element('span', name));
  };
  if (page.kind !== 'run') {
    const failed = page.rows.filter((row) => row.error).length;
    by_id('subject').textContent = page.runs.length + ' finished runs';
    tile(page.kind === 'sweep' ? 'combinations' : 'pipelines', String(page.rows.length));
    const best = Math.max(...page.rows.map((row) => row.accuracy_mean || 0));
    if (best > 0) tile('best accuracy, %', percent(best));
    if (failed) tile('failed', String(failed));
    return;
  }
  const report = page.runs[0].report;
  by_id('subject').textContent = report.model + ' on ' + report.dataset + ', seed ' + report.seed +
    ', kernels ' + report.instruction_set + ', qloom ' + report.host_version;
  if (report.final) {
    tile('accuracy, %', percent(report.final.accuracy));
    tile('loss', fixed(report.final.loss, 4));
  }
  tile('mean bits of a weight', fixed(report.totals.weight_bits, 2));
  tile('mean bits of an activation', fixed(report.totals.activation_bits, 2));
  tile('all parameters, with scales and tables', bytes_text(report.totals.model_bytes));
  tile('steps', grouped(report.steps));
  tile('seconds, ' + report.timing.threads + ' threads', fixed(report.timing.seconds, 1));
}

function fill_events(report) {
  const events = (report.events || []).map((event, i) => Object.assign({ number: i + 1 }, event));
  by_id('events-section').hidden = events.length === 0;
  fill_table(by_id('events'), [
    { name: 'swap', number: true, cell: (e) => e.number },
    { name: 'after epoch', number: true, cell: (e) => e.epoch },
    { name: 'after step', number: true, cell: (e) => grouped(e.step), value: (e) => e.step },
    { name: 'by', cell: (e) => (e.type === 'rules' ? 'rule with "from"' : 'plugin rebuilt') },
    { name: 'what changed', cell: (e) => e.what }], events);
}

function fill_warnings(report) {
  const warnings = report.warnings || [];
  by_id('warnings-section').hidden = warnings.length === 0;
  fill_table(by_id('warnings'), [{ name: 'where', cell: (w) => w.where },
    { name: 'what', cell: (w) => w.what }], warnings);
}

function sqnr_text(noise) {
  if (!noise || noise.signal_power === undefined) return '';
  return is_number(noise.sqnr_db) ? noise.sqnr_db.toFixed(1)
       : noise.noise_power === 0 ? 'exact' : '–';
}

function fill_tensors(report) {
  const noise = new Map(tensors(report).map((t) => [t.tensor, t]));
  const rows = [...(report.parameters || []), ...(report.activations || [])].map(
    (row) => Object.assign({}, row, { noise: noise.get(row.name) }));
  fill_table(by_id('tensors'), [
    { name: 'tensor', cell: (row) => row.name },
    { name: 'shape', cell: (row) => (row.shape ? row.shape.join(' × ') : 'one sample') },
    number_column('values', 'elements', grouped),
    { name: 'quantizer', cell: (row) => (row.noise && row.noise.quantizer) || '' },
    number_column('bits', 'bits', (x) => fixed(x, 0)),
    number_column('bytes', 'bytes', grouped),
    number_column('bits stored in training', 'stored_bits', (x) => (is_number(x) ? String(x) : '')),
    { name: 'SQNR, dB', number: true, cell: (row) => sqnr_text(row.noise),
      value: (row) => (row.noise ? row.noise.sqnr_db : null) }], rows);
}

function fill_histograms(report) {
  const box = by_id('histograms');
  box.replaceChildren();
  const statistics = report.layer_statistics;
  by_id('samples').textContent =
    !statistics ? 'Not part of this page; see the page of the run itself.'
    : statistics.error ? 'There is no evaluation with the rules on: ' + statistics.error
    : 'One evaluation pass over ' + statistics.samples + ' samples of the test set.';
  for (const tensor of tensors(report)) {
    const card = box.appendChild(element('div', undefined, 'card'));
    const title = card.appendChild(element('h3', tensor.tensor));
    const facts = [tensor.quantizer ? tensor.quantizer + ', ' + tensor.bits + ' bits' : 'float32'];
    if (tensor.levels) {
      facts.push(tensor.levels.length + (tensor.levels_are === 'used' ? ' levels in use' : ' levels'));
    }
    if (tensor.quantizer) {
      const ratio = sqnr_text(tensor);
      facts.push(ratio === 'exact' ? 'no error' : 'SQNR ' + ratio + ' dB');
    }
    title.appendChild(element('small', facts.join(' · ')));
    const canvas = card.appendChild(element('div', undefined, 'chart low'))
      .appendChild(element('canvas'));
    canvas.className = 'histogram';
    draw_histogram(canvas, tensor, by_id('logarithmic').checked);
  }
}

function fill_storage(report) {
  const storage = drawn_section(report, 'storage');
  by_id('storage-section').hidden = !storage;
  if (!storage) return by_id('storage').replaceChildren();
  fill_table(by_id('storage'), [
    { name: 'tensor', cell: (row) => row.name },
    number_column('values', 'elements', grouped),
    number_column('bits of codes', 'code_bits', grouped),
    number_column('bits of scales and tables', 'table_bits', grouped),
    number_column('bytes', 'bytes', grouped)], [...storage.parameters, ...storage.activations]);
}

// One row for each site; of several groups the smallest and the largest scale.
function fill_formats(report) {
  const formats = drawn_section(report, 'formats');
  const rows = formats ? Object.values(formats.sites) : [];
  by_id('formats-section').hidden = rows.length === 0;
  const ends = (list) => {
    if (!list || list.length === 0) return '';
    const low = list.reduce((a, b) => Math.min(a, b)), high = list.reduce((a, b) => Math.max(a, b));
    return low === high ? String(low) : low + ' .. ' + high;
  };
  fill_table(by_id('formats'), [
    { name: 'site', cell: (row) => row.site + (row.slot ? ' ' + row.slot : '') },
    { name: 'layer', cell: (row) => row.layer },
    number_column('bits', 'bits', grouped),
    { name: 'scale', cell: (row) => ends(row.scale) },
    { name: 'binary point', cell: (row) => ends(row.binary_point) },
    { name: 'zero point', cell: (row) => ends(row.zero_point) },
    { name: 'no fixed grid', cell: (row) => row.message || '' }], rows);
}

// Tables of procedures as they are, then what this page leaves out.
function fill_sections(report) {
  fill_storage(report);
  fill_formats(report);
  const all = sections(report);
  by_id('tables').replaceChildren(...all.filter((s) => !s.why && s.name.startsWith('table.'))
    .map(({ section }) => {
      const box = element('section');
      box.append(element('h2', section.title));
      const table = box.appendChild(element('div', undefined, 'scroll'))
        .appendChild(element('table'));
      fill_table(table, section.columns.map((name, i) => ({ name,
        number: section.rows.every((row) => is_number(row[i])),
        cell: (row) => (row[i] === null || row[i] === undefined ? '' : String(row[i])),
        value: (row) => row[i] })), section.rows);
      return box;
    }));
  const left = all.filter((s) => s.why);
  by_id('sections-section').hidden = left.length === 0;
  fill_table(by_id('sections'), [{ name: 'section', cell: (s) => s.name },
    { name: 'revision', number: true, cell: (s) => s.revision },
    { name: 'why', cell: (s) => s.why }], left);
}

function fill_methods(report) {
  fill_table(by_id('methods'), [{ name: 'kind', cell: (m) => m.kind },
    { name: 'method', cell: (m) => m.id }, { name: 'version', cell: (m) => m.version }],
    report.methods || []);
  by_id('pipeline').textContent = JSON.stringify(report.configuration, null, 2);
}

function show_run(run) {
  const report = run.report;
  by_id('run-page').textContent = run.folder ? 'page of its own' : '';
  if (run.folder) by_id('run-page').href = run.folder + '/report.html';
  fill_warnings(report);
  fill_events(report);
  const list = layers(report);
  draw_bars('bits', 'bits per value', list, (row) => row.bits);
  draw_bars('bytes', 'bytes (inputs: of one sample)', list, (row) => row.bytes);
  draw_bars('sqnr', 'SQNR, dB', list, (row) => (row.noise ? row.noise.sqnr_db : null));
  fill_tensors(report);
  fill_sections(report);
  fill_histograms(report);
  fill_methods(report);
}

// One entry per row: seeds share a colour. Triangles are evaluations.
function fill_legend() {
  const box = by_id('legend');
  box.hidden = page.kind === 'run';
  const styles = ['solid', 'dashed', 'dotted'];
  page.rows.forEach((row, i) => {
    const entry = box.appendChild(element('span'));
    const line = entry.appendChild(element('i'));
    const style = styles[Math.floor(i / kColors.length) % styles.length];
    line.style.borderTop = '3px ' + style + ' ' + kColors[i % kColors.length];
    entry.append((i + 1) + '  ' + row.label);
  });
  box.append(element('span', '\u25B2 evaluation, test set', 'hint'));
}

function show_page() {
  const trained = page.runs.some((run) => ((run.report.series || {}).epoch || []).length > 0);
  by_id('no-training').hidden = trained;
  draw_curves('accuracy', 'accuracy', 'accuracy, %', page.runs);
  draw_curves('loss', 'loss', 'loss', page.runs);
  if (page.kind !== 'run') draw_scatter(by_id('scatter-axis').value);
  const chosen = page.runs[by_id('run').selectedIndex] || page.runs[0];
  if (chosen) show_run(chosen);
}

fill_header();
by_id('comparison').hidden = page.kind === 'run';
if (page.kind !== 'run') {
  fill_rows();
  fill_legend();
}
page.runs.forEach((run) => by_id('run').append(element('option', run_name(run))));
by_id('chooser').hidden = page.kind === 'run' || page.runs.length === 0;
by_id('run').addEventListener('change', () => show_run(page.runs[by_id('run').selectedIndex]));
by_id('scatter-axis').addEventListener('change', () => draw_scatter(by_id('scatter-axis').value));
by_id('logarithmic').addEventListener('change', () => {
  const run = page.runs[by_id('run').selectedIndex] || page.runs[0];
  if (run) fill_histograms(run.report);
});
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show_page);
show_page();
document.body.dataset.ready = 'true';
