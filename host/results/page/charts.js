// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The charts, drawn with Chart.js in the colours of the page.

const kColors = ['#3b82f6', '#f59e0b', '#10b981', '#ef4444', '#8b5cf6', '#ec4899', '#06b6d4',
                 '#84cc16', '#a16207', '#64748b'];
const kDashes = [[], [6, 3], [2, 2]];
const kMostLevelLines = 40;  // more levels are ticks at the bottom
const drawn = new Map();     // chart by canvas

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function faint(color, alpha) {
  return color + Math.round(255 * alpha).toString(16).padStart(2, '0');
}

function axis(title, more) {
  return Object.assign({
    title: { display: true, text: title, color: css('--quiet') },
    grid: { color: css('--grid'), borderColor: css('--line') },
    ticks: { color: css('--quiet') },
  }, more);
}

function draw(canvas, type, datasets, options, plugins) {
  if (drawn.has(canvas)) drawn.get(canvas).destroy();
  const all = Object.assign({
    animation: false, responsive: true, maintainAspectRatio: false, color: css('--text'),
  }, options);
  all.plugins = Object.assign({ legend: { position: 'bottom', labels: {
    color: css('--text'), usePointStyle: true, boxWidth: 8, boxHeight: 8 } } }, all.plugins);
  const made = { type, data: datasets, options: all, plugins: plugins || [] };
  drawn.set(canvas, new Chart(canvas, made));
}

// Dashed vertical lines with numbers: the moments of the events.
function event_lines(events) {
  return { id: 'events', afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales } = chart;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css('--quiet');
    ctx.font = '600 12px system-ui, sans-serif';
    ctx.setLineDash([4, 4]);
    events.forEach((event, i) => {
      const x = scales.x.getPixelForValue(event.at);
      ctx.beginPath();
      ctx.moveTo(x, area.top);
      ctx.lineTo(x, area.bottom);
      ctx.stroke();
      ctx.fillText('swap ' + (i + 1), x + 4, area.top + 12);
    });
    ctx.restore();
  } };
}

// Events stand between epochs: an epoch's figures are means over it, drawn at its end.
function event_places(report) {
  const per_epoch = (report.series || {}).epoch ? report.steps / report.series.epoch.length : 0;
  return (report.events || []).map((event) => Object.assign({}, event, {
    at: per_epoch > 0 && is_number(event.step) ? event.step / per_epoch : event.epoch }));
}

function draw_curves(id, key, title, runs) {
  const single = runs.length === 1;
  const datasets = [];
  let last = 0;
  runs.forEach((run) => {
    const color = kColors[run.row % kColors.length];
    const { train, evaluate } = curves(run.report, key);
    for (const p of train.concat(evaluate)) last = Math.max(last, p.x);
    if (train.length) {
      datasets.push({ label: single ? 'training' : row_name(run), data: train, borderColor: color,
        backgroundColor: color, borderWidth: 2, pointRadius: train.length > 40 ? 0 : 3, clip: 10,
        borderDash: kDashes[Math.floor(run.row / kColors.length) % kDashes.length] });
    }
    if (evaluate.length) {
      const other = single ? kColors[1] : color;
      datasets.push({ label: single ? 'evaluation, test set' : row_name(run) + ', evaluation',
        data: evaluate, showLine: false, pointStyle: 'triangle', pointRadius: 7, clip: 10,
        borderColor: other, backgroundColor: other });
    }
  });
  const events = single ? event_places(runs[0].report) : [];
  draw(document.getElementById(id), 'line', { datasets }, {
    scales: { x: axis('training epochs done', { type: 'linear', min: 0, max: Math.max(last, 1),
                        ticks: { color: css('--quiet'), precision: 0 } }), y: axis(title) },
    plugins: single ? {} : { legend: { display: false } },  // the page has one for both charts
  }, [event_lines(events)]);
}

// Bars by layer, weights beside inputs; `figure` gives null where there is nothing to show.
function draw_bars(id, title, list, figure, more) {
  const set = (label, key, color) => ({ label, data: list.map((l) => l[key] && figure(l[key])),
    backgroundColor: faint(color, 0.8), borderColor: color, borderWidth: 1, maxBarThickness: 36 });
  const x = axis('layer');
  x.ticks.autoSkip = list.length > 40;
  x.grid.display = false;
  draw(document.getElementById(id), 'bar', { labels: list.map((l) => l.layer),
    datasets: [set('weights', 'weight', kColors[0]),
               set('input of the layer', 'input', kColors[2])] },
    { scales: { x, y: axis(title, Object.assign({ beginAtZero: true }, more)) } });
}

// Numbers beside the points, and deviations over seeds as vertical lines.
const point_notes = { id: 'notes', afterDatasetsDraw(chart) {
  const { ctx, scales } = chart;
  ctx.save();
  ctx.font = '12px system-ui, sans-serif';
  chart.data.datasets.forEach((set, i) => {
    if (!set.notes) return;
    chart.getDatasetMeta(i).data.forEach((element, j) => {
      const point = set.data[j];
      ctx.strokeStyle = set.borderColor;
      ctx.beginPath();
      ctx.moveTo(element.x, scales.y.getPixelForValue(point.y - point.deviation));
      ctx.lineTo(element.x, scales.y.getPixelForValue(point.y + point.deviation));
      ctx.stroke();
      ctx.fillStyle = css('--text');
      ctx.fillText(point.number, element.x + 8, element.y - 6);
    });
  });
  ctx.restore();
} };

function draw_scatter(key) {
  const points = page.rows.map((row, i) => ({ x: row[key],
    y: is_number(row.accuracy_mean) ? 100 * row.accuracy_mean : null, number: i + 1,
    deviation: 100 * (row.accuracy_deviation || 0), label: row.label,
  })).filter((p) => is_number(p.x) && is_number(p.y));
  const best = front(points);
  const rest = points.filter((p) => !best.includes(p));
  const dots = (label, data, color, fill) => ({ type: 'scatter', label, data, notes: true,
    borderColor: color, backgroundColor: fill, pointRadius: 6, borderWidth: 2 });
  const titles = { weight_bits: 'mean bits of a weight',
                   activation_bits: 'mean bits of an activation',
                   model_bytes: 'bytes of all parameters' };
  draw(document.getElementById('scatter'), 'scatter', { datasets: [
    dots('on the front', best, kColors[0], kColors[0]),
    dots('not on the front', rest, kColors[9], 'transparent'),
    { type: 'line', label: 'Pareto front', data: best, stepped: true, borderColor: kColors[0],
      pointStyle: 'line', borderDash: [5, 4], borderWidth: 1.5, pointRadius: 0 } ] }, {
    layout: { padding: { right: 24 } },
    scales: { x: axis(titles[key], { type: 'linear', grace: '5%' }),
              y: axis('accuracy, %', {
                suggestedMin: Math.min(...points.map((p) => p.y - p.deviation)),
                suggestedMax: Math.max(...points.map((p) => p.y + p.deviation)), grace: '10%' }) },
    plugins: { tooltip: { callbacks: { label: (item) => item.raw.number + '  ' + item.raw.label +
      ': ' + item.raw.y.toFixed(2) + ' %, ' + grouped(item.raw.x) } } },
  }, [point_notes]);
}

// The grid: lines where there are few levels, ticks at the bottom where there are many.
function level_lines(levels) {
  return { id: 'levels', beforeDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales } = chart;
    ctx.save();
    ctx.strokeStyle = css('--level');
    ctx.globalAlpha = 0.6;
    if (levels.length <= kMostLevelLines) ctx.setLineDash([3, 3]);
    const top = levels.length <= kMostLevelLines ? area.top : area.bottom - 8;
    for (const level of levels) {
      if (level < scales.x.min || level > scales.x.max) continue;
      const x = scales.x.getPixelForValue(level);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, area.bottom);
      ctx.stroke();
    }
    ctx.restore();
  } };
}

function draw_histogram(canvas, tensor, logarithmic) {
  const h = tensor.histogram;
  const width = (h.high - h.low) / h.before.length;
  const unit = 100 / Math.max(tensor.values, 1);
  const floor = 0.5 * unit;  // below one value: an empty bin on the logarithmic axis
  const set = (label, counts, color) => {
    const share = (n) => (logarithmic ? Math.max(n * unit, floor) : n * unit);
    const data = counts.map((n, i) => ({ x: h.low + i * width, y: share(n) }));
    data.push({ x: h.high, y: share(counts[counts.length - 1]) });
    return { label, data, stepped: true, pointRadius: 0, borderWidth: 1, borderColor: color,
             backgroundColor: faint(color, 0.35), fill: 'start' };
  };
  const datasets = [set('before', h.before, css('--before'))];
  if (h.after) datasets.unshift(set('after', h.after, css('--after')));
  const y = axis('share of values, %', logarithmic ? { type: 'logarithmic', min: floor } :
                                                     { beginAtZero: true });
  y.ticks = { color: css('--quiet'), maxTicksLimit: 6, callback: function (value) {
    const is_power = Math.abs(Math.log10(value) % 1) < 1e-9;
    return !logarithmic || is_power ? String(+value.toPrecision(6)) : ''; } };
  const x = axis('value', { type: 'linear', min: h.low, max: h.high });
  x.ticks.maxTicksLimit = 7;
  x.ticks.maxRotation = 0;
  x.ticks.includeBounds = false;
  x.ticks.callback = (value) => +value.toPrecision(2);
  x.grid.display = false;
  draw(canvas, 'line', { datasets }, { scales: { x, y }, events: [],
    plugins: { legend: { display: false } } }, [level_lines(tensor.levels || [])]);
}
