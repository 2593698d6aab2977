// Fuses two images within the page, as `ssvif fuse` does, with the network `fast` in ONNX Runtime Web (docs/try.md).
// No module, since browsers load none from disk: there the page says what it needs.
"use strict";

(() => {
  const FOLDER = new URL("try/", document.currentScript.src).href;
  const FILES = { runtime: "ort.wasm.bundle.min.mjs", binary: "ort-wasm-simd-threaded.wasm", network: "fast.onnx" };
  const MOST_MEGAPIXELS = 25; // both sources, the fused image and its PNG are held in memory at once
  const STRIP_PX = 2 ** 19; // fused at once: 240 bytes a pixel
  const RADIUS_PX = 12; // of the network's receptive field: a strip reads so many rows more on either side
  const LEAST_PX = 2; // the smallest side that the network takes
  const ASPECT_TOLERANCE = 0.02;
  const COLORED_SHARE = 1 / 16; // mean spread of a pixel's three values above which an image looks color-mapped
  const MAGIC = ["89504e47", "ffd8ff", "424d"]; // PNG, JPEG, BMP

  const page = document.getElementById("try");
  const find = (name) => document.getElementById(`try-${name}`);
  const [status, notes, progress, result, save] = ["status", "notes", "progress", "result", "save"].map(find);
  const sides = { visible: find("visible"), infrared: find("infrared") };
  const names = Object.keys(sides);
  const images = {}; // side → { name, width, height, data: RGBA }, or { error }
  const sizeOf = ({ width, height }) => `${width}×${height}`;
  let opened = null; // the network, once it was asked for
  let [asked, queue] = [0, Promise.resolve()]; // one after the other; a fusion stops when more is asked for

  // a file as RGBA, which its side's canvas shows
  async function read(file, canvas) {
    const head = new Uint8Array(await file.slice(0, 25).arrayBuffer());
    const start = Array.from(head, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (!MAGIC.some((magic) => start.startsWith(magic))) {
      throw new Error(`${file.name} is not a PNG, JPEG or BMP image. ssvif fuse also reads TIFF and videos.`);
    }
    if (start.startsWith(MAGIC[0]) && head[24] === 16) {
      throw new Error(`${file.name} holds 16 bits a value, of which a browser keeps 8. ssvif fuse uses all of them.`);
    }
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => {
      throw new Error(`${file.name} cannot be read as an image: it is damaged, or too large for this browser.`);
    });
    const { width, height } = bitmap;
    if (width * height > MOST_MEGAPIXELS * 1e6) {
      throw new Error(`${file.name}: ${sizeOf(bitmap)} are more than ${MOST_MEGAPIXELS} megapixels. Use ssvif fuse.`);
    }
    Object.assign(canvas, { width, height });
    const drawn = canvas.getContext("2d", { willReadFrequently: true });
    drawn.drawImage(bitmap, 0, 0);
    const { data } = drawn.getImageData(0, 0, width, height);
    for (let i = 3; i < data.length; i += 4) {
      if (data[i] < 255) throw new Error(`${file.name} has transparent pixels. Save it without an alpha channel.`);
    }
    canvas.hidden = false;
    return { name: file.name, width, height, data };
  }

  // luma (H·W) of RGBA, rounded half up, and whether the image looks color-mapped
  function toGray(data) {
    const gray = new Float32Array(data.length / 4);
    let spread = 0;
    for (let i = 0; i < gray.length; i += 1) {
      const [red, green, blue] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
      gray[i] = Math.floor((299 * red + 587 * green + 114 * blue + 500) / 1000);
      spread += Math.max(red, green, blue) - Math.min(red, green, blue);
    }
    return { gray, colored: spread / gray.length > COLORED_SHARE * 255 };
  }

  // rows (H,W) resampled to a length as Pillow's BILINEAR does, which averages where it shrinks; turned: (length,H)
  function resampleRows(values, width, height, length) {
    const made = new Float32Array(length * height);
    const scale = width / length;
    const reach = Math.max(scale, 1);
    for (let i = 0; i < length; i += 1) {
      const center = (i + 0.5) * scale;
      const first = Math.max(0, Math.trunc(center - reach + 0.5));
      const last = Math.min(width, Math.trunc(center + reach + 0.5));
      const weights = [];
      for (let x = first; x < last; x += 1) weights.push(Math.max(0, 1 - Math.abs((x - center + 0.5) / reach)));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let y = 0; y < height; y += 1) {
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) sum += values[y * width + first + k] * (weights[k] / total);
        made[i * height + y] = sum;
      }
    }
    return made;
  }

  // gray values of the visible image's size, and what the user should know
  function matchInfrared(visible, infrared) {
    const { gray, colored } = toGray(infrared.data);
    const told = [];
    if (colored) told.push(page.dataset.colored);
    if (sizeOf(visible) === sizeOf(infrared)) return { gray, told };
    const { width, height } = visible;
    const sizes = `visible ${sizeOf(visible)}, infrared ${sizeOf(infrared)}`;
    if (Math.abs(infrared.width / width / (infrared.height / height) - 1) > ASPECT_TOLERANCE) {
      throw new Error(`The two images differ in shape: ${sizes}. ${page.dataset.shapes}`);
    }
    told.push(`Sizes: ${sizes}; the infrared image is resized to the visible one's size.`);
    const rint = (value) => (value % 2 === 0.5 ? Math.floor(value) : Math.round(value)); // halves to even
    const turned = resampleRows(gray, infrared.width, infrared.height, width);
    return { gray: resampleRows(turned, infrared.height, width, height).map(rint), told };
  }

  async function openNetwork() {
    const ort = await import(FOLDER + FILES.runtime);
    Object.assign(ort.env.wasm, { numThreads: 1, proxy: true, wasmPaths: { wasm: FOLDER + FILES.binary } }); // a worker
    const session = await ort.InferenceSession.create(FOLDER + FILES.network);
    return async ({ color, gray, height, width }) => {
      const visible = new ort.Tensor("float32", color, [1, 3, height, width]);
      const infrared = new ort.Tensor("float32", gray, [1, 1, height, width]);
      return (await session.run({ visible, infrared })).fused.data;
    };
  }

  // rows `first` to `last` as planes in [0,1]; sides below the network's least are continued
  function toPlanes(visible, infrared, first, last) {
    const [width, height] = [Math.max(visible.width, LEAST_PX), Math.max(last - first, LEAST_PX)];
    const [color, gray] = [new Float32Array(3 * width * height), new Float32Array(width * height)];
    for (let y = 0, to = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, to += 1) {
        const from = Math.min(first + y, last - 1) * visible.width + Math.min(x, visible.width - 1);
        gray[to] = infrared[from] / 255;
        for (let c = 0; c < 3; c += 1) color[c * width * height + to] = visible.data[4 * from + c] / 255;
      }
    }
    return { color, gray, height, width };
  }

  // the fused image, strip by strip; null if more is asked for meanwhile
  async function fuse(visible, gray, run, mine) {
    const { width, height } = visible;
    const fused = new ImageData(width, height);
    const rows = 2 * Math.max(1, Math.floor(STRIP_PX / width / 2)); // even: the network works on 2×2 pixels
    for (let top = 0; top < height && mine === asked; top += rows) {
      const first = Math.max(0, top - RADIUS_PX);
      const bottom = Math.min(height, top + rows);
      const strip = toPlanes(visible, gray, first, Math.min(height, bottom + RADIUS_PX));
      const made = await run(strip);
      const plane = strip.height * strip.width;
      for (let y = top, to = 4 * top * width; y < bottom; y += 1) {
        for (let x = 0, from = (y - first) * strip.width; x < width; x += 1, from += 1) {
          for (let c = 0; c < 3; c += 1) fused.data[to++] = Math.floor(255 * made[c * plane + from] + 0.5);
          fused.data[to++] = 255;
        }
      }
      progress.value = bottom / height;
    }
    return mine === asked ? fused : null;
  }

  function showLeft() {
    const left = page.querySelector("[name=try-left]:checked").value;
    const [source, { width, height }] = [find("source"), images.visible];
    Object.assign(source, { width, height });
    source.getContext("2d").drawImage(sides[left].querySelector("canvas"), 0, 0, width, height);
    page.querySelector(".try-left").textContent = left;
  }

  function say(text, isError = false) {
    Object.assign(status, { textContent: text, className: isError ? "try-error" : "" });
  }

  async function fusePair({ visible, infrared }, mine) {
    const { gray, told } = matchInfrared(visible, infrared);
    say("Loading the network …");
    const run = await (opened ??= openNetwork().catch((error) => {
      opened = null; // the next pair tries again
      throw new Error(`The network could not be loaded: ${error.message}`);
    }));
    say("Fusing …");
    Object.assign(progress, { hidden: false, value: 0 });
    const start = performance.now();
    const fused = await fuse(visible, gray, run, mine);
    const seconds = (performance.now() - start) / 1000;
    progress.hidden = true;
    if (!fused) return;
    const { width, height } = fused;
    const canvas = Object.assign(find("fused"), { width, height });
    canvas.getContext("2d", { alpha: false }).putImageData(fused, 0, 0); // without alpha its PNG is RGB
    URL.revokeObjectURL(save.href);
    save.href = URL.createObjectURL(await new Promise((done) => canvas.toBlob(done, "image/png")));
    save.download = `${visible.name.replace(/\.\w+$/, "")}_fused.png`;
    showLeft();
    result.style.setProperty("--aspect", width / height);
    result.hidden = save.hidden = false;
    notes.replaceChildren(...told.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    say(`Fused ${sizeOf(visible)} pixels in ${seconds.toFixed(2)} s with the network fast.`);
  }

  async function takeImages(chosen, mine) {
    result.hidden = save.hidden = true;
    notes.replaceChildren();
    say("Reading …");
    try {
      for (const [side, file] of Object.entries(chosen)) {
        const [canvas, text] = sides[side].querySelectorAll("canvas, span");
        [canvas.hidden, text.textContent] = [true, file.name];
        images[side] = await read(file, canvas).catch((error) => ({ error })); // said until another file is chosen
        if (!images[side].error) text.textContent += `, ${sizeOf(images[side])}`;
      }
      const refused = Object.values(images).find(({ error }) => error);
      if (refused) throw refused.error;
      const missing = names.filter((side) => !images[side]);
      if (missing.length) say(`The ${missing.join(" and the ")} image is missing.`);
      else if (mine === asked) await fusePair(images, mine);
    } catch (error) {
      progress.hidden = true;
      say(error.message, true);
    }
  }

  function take(chosen) {
    const mine = (asked += 1);
    queue = queue.then(() => takeImages(chosen, mine));
  }

  async function findMissing() {
    if (location.protocol === "file:") return page.dataset.fromDisk;
    const there = await Promise.all(Object.values(FILES).map((name) => fetch(FOLDER + name, { method: "HEAD" })));
    const missing = Object.values(FILES).filter((_, i) => !there[i].ok).join(", ");
    return missing && `This site was built without ${missing}. Build it with npm installed: make docs.`;
  }

  for (const [side, field] of Object.entries(sides)) {
    const input = field.querySelector("input");
    input.addEventListener("change", () => input.files.length && take({ [side]: input.files[0] }));
    input.addEventListener("click", () => (input.value = "")); // the same file may be chosen again
  }
  addEventListener("dragover", (event) => event.preventDefault()); // beside a field, a browser would open the file
  addEventListener("drop", (event) => {
    event.preventDefault();
    const side = event.target.closest(".try-side")?.dataset.side;
    if (side && event.dataTransfer.files.length) take({ [side]: event.dataTransfer.files[0] });
  });
  find("example").addEventListener("click", async () => {
    const load = async (name) => new File([await (await fetch(FOLDER + name)).blob()], name);
    take({ visible: await load("visible.png"), infrared: await load("infrared.png") });
  });
  page.addEventListener("change", (event) => event.target.name === "try-left" && showLeft());
  const divide = (percent) => result.style.setProperty("--split", (find("divider").value = percent));
  find("divider").addEventListener("input", (event) => divide(event.target.value));
  page.querySelector(".try-compare").addEventListener("pointermove", ({ currentTarget, buttons, clientX }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    if (buttons) divide(Math.min(Math.max((100 * (clientX - left)) / width, 0), 100));
  });
  findMissing().then((text) => {
    if (text) say(text, true);
    for (const each of page.querySelectorAll("input, button")) each.disabled = Boolean(text);
  });
})();
