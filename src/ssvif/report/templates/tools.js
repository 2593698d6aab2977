// The gallery's controls, in the page and in the viewer: they write the state and show it.
"use strict";

(() => {
  const { state, set, onChange, make } = SSVIF;
  const pictures = SSVIF.pictures[SSVIF.dataset];
  const scores = SSVIF.scores[SSVIF.dataset];
  const find = (id) => document.getElementById(id);
  const [metric, order, direction] = ["metric", "order", "direction"].map(find);

  function fillPicker(box) {
    const all = make("div", { className: "all" });
    for (const [text, chosen] of [["All", [...pictures.sources.keys()]], ["None", []]]) {
      const button = make("button", { type: "button", textContent: text });
      button.addEventListener("click", () => set({ shown: new Set(chosen) }));
      all.append(button);
    }
    const labels = pictures.sources.map(({ title }, place) => {
      const input = make("input", { type: "checkbox", value: place });
      input.addEventListener("change", () => {
        const shown = new Set(state.shown);
        shown[input.checked ? "add" : "delete"](place);
        set({ shown });
      });
      return make("label", {}, input, title);
    });
    box.append(all, ...labels);
  }

  function fillSelects() {
    for (const [place, { title, arrow }] of scores.metrics.entries()) metric.append(new Option(`${title} ${arrow}`, place));
    order.append(new Option("name", "name"));
    const runs = make("optgroup", { label: "score of" });
    for (const [place, { title }] of pictures.sources.entries()) {
      if (SSVIF.isRun(place)) runs.append(new Option(title, place));
    }
    order.append(runs);
    for (const select of [metric, order]) select.closest("label").hidden = !scores.metrics.length;
  }

  function show() {
    metric.value = state.metric;
    order.value = state.order;
    direction.hidden = state.order === "name";
    direction.textContent = state.bestFirst ? "Best first" : "Worst first";
    direction.setAttribute("aria-pressed", state.bestFirst);
    for (const input of document.querySelectorAll(".picker input")) input.checked = state.shown.has(Number(input.value));
    for (const button of document.querySelectorAll(".switch")) {
      button.setAttribute("aria-pressed", state[button.dataset.switch]);
    }
    SSVIF.makeLegend(find("legend"));
    SSVIF.makeLegend(find("viewer-legend"));
  }

  // what a switch would switch may not be there
  const useful = {
    segmentation: pictures.classes.length > 0,
    boxes: pictures.boxes.length > 0,
    truth: pictures.pairs.some((pair) => pair.truth || pair.trueBoxes),
  };

  function toggle(name) {
    if (!useful[name]) return;
    // labels that nothing shows would answer a key with nothing
    const more = name === "truth" && !state.segmentation && !state.boxes ? { segmentation: useful.segmentation, boxes: useful.boxes } : {};
    set({ [name]: !state[name], ...more });
  }

  document.querySelectorAll(".picker > div").forEach(fillPicker);
  for (const button of document.querySelectorAll(".switch")) {
    button.hidden = !useful[button.dataset.switch];
    button.addEventListener("click", () => toggle(button.dataset.switch));
  }
  fillSelects();
  find("tools").hidden = false;
  metric.addEventListener("change", () => set({ metric: Number(metric.value) }));
  order.addEventListener("change", () => set({ order: order.value === "name" ? "name" : Number(order.value) }));
  direction.addEventListener("click", () => set({ bestFirst: !state.bestFirst }));
  find("filter").addEventListener("input", ({ target }) => set({ filter: target.value }));
  const size = find("size");
  const resize = () => find("pairs").style.setProperty("--size", `${size.value}rem`);
  // to begin with, all of a pair's pictures stand in one line of the window, if they can
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const fitting = (Math.min(find("pairs").clientWidth / rem, 78) + 0.5) / pictures.sources.length - 0.5;
  size.value = Math.min(Math.max(Math.floor(2 * fitting) / 2, 7), 13);
  size.addEventListener("input", resize);
  resize();
  document.querySelector(".blend-range").addEventListener("input", ({ target }) => {
    document.documentElement.style.setProperty("--blend", target.value);
  });
  onChange(show);
  show();
  SSVIF.toggle = toggle;
})();
