// A picture with what lies over it: class maps and boxes, labelled or predicted.
"use strict";

(() => {
  const { state, make } = SSVIF;
  const pictures = SSVIF.pictures[SSVIF.dataset];
  const join = (...parts) => parts.map(encodeURIComponent).join("/");
  const isRun = (place) => pictures.sources[place].key.startsWith("run_");

  function fullOf(pair, place) {
    return join("pictures", SSVIF.dataset, pair.id, pictures.sources[place].key + pair.suffix);
  }

  function thumbnailOf(pair, place) {
    return join("thumbnails", SSVIF.dataset, pair.id, `${pictures.sources[place].key}.jpg`);
  }

  // a source shows what was labelled, a run what was predicted, unless the labels are asked for
  function classesOf(pair, place) {
    const labelled = state.truth || !isRun(place);
    if (labelled ? !pair.truth : !pair.segmented.includes(place)) return "";
    const name = labelled ? "truth" : pictures.sources[place].key.replace("run_", "classes_");
    return join("pictures", SSVIF.dataset, pair.id, `${name}.png`);
  }

  function boxesOf(pair, place) {
    return (state.truth || !isRun(place) ? pair.trueBoxes : pair.boxes[place]) ?? [];
  }

  // what lies over a picture, or does not, in a few words: labels and guesses look alike
  function noteOf(pair, place) {
    const { segmentation, boxes, truth } = state;
    if (pair.absent.includes(place) || !(segmentation || boxes)) return "";
    if (truth || !isRun(place)) {
      const labelled = (segmentation && pair.truth) || (boxes && pair.trueBoxes);
      return labelled ? "labelled" : "not labelled";
    }
    const notes = [];
    if (segmentation && pictures.classes.length && !pair.segmented.includes(place)) notes.push("not segmented");
    if (boxes && pictures.boxes.length && !pair.boxes[place]?.length) {
      notes.push(pair.boxes[place] ? "no boxes found" : "no detector ran");
    }
    return notes.join(", ");
  }

  function drawBox([kind, confidence, left, top, width, height]) {
    const known = pictures.boxes[kind];
    const text = `${known?.name ?? kind}${confidence === null ? "" : ` ${confidence.toFixed(2)}`}`;
    const className = top < 5 ? "box-outline high" : "box-outline";
    const box = make("span", { className }, make("b", { textContent: text }));
    box.style.cssText = `left:${left}%;top:${top}%;width:${width}%;height:${height}%`;
    box.style.setProperty("--c", known?.color ?? pictures.otherBox);
    return box;
  }

  // what lies over a picture, made to agree with the state; nothing is touched that already does
  function drawOver(picture, pair, place) {
    const address = state.segmentation ? classesOf(pair, place) : "";
    const wanted = `${address}|${state.boxes}|${state.truth}`;
    if (picture.dataset.over === wanted) return;
    picture.dataset.over = wanted;
    for (const old of picture.querySelectorAll(".classes, .box-outline")) old.remove();
    if (address) {
      const classes = new Image();
      Object.assign(classes, { className: "classes", alt: "", decoding: "async", draggable: false, src: address });
      picture.append(classes);
    }
    if (state.boxes) picture.append(...boxesOf(pair, place).map(drawBox));
  }

  // a picture, as a thumbnail or in full; in words where it is missing
  function makePicture(pair, place, full) {
    const picture = make("span", { className: "picture" });
    picture.style.aspectRatio = `${pair.width} / ${pair.height}`;
    const title = pictures.sources[place].title;
    if (pair.absent.includes(place)) {
      return Object.assign(picture, { className: "picture absent", textContent: "no fused image" });
    }
    const image = new Image(pair.width, pair.height);
    const loading = full ? "eager" : "lazy";
    Object.assign(image, { loading, decoding: "async", draggable: false, alt: full ? `${title}, pair ${pair.id}` : "" });
    image.src = full ? fullOf(pair, place) : thumbnailOf(pair, place);
    picture.append(image);
    drawOver(picture, pair, place);
    return picture;
  }

  function makeLegend(list) {
    const entries = [
      ...(state.segmentation ? pictures.classes.map((each) => ["", each]) : []),
      ...(state.boxes ? pictures.boxes.map((each) => ["box", each]) : []),
    ];
    list.hidden = !entries.length;
    list.replaceChildren(
      ...entries.map(([kind, { name, color }]) => {
        const item = make("li", { className: kind }, make("i"), name);
        item.firstChild.style.setProperty("--c", color);
        return item;
      }),
    );
  }

  Object.assign(SSVIF, { makePicture, drawOver, makeLegend, noteOf, fullOf, isRun });
})();
