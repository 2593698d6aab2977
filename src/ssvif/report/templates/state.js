// What the gallery shows and how. Every part reads it here and is told when it changes.
"use strict";

(() => {
  const pictures = SSVIF.pictures[SSVIF.dataset];
  const scores = SSVIF.scores[SSVIF.dataset];
  const listeners = [];
  const rowOf = new Map(scores.pairs.map((name, row) => [name, row]));
  const runOf = new Map(scores.runs.map((run, place) => [`run_${run.name}`, place]));
  const vif = scores.metrics.findIndex((metric) => metric.name === "vif");

  const state = {
    shown: new Set(pictures.sources.keys()), // places in `pictures.sources`
    segmentation: false,
    boxes: false,
    truth: false,
    filter: "",
    metric: Math.max(vif, 0), // place in `scores.metrics`
    order: "name", // or the place of a run, by whose score the pairs are ordered
    bestFirst: false,
    list: [], // places in `pictures.pairs`, filtered and ordered
    open: null, // the pair in the viewer, a place in `pictures.pairs`
    slider: false, // two pictures instead of all
    left: 0,
    right: pictures.sources.length - 1,
    split: 50, // where the slider is, in percent
    zoom: 1, // 1 fits the window
    x: 0, // where the picture's corner is, in widths of the window
    y: 0,
  };

  function set(changes) {
    const changed = Object.keys(changes).filter((key) => state[key] !== changes[key]);
    if (!changed.length) return;
    Object.assign(state, changes);
    for (const listener of listeners) listener(new Set(changed));
  }

  // a pair's score, null where it has none: its sources have no scores
  function scoreOf(pair, place) {
    const metric = scores.metrics[state.metric];
    const run = runOf.get(pictures.sources[place].key);
    return metric && run !== undefined ? scores.values[metric.name][run][rowOf.get(pair.id)] : null;
  }

  function scoreText(pair, place) {
    const value = scoreOf(pair, place);
    return value === null ? "" : value.toFixed(scores.metrics[state.metric].decimals).replace("-", "−");
  }

  function listPairs() {
    const wanted = state.filter.trim().toLowerCase();
    const list = [...pictures.pairs.keys()].filter((place) => pictures.pairs[place].id.toLowerCase().includes(wanted));
    if (state.order === "name") return list;
    const valueOf = (place) => scoreOf(pictures.pairs[place], state.order);
    const falling = (scores.metrics[state.metric].arrow === "↓") !== state.bestFirst;
    return list.sort((first, second) => {
      const [left, right] = [valueOf(first), valueOf(second)];
      if (left === null || right === null) return (left === null) - (right === null);
      return falling ? right - left : left - right;
    });
  }

  Object.assign(SSVIF, {
    state,
    set,
    scoreText,
    listPairs,
    onChange: (listener) => listeners.push(listener),
    shownSources: () => [...pictures.sources.keys()].filter((place) => state.shown.has(place)),
    typing: (target) => target.matches?.("input[type=search], select, textarea") ?? false,
  });
})();
