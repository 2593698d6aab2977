// Every image's score as a dot, a lane a run; each dot leads to its pair in the gallery.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LANE_PX = 40;
  const WORST = 5;
  const { make } = SSVIF;

  function draw(tag, values) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    return element;
  }

  const known = (values) => values.filter((value) => value !== null);
  const show = (metric, value) => value.toFixed(metric.decimals).replace("-", "−");

  // round numbers, about four of them, that the values lie between
  function ticksOf(low, high) {
    const rough = (high - low || Math.abs(high) || 1) / 4;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * unit).find((each) => each >= rough);
    const first = Math.floor(low / step);
    const count = Math.max(Math.ceil(high / step - 1e-9) - first, 1);
    return Array.from({ length: count + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
  }

  // dots that would cover each other are stacked, in turn above and below the middle, as far as the lane is high
  function heights(shares) {
    const taken = new Map();
    const levels = Math.floor((LANE_PX - 10) / 4);
    return shares.map((share) => {
      const bin = Math.round(share * 120);
      const count = taken.get(bin) ?? 0;
      taken.set(bin, count + 1);
      const level = count % levels;
      return LANE_PX / 2 + 4 * Math.ceil(level / 2) * (level % 2 ? 1 : -1);
    });
  }

  function addressOf(place, pair, key) {
    return `${place.gallery}#${encodeURIComponent(pair)}/${encodeURIComponent(key)}`;
  }

  function thumbnailOf(place, pair, key) {
    return `${place.root}thumbnails/${[place.dataset, pair, `${key}.jpg`].map(encodeURIComponent).join("/")}`;
  }

  function addLane(place, scores, metric, run, axis, lanes) {
    const values = scores.values[metric.name][run];
    const svg = draw("svg", { height: LANE_PX, "aria-hidden": "true" });
    const share = (value) => (value - axis[0]) / (axis.at(-1) - axis[0]);
    svg.append(draw("line", { x1: 0, x2: "100%", y1: LANE_PX / 2, y2: LANE_PX / 2, class: "rail" }));
    const present = [...values.keys()].filter((pair) => values[pair] !== null);
    const tops = heights(present.map((pair) => share(values[pair])));
    for (const [order, pair] of present.entries()) {
      const dot = draw("circle", { cx: `${100 * share(values[pair])}%`, cy: tops[order], r: 4.5 });
      Object.assign(dot.dataset, { pair, run });
      svg.append(dot);
    }
    const own = known(values);
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    if (own.length) {
      const x = `${100 * share(mean)}%`;
      svg.append(draw("line", { x1: x, x2: x, y1: 4, y2: LANE_PX - 4, class: "mean" }));
    }
    const name = make("span", { textContent: scores.runs[run].title });
    const figure = make("b", { textContent: own.length ? show(metric, mean) : "–" });
    const lane = make("div", { className: "lane" }, name, svg, figure);
    lane.style.setProperty("--c", scores.runs[run].color);
    lane.classList.toggle("own", scores.runs[run].name === place.run);
    lanes.append(lane);
  }

  function addAxis(ticks, metric, box) {
    const svg = draw("svg", { height: 20, "aria-hidden": "true" });
    for (const tick of ticks) {
      const x = `${(100 * (tick - ticks[0])) / (ticks.at(-1) - ticks[0])}%`;
      const text = draw("text", { x, y: 14 });
      text.textContent = tick;
      svg.append(draw("line", { x1: x, x2: x, y1: 0, y2: 4, class: "rail" }), text);
    }
    const title = `${metric.title} ${metric.arrow}`;
    box.append(make("div", { className: "lane axis" }, make("span", { textContent: title }), svg, make("b", { textContent: "mean" })));
  }

  // the same for the keyboard and for screen readers: links to each run's worst pictures
  function addWorst(place, scores, metric, list) {
    const sign = metric.arrow === "↓" ? -1 : 1;
    for (const [run, { name, title }] of scores.runs.entries()) {
      const values = scores.values[metric.name][run];
      const unpictured = new Set(scores.unpictured[run]);
      const worst = [...values.keys()].filter((pair) => values[pair] !== null);
      worst.sort((first, second) => sign * (values[first] - values[second]));
      const items = worst.slice(0, WORST).map((pair) => {
        const id = scores.pairs[pair];
        const text = `${show(metric, values[pair])} · ${id}`;
        if (unpictured.has(id)) return make("li", { textContent: text });
        const image = make("img", { loading: "lazy", alt: "", src: thumbnailOf(place, id, `run_${name}`) });
        return make("li", {}, make("a", { href: addressOf(place, id, `run_${name}`) }, image, text));
      });
      const label = `${title}: ${metric.arrow ? "worst" : "lowest"}`;
      const lane = make("li", {}, make("span", { textContent: label }), make("ol", {}, ...items));
      lane.lastChild.setAttribute("aria-label", `${label} by ${metric.title}`);
      if (!place.run || place.run === name) list.append(lane);
    }
  }

  function addTip(place, scores, box, metricOf) {
    const tip = make("div", { className: "tip", hidden: true }, make("img", { alt: "" }), make("div"));
    box.append(tip);
    box.addEventListener("pointerover", (event) => {
      const dot = event.target.closest("circle");
      for (const each of box.querySelectorAll("circle.same")) each.classList.remove("same");
      tip.hidden = !dot;
      if (!dot) return;
      for (const each of box.querySelectorAll(`circle[data-pair="${dot.dataset.pair}"]`)) each.classList.add("same");
      const [id, run, metric] = [scores.pairs[dot.dataset.pair], scores.runs[dot.dataset.run], metricOf()];
      const pictured = !scores.unpictured[dot.dataset.run].includes(id);
      tip.firstChild.hidden = !pictured;
      if (pictured) tip.firstChild.src = thumbnailOf(place, id, `run_${run.name}`);
      const value = scores.values[metric.name][dot.dataset.run][dot.dataset.pair];
      tip.lastChild.textContent = `${id} · ${run.title} · ${metric.title} ${show(metric, value)}`;
      const { left, bottom } = dot.getBoundingClientRect();
      tip.style.left = `${Math.max(8, Math.min(left - 100, innerWidth - 220))}px`;
      tip.style.top = `${bottom + 200 < innerHeight ? bottom + 8 : bottom - 210}px`;
    });
    box.addEventListener("pointerleave", () => (tip.hidden = true));
    box.addEventListener("click", (event) => {
      const dot = event.target.closest("circle");
      const id = dot && scores.pairs[dot.dataset.pair];
      if (dot && !scores.unpictured[dot.dataset.run].includes(id)) {
        location.href = addressOf(place, id, `run_${scores.runs[dot.dataset.run].name}`);
      }
    });
  }

  function plot(box) {
    const place = box.dataset;
    const scores = SSVIF.scores[place.dataset];
    if (!scores.metrics.length) {
      box.replaceChildren(make("p", { className: "none", textContent: "There are no scores." }));
      return;
    }
    const select = make("select");
    for (const [order, metric] of scores.metrics.entries()) select.append(new Option(`${metric.title} ${metric.arrow}`, order));
    const preferred = scores.metrics.findIndex((metric) => metric.name === "vif");
    select.value = Math.max(preferred, 0);
    const metricOf = () => scores.metrics[select.value];
    const lanes = make("div");
    const worst = make("ol", { className: "worst" });
    const fill = () => {
      const metric = metricOf();
      lanes.replaceChildren();
      worst.replaceChildren();
      const all = known(scores.values[metric.name].flat());
      const ticks = ticksOf(all.reduce((low, each) => Math.min(low, each)), all.reduce((high, each) => Math.max(high, each)));
      for (const run of scores.runs.keys()) addLane(place, scores, metric, run, ticks, lanes);
      addAxis(ticks, metric, lanes);
      addWorst(place, scores, metric, worst);
    };
    box.replaceChildren(make("label", {}, "Metric ", select), lanes, worst);
    addTip(place, scores, box, metricOf);
    select.addEventListener("change", fill);
    fill();
  }

  document.querySelectorAll(".plot").forEach(plot);
})();
