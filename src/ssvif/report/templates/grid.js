// The list of pairs. A row is filled when it comes near the window, so that thousands of pictures cost nothing.
"use strict";

(() => {
  const { state, set, onChange, make } = SSVIF;
  const pictures = SSVIF.pictures[SSVIF.dataset];
  const list = document.getElementById("pairs");
  const [count, nothing, printed] = ["count", "nothing", "printed"].map((id) => document.getElementById(id));
  const near = new Set(); // the rows that the window is close to: only these follow a change at once
  let current = null; // the one thumbnail in the order of the Tab key

  function addressOf(pair, place) {
    return `#${encodeURIComponent(pair.id)}/${encodeURIComponent(pictures.sources[place].key)}`;
  }

  function makeThumb(pair, place) {
    const label = make("span", {}, pictures.sources[place].title, make("span", { className: "note" }), " ", make("b"));
    const values = { className: "thumb", href: addressOf(pair, place), tabIndex: -1 };
    const thumb = make("a", values, SSVIF.makePicture(pair, place, false), label);
    thumb.dataset.place = place;
    return thumb;
  }

  const rows = pictures.pairs.map((pair) => {
    const size = make("small", { textContent: `${pair.width} × ${pair.height}` });
    const head = make("h2", {}, pair.id, " ", size);
    return make("li", { className: "pair", pair }, head, make("div", { className: "thumbs" }));
  });

  // make a row agree with the state: its pictures, their scores, what lies over them
  function refresh(row) {
    const { pair } = row;
    const box = row.lastChild;
    const shown = SSVIF.shownSources();
    const key = shown.join();
    if (box.dataset.shown !== key) {
      const kept = new Map([...box.children].map((thumb) => [Number(thumb.dataset.place), thumb]));
      box.replaceChildren(...shown.map((place) => kept.get(place) ?? makeThumb(pair, place)));
      box.dataset.shown = key;
    }
    for (const thumb of box.children) {
      const place = Number(thumb.dataset.place);
      thumb.querySelector("b").textContent = SSVIF.scoreText(pair, place);
      const note = SSVIF.noteOf(pair, place);
      thumb.querySelector(".note").textContent = note && ` · ${note}`;
      if (!pair.absent.includes(place)) SSVIF.drawOver(thumb.firstChild, pair, place);
    }
  }

  // the room kept for rows that were never seen is that of the first one; measured once, as it concerns them all
  function measure() {
    const first = [...near].find((row) => row.lastChild.children.length);
    if (first) list.style.setProperty("--row", `${first.offsetHeight}px`);
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      const before = near.size;
      for (const { target, isIntersecting } of entries) {
        near[isIntersecting ? "add" : "delete"](target);
        if (isIntersecting) refresh(target);
      }
      if (!before) measure();
      if (!current?.isConnected) setCurrent(list.querySelector(".thumb"));
    },
    { rootMargin: "400px 0px" },
  );

  function setCurrent(thumb) {
    if (current) current.tabIndex = -1;
    current = thumb;
    if (current) current.tabIndex = 0;
  }

  function arrange() {
    state.list = SSVIF.listPairs();
    list.replaceChildren(...state.list.map((place) => rows[place]));
    const all = pictures.pairs.length;
    count.textContent = state.list.length === all ? `${all} pairs` : `${state.list.length} of ${all} pairs`;
    sayNothing();
    if (!current?.isConnected) setCurrent(list.querySelector(".thumb"));
  }

  // instead of an empty page, or of a list of bare names
  function sayNothing() {
    const unchosen = !state.shown.size;
    const sought = state.filter.trim();
    nothing.textContent = unchosen ? "No method is chosen. “Methods” has them." : `No pair has “${sought}” in its name.`;
    nothing.hidden = !unchosen && (state.list.length > 0 || !sought);
    list.hidden = unchosen;
  }

  // arrows: along a row, and to the same method of the row above or below
  function neighbour(thumb, key) {
    const row = thumb.closest(".pair");
    if (key === "ArrowLeft") return thumb.previousElementSibling;
    if (key === "ArrowRight") return thumb.nextElementSibling;
    const other = key === "ArrowUp" ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return null;
    refresh(other);
    return other.querySelector(`[data-place="${thumb.dataset.place}"]`);
  }

  list.addEventListener("keydown", (event) => {
    const thumb = event.target.closest(".thumb");
    if (!thumb || event.altKey || event.ctrlKey || event.metaKey || !event.key.startsWith("Arrow")) return;
    event.preventDefault();
    const next = neighbour(thumb, event.key);
    if (next) focusThumb(next);
  });
  list.addEventListener("focusin", (event) => {
    if (event.target.matches(".thumb")) setCurrent(event.target);
  });
  list.addEventListener("click", (event) => {
    const thumb = event.target.closest(".thumb");
    if (!thumb || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const pair = pictures.pairs.indexOf(thumb.closest(".pair").pair);
    set({ open: pair, chosen: Number(thumb.dataset.place) });
  });

  function focusThumb(thumb) {
    setCurrent(thumb);
    thumb.focus({ preventScroll: true });
    thumb.scrollIntoView({ block: "nearest" });
  }

  // back from the viewer: to the pair that it showed last
  function focusPair(place) {
    const row = rows[place];
    if (!row.isConnected) return;
    refresh(row);
    const thumb = row.querySelector(`[data-place="${state.chosen}"]`) ?? row.querySelector(".thumb");
    if (thumb) focusThumb(thumb);
  }

  onChange((changed) => {
    if (["filter", "order", "bestFirst"].some((key) => changed.has(key))) arrange();
    else if (changed.has("metric") && state.order !== "name") arrange();
    if (["shown", "metric", "segmentation", "boxes", "truth"].some((key) => changed.has(key))) near.forEach(refresh);
    if (!changed.has("shown")) return;
    sayNothing();
    if (!current?.isConnected) setCurrent(list.querySelector(".thumb"));
    measure();
  });
  addEventListener("beforeprint", () => {
    const present = [...list.children];
    for (const [place, row] of present.entries()) row.classList.toggle("unprinted", place >= SSVIF.mostPrinted);
    present.slice(0, SSVIF.mostPrinted).forEach(refresh);
    const rest = present.length > SSVIF.mostPrinted ? `The first ${SSVIF.mostPrinted} of these ${present.length} pairs` : "";
    printed.textContent = rest ? `${rest} are printed; a filter chooses others.` : count.textContent;
    for (const image of list.querySelectorAll("img")) image.loading = "eager";
  });
  rows.forEach((row) => watcher.observe(row));
  arrange();
  rows.slice(0, 4).forEach(refresh);
  setCurrent(list.querySelector(".thumb"));
  SSVIF.focusPair = focusPair;
  SSVIF.mostPrinted = 60; // pairs
})();
