// The keys, as the help lists them. A key that a control of its own needs is left to it.
"use strict";

(() => {
  const { state, set, actions, toggle } = SSVIF;
  const help = document.getElementById("help");
  const PAN = 0.1; // of the window

  const everywhere = {
    s: () => toggle("segmentation"),
    b: () => toggle("boxes"),
    g: () => toggle("truth"),
    "?": () => help.showModal(),
  };
  const inViewer = {
    ArrowLeft: actions.previous,
    ArrowRight: actions.next,
    Home: () => SSVIF.goTo(0),
    End: () => SSVIF.goTo(-1),
    "+": actions.in,
    "=": actions.in,
    "-": actions.out,
    0: actions.fit,
    1: actions.exact,
    c: actions.mode,
    x: () => state.slider && actions.swap(),
    "[": () => set({ split: Math.max(state.split - 2, 0) }),
    "]": () => set({ split: Math.min(state.split + 2, 100) }),
  };
  const withShift = {
    ArrowLeft: () => SSVIF.panBy(PAN, 0),
    ArrowRight: () => SSVIF.panBy(-PAN, 0),
    ArrowUp: () => SSVIF.panBy(0, PAN),
    ArrowDown: () => SSVIF.panBy(0, -PAN),
  };

  function actionOf(event) {
    const { key, shiftKey } = event;
    const name = key.length === 1 ? key.toLowerCase() : key;
    if (state.open !== null) {
      if (shiftKey && withShift[key]) return withShift[key];
      // a slider moves by the arrows itself
      if (!event.target.matches("input[type=range]") && inViewer[name]) return inViewer[name];
    }
    return everywhere[name];
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || SSVIF.typing(event.target)) return;
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    action();
  });
  for (const button of document.querySelectorAll(".help-button")) button.addEventListener("click", () => help.showModal());
})();
