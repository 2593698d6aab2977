const dialog = document.querySelector("dialog");
const stage = dialog.querySelector(".stage");
let views = [];
let place = 0;

function show(step) {
  place = (place + step + views.length) % views.length;
  const pair = views[place].closest(".pair");
  stage.className = pair.classList.contains("small") ? "stage small" : "stage";
  stage.setAttribute("style", pair.getAttribute("style"));
  stage.replaceChildren(views[place].cloneNode(true));
  dialog.querySelector("p span").textContent = views[place].dataset.title;
}

document.addEventListener("click", (event) => {
  const view = event.target.closest("a.view");
  if (view) event.preventDefault();
  if (!view || dialog.contains(view)) return;
  views = [...view.closest(".pair").querySelectorAll(`a.view[data-kind=${view.dataset.kind}]`)];
  place = views.indexOf(view);
  show(0);
  dialog.showModal();
});
dialog.addEventListener("click", (event) => {
  const step = event.target.dataset.step;
  if (event.target === dialog || step === "0") dialog.close();
  else if (step) show(Number(step));
});
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") show(1);
  if (event.key === "ArrowLeft") show(-1);
});
for (const slider of document.querySelectorAll(".slider")) {
  slider.hidden = false;
  slider.addEventListener("input", (event) => {
    document.documentElement.style.setProperty("--blend", event.target.value);
  });
}
