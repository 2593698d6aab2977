// The viewer: one pair in every chosen method, side by side, or two of them under a slider.
"use strict";

(() => {
  const { state, set, onChange, make } = SSVIF;
  const pictures = SSVIF.pictures[SSVIF.dataset];
  const find = (id) => document.getElementById(id);
  const [viewer, stage, divider, left, right] = ["viewer", "stage", "divider", "left", "right"].map(find);
  const CAPTION_PX = { wide: 24, narrow: 42 }; // one line, and two
  const NARROW_PX = 240; // a tile below gets two lines
  const GAP_PX = 10;
  const LEAST_PX = 150; // a narrower tile shows nothing: then the stage scrolls
  const HARD = 1.9; // from so many screen pixels a pixel on, pixels are drawn as squares
  const pairOf = () => pictures.pairs[state.open];

  function makeWindow(...places) {
    const found = places.map((place) => SSVIF.makePicture(pairOf(), place, true));
    const box = make("div", { className: "window" }, ...found);
    box.style.aspectRatio = `${pairOf().width} / ${pairOf().height}`;
    for (const [order, picture] of [...box.children].entries()) picture.dataset.place = places[order];
    return box;
  }

  function showTiles() {
    const tiles = make("div", { className: "tiles" });
    for (const place of SSVIF.shownSources()) {
      const className = place === state.chosen ? "tile chosen" : "tile";
      const caption = make("figcaption", {}, make("span"), make("b"));
      const tile = make("figure", { className }, makeWindow(place), caption);
      tile.dataset.place = place;
      tiles.append(tile);
    }
    if (!tiles.children.length) tiles.textContent = "No method is chosen.";
    stage.replaceChildren(tiles);
    showNames();
    showScores();
  }

  function nameOf(place) {
    return [pictures.sources[place].title, SSVIF.noteOf(pairOf(), place)].filter(Boolean).join(" · ");
  }

  // a name says what lies over its picture, too
  function showNames() {
    for (const tile of stage.querySelectorAll(".tile")) {
      const name = tile.querySelector("figcaption span");
      name.textContent = name.title = nameOf(Number(tile.dataset.place));
    }
    for (const name of stage.querySelectorAll(".compare .name")) name.textContent = nameOf(Number(name.dataset.place));
  }

  function showScores() {
    const metric = SSVIF.scores[SSVIF.dataset].metrics[state.metric];
    for (const tile of stage.querySelectorAll(".tile")) {
      const text = SSVIF.scoreText(pairOf(), Number(tile.dataset.place));
      tile.querySelector("b").textContent = text && `${metric.title} ${text}`;
    }
  }

  function showSlider() {
    const window = makeWindow(state.left);
    const over = make("div", { className: "over" }, SSVIF.makePicture(pairOf(), state.right, true));
    over.firstChild.dataset.place = state.right;
    const names = [["left", state.left], ["right", state.right]].map(([side, place]) => {
      const name = make("span", { className: `name ${side}` });
      name.dataset.place = place;
      return name;
    });
    window.append(over, make("div", { className: "handle" }), ...names);
    stage.replaceChildren(make("div", { className: "compare" }, window));
    showNames();
    [left.value, right.value] = [state.left, state.right];
  }

  // as large as all of them fit at once, below each a caption of that height
  function fitTiles(count, caption) {
    const aspect = pairOf().width / pairOf().height;
    const [width, height] = [stage.clientWidth - 2 * GAP_PX, stage.clientHeight - 1.5 * GAP_PX];
    let best = { tile: 0, columns: 1 };
    for (let columns = 1; columns <= count; columns += 1) {
      const lines = Math.ceil(count / columns);
      const across = (width - (columns - 1) * GAP_PX) / columns;
      const down = ((height - (lines - 1) * GAP_PX) / lines - caption) * aspect;
      const tile = Math.floor(Math.min(across, down));
      if (tile > best.tile) best = { tile, columns };
    }
    if (best.tile < LEAST_PX && !state.slider) {
      const columns = Math.max(Math.min(Math.floor(width / (LEAST_PX + GAP_PX)), count), 1);
      best = { tile: Math.floor((width - (columns - 1) * GAP_PX) / columns), columns };
    }
    return best;
  }

  function layOut() {
    if (state.open === null) return;
    const count = state.slider ? 1 : Math.max(state.shown.size, 1);
    let best = fitTiles(count, state.slider ? 0 : CAPTION_PX.wide);
    const narrow = best.tile < NARROW_PX && !state.slider;
    if (narrow) best = fitTiles(count, CAPTION_PX.narrow);
    stage.classList.toggle("narrow", narrow);
    stage.style.setProperty("--tile", `${best.tile}px`);
    stage.style.setProperty("--columns", best.columns);
    showZoom();
  }

  function showZoom() {
    for (const [name, value] of Object.entries({ zoom: state.zoom, x: state.x, y: state.y, split: state.split })) {
      stage.style.setProperty(`--${name}`, value);
    }
    divider.value = state.split;
    const scale = SSVIF.pixelScale(pairOf());
    stage.classList.toggle("zoomed", state.zoom > 1);
    stage.classList.toggle("hard", scale >= HARD);
    viewer.querySelector("output.zoom").textContent = `${Math.round(100 * scale)} %`;
  }

  function showPair() {
    const pair = pairOf();
    const title = find("viewer-title");
    const place = state.list.indexOf(state.open);
    const position = place < 0 ? "not in the list" : `${place + 1} of ${state.list.length}`;
    title.replaceChildren(pair.id, " ", make("small", { textContent: position }));
    stage.setAttribute("aria-label", `Pictures of pair ${pair.id}; plus and minus zoom, Shift and an arrow moves`);
    find("viewer-status").textContent = `Pair ${pair.id}, ${position}`;
    showPictures();
    remember(`#${encodeURIComponent(pair.id)}`);
    loadNext(place);
  }

  function showPictures() {
    (state.slider ? showSlider : showTiles)();
    viewer.querySelector(".slider-bar").hidden = !state.slider;
    viewer.querySelector("[data-do=mode]").setAttribute("aria-pressed", state.slider);
    layOut();
  }

  // the next pair is there before it is asked for
  function loadNext(place) {
    const next = pictures.pairs[state.list[place + 1]];
    const places = state.slider ? [state.left, state.right] : SSVIF.shownSources();
    if (!next) return;
    setTimeout(() => {
      for (const each of places) if (!next.absent.includes(each)) new Image().src = SSVIF.fullOf(next, each);
    }, 150);
  }

  // the address names the pair, so that it can be sent to somebody; without an entry for every step
  function remember(hash) {
    try {
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch {
      return; // a browser may refuse this to pages from disk
    }
  }

  // somebody's own address may hold a lone percent sign
  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  function openFromAddress() {
    const [id, key] = location.hash.slice(1).split("/").map(decode);
    const open = pictures.pairs.findIndex((pair) => pair.id === id);
    const chosen = pictures.sources.findIndex((source) => source.key === key);
    if (open < 0) return;
    set({ open, chosen, shown: chosen < 0 ? state.shown : new Set([...state.shown, chosen]) });
  }

  function step(by) {
    const place = state.list.indexOf(state.open) + by;
    goTo(Math.min(Math.max(place, 0), state.list.length - 1));
  }

  function goTo(place) {
    if (state.list.length) set({ open: state.list.at(place) });
  }

  const actions = {
    previous: () => step(-1),
    next: () => step(1),
    mode: () => set({ slider: !state.slider }),
    swap: () => set({ left: state.right, right: state.left, split: 100 - state.split }),
    in: () => SSVIF.zoomBy(1.5),
    out: () => SSVIF.zoomBy(1 / 1.5),
    fit: () => SSVIF.fit(),
    exact: () => SSVIF.zoomExact(pairOf()),
    close: () => viewer.close(),
  };

  for (const button of viewer.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
  for (const select of [left, right]) {
    for (const [place, { title }] of pictures.sources.entries()) select.append(new Option(title, place));
    select.addEventListener("change", () => set({ [select.id]: Number(select.value) }));
  }
  divider.addEventListener("input", () => set({ split: Number(divider.value) }));
  stage.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest(".handle");
    if (!handle) return;
    handle.setPointerCapture(event.pointerId);
    handle.onpointermove = ({ clientX }) => {
      const { left: start, width } = handle.parentElement.getBoundingClientRect();
      set({ split: Math.min(Math.max((100 * (clientX - start)) / width, 0), 100) });
    };
    handle.onpointerup = handle.onpointercancel = () => (handle.onpointermove = null);
  });
  viewer.addEventListener("close", () => {
    const last = state.open;
    set({ open: null, zoom: 1, x: 0, y: 0 });
    remember("");
    SSVIF.focusPair(last);
  });
  addEventListener("hashchange", openFromAddress);
  new ResizeObserver(layOut).observe(stage);

  onChange((changed) => {
    if (state.open === null) return;
    if (!viewer.open) {
      viewer.showModal();
      stage.focus();
    }
    if (changed.has("open")) showPair();
    else if (["shown", "slider", "left", "right"].some((key) => changed.has(key))) showPictures();
    if (["zoom", "x", "y", "split"].some((key) => changed.has(key))) showZoom();
    if (changed.has("metric")) showScores();
    if (["segmentation", "boxes", "truth"].some((key) => changed.has(key))) {
      for (const picture of stage.querySelectorAll(".picture:not(.absent)")) {
        SSVIF.drawOver(picture, pairOf(), Number(picture.dataset.place));
      }
      showNames();
      layOut(); // the legend takes some of the height
    }
  });
  openFromAddress();
  Object.assign(SSVIF, { actions, goTo });
})();
