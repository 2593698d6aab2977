// Zoom and pan, the same for every picture of the viewer: by wheel, drag, pinch and keys.
"use strict";

(() => {
  const { state, set } = SSVIF;
  const stage = document.getElementById("stage");
  const MOST = 32;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // the corner stays where no ground shows beside the picture
  function place(zoom, x, y) {
    const least = 1 - zoom;
    set({ zoom, x: clamp(x, least, 0), y: clamp(y, least, 0) });
  }

  // zoom by a factor and keep the point below the pointer; a place is a share of the window
  function zoomBy(factor, across = 0.5, down = 0.5) {
    const zoom = clamp(state.zoom * factor, 1, MOST);
    const ratio = zoom / state.zoom;
    place(zoom, across - (across - state.x) * ratio, down - (down - state.y) * ratio);
  }

  function panBy(x, y) {
    place(state.zoom, state.x + x, state.y + y);
  }

  function windowSize() {
    return stage.querySelector(".window")?.getBoundingClientRect() ?? { width: 1, height: 1 };
  }

  // pixels of the screen that one pixel of the picture takes
  function pixelScale(pair, zoom = state.zoom) {
    return (windowSize().width * devicePixelRatio * zoom) / pair.width;
  }

  // one to one; a small picture fills its window already, so it gets the next whole number of pixels
  function zoomExact(pair) {
    const fit = pixelScale(pair, 1);
    const exact = Math.ceil(fit - 1e-6) / fit;
    place(clamp(exact, 1, MOST), (1 - exact) / 2, (1 - exact) / 2);
  }

  function shareOf(event, box) {
    const { left, top, width, height } = box.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  stage.addEventListener(
    "wheel",
    (event) => {
      const box = event.target.closest(".window");
      if (!box) return;
      event.preventDefault();
      zoomBy(Math.exp(-clamp(event.deltaY, -120, 120) / 400), ...shareOf(event, box));
    },
    { passive: false },
  );

  const pointers = new Map();
  const spread = ([first, second]) => Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY);

  stage.addEventListener("pointerdown", (event) => {
    const box = event.target.closest(".window");
    if (!box || event.target.closest(".handle") || event.button) return;
    pointers.set(event.pointerId, event);
    if (event.pointerType === "mouse") box.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const box = before?.target.closest(".window");
    if (!box) return;
    const old = [...pointers.values()];
    pointers.set(event.pointerId, event);
    const { width, height } = box.getBoundingClientRect();
    if (pointers.size === 2) {
      zoomBy(spread([...pointers.values()]) / Math.max(spread(old), 1), ...shareOf(event, box));
    } else if (state.zoom > 1) {
      panBy((event.clientX - before.clientX) / width, (event.clientY - before.clientY) / height);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
  stage.addEventListener("dblclick", (event) => {
    const box = event.target.closest(".window");
    if (!box) return;
    if (state.zoom > 1) place(1, 0, 0);
    else zoomBy(4, ...shareOf(event, box));
  });

  Object.assign(SSVIF, { zoomBy, panBy, zoomExact, pixelScale, fit: () => place(1, 0, 0) });
})();
