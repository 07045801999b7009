// Clocks, keys and marks of the studio's page. Takes are <figure class="take" data-start data-end>; the video itself is in #film.

const film = () => document.querySelector("#film");
const takes = () => [...document.querySelectorAll("#takes .take")].sort((a, b) => a.dataset.number - b.dataset.number);
const videoOf = (figure) => figure?.querySelector("video");
let active = null; // the video that keys are for
let solo = null; // { start, end } of the shot that is played again and again

const pad = (number, width = 2) => String(number).padStart(width, "0");

function clockTime(seconds) {
  const ms = Math.round(Math.max(0, seconds) * 1000);
  return `${Math.floor(ms / 60000)}:${pad(Math.floor(ms / 1000) % 60)}.${pad(ms % 1000, 3)}`;
}

// SMPTE ST 12-1, as cinefoley.delivery.timecode has it
function timecode(seconds) {
  const { rate, startFrame, drop } = film()?.dataset ?? {};
  if (!rate) return "";
  const nominal = Math.round(rate);
  let frame = Math.floor(seconds * rate + 1e-3) + Number(startFrame);
  if (drop === "1") {
    const dropped = nominal / 15;
    const minute = 60 * nominal - dropped;
    const ten = 10 * minute + dropped;
    const rest = frame % ten;
    frame += dropped * (9 * Math.floor(frame / ten) + (rest < dropped ? 0 : Math.floor((rest - dropped) / minute)));
  }
  frame %= 86400 * nominal;
  const parts = [Math.floor(frame / nominal / 3600), Math.floor(frame / nominal / 60) % 60, Math.floor(frame / nominal) % 60];
  return `${parts.map((part) => pad(part)).join(":")}${drop === "1" ? ";" : ":"}${pad(frame % nominal)}`;
}

function follow(video) {
  const figure = video.closest?.("figure");
  if (!figure) return;
  const clock = figure.querySelector(".clock");
  if (clock) clock.textContent = `${clockTime(video.currentTime)} ${timecode(video.currentTime)}`;
  const line = figure.querySelector(".now");
  if (!line) return;
  const { start, end } = figure.dataset;
  const share = (video.currentTime - start) / (end - start);
  line.style.left = `${100 * Math.min(1, Math.max(0, share))}%`;
  if (solo && !video.paused && video.currentTime >= solo.end) video.currentTime = solo.start;
}

function followWhilePlaying(video) {
  follow(video);
  if (!video.paused && video.isConnected) requestAnimationFrame(() => followWhilePlaying(video));
}

// media events do not bubble, but they can be caught on their way down
document.addEventListener("play", (event) => {
  active = event.target;
  for (const other of document.querySelectorAll("video")) if (other !== event.target) other.pause();
  followWhilePlaying(event.target);
}, true);
for (const name of ["seeked", "timeupdate", "loadedmetadata"]) {
  document.addEventListener(name, (event) => event.target.tagName === "VIDEO" && follow(event.target), true);
}

function current() {
  if (active?.isConnected) return active;
  return videoOf(takes()[0]) ?? videoOf(film());
}

function play(video) {
  video.play().catch(() => {}); // refused, or paused before it began
}

function switchTo(video) {
  if (!video) return;
  const before = current();
  video.currentTime = before?.currentTime ?? 0;
  before?.pause();
  active = video;
  play(video);
}

function step(frames) {
  const video = current();
  if (!video) return;
  const rate = Number(film()?.dataset.rate || 25);
  video.pause();
  active = video;
  video.currentTime = Math.max(0, (Math.floor(video.currentTime * rate + 1e-3) + frames + 0.5) / rate);
}

function toggleSolo() {
  const video = current();
  if (solo || !video) {
    solo = null;
  } else {
    const cells = [...document.querySelectorAll("#strip .shots li[data-start]")];
    const cell = cells.filter((each) => Number(each.dataset.start) <= video.currentTime + 1e-3).pop() ?? cells[0];
    if (cell) {
      solo = { start: Number(cell.dataset.start), end: Number(cell.dataset.end) };
      video.currentTime = solo.start;
      play(video);
    }
  }
  showSolo();
}

function showSolo() {
  for (const cell of document.querySelectorAll("#strip .shots li[data-start]")) {
    cell.classList.toggle("solo", solo !== null && Number(cell.dataset.start) === solo.start);
  }
}

function toggleHelp() {
  const sheet = document.querySelector("#help");
  if (sheet) sheet.open ? sheet.close() : sheet.showModal();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable], [role=listbox]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const own = event.target.closest?.("button, video, a, [role=button]");
  const key = event.key.toLowerCase();
  if (key === " " && !own) { const video = current(); video && (video.paused ? play(video) : video.pause()); }
  else if (key === "arrowleft") step(-1);
  else if (key === "arrowright") step(1);
  else if (key === "a" || key === "b") switchTo(videoOf(takes()[key === "a" ? 0 : 1]));
  else if (/^[1-9]$/.test(key)) switchTo(videoOf(takes()[Number(key) - 1]));
  else if (key === "s") toggleSolo();
  else if (key === "o") switchTo(videoOf(film()));
  else if (key === "?") toggleHelp();
  else return;
  event.preventDefault();
});

// a click on a waveform seeks; a drag marks a stretch and writes it into the fields of Redo
let drag = null;

function timeAt(sound, x) {
  const box = sound.getBoundingClientRect();
  const { start, end } = sound.closest("figure").dataset;
  return Number(start) + (end - start) * Math.min(1, Math.max(0, (x - box.left) / box.width));
}

function fill(id, value) {
  const field = document.querySelector(`#${id} input`);
  if (!field) return;
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, String(value));
  for (const name of ["input", "change", "blur"]) field.dispatchEvent(new Event(name, { bubbles: true }));
}

document.addEventListener("pointerdown", (event) => {
  const sound = event.target.closest?.(".sound");
  if (sound) drag = { sound, x: event.clientX };
});
document.addEventListener("pointermove", (event) => {
  if (!drag?.sound.closest(".take") || Math.abs(event.clientX - drag.x) < 5) return;
  const mark = drag.sound.querySelector(".marked");
  const box = drag.sound.getBoundingClientRect();
  const [left, right] = [drag.x, event.clientX].sort((a, b) => a - b).map((x) => Math.min(box.right, Math.max(box.left, x)));
  mark.hidden = false;
  mark.style.left = `${left - box.left}px`;
  mark.style.width = `${right - left}px`;
});
document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { sound, x } = drag;
  drag = null;
  const figure = sound.closest("figure");
  if (!figure.matches(".take") || Math.abs(event.clientX - x) < 5) {
    videoOf(figure).currentTime = timeAt(sound, event.clientX);
    return;
  }
  const [from, to] = [x, event.clientX].map((place) => timeAt(sound, place)).sort((a, b) => a - b);
  fill("redo-take", figure.dataset.number);
  fill("redo-from", from.toFixed(3));
  fill("redo-to", to.toFixed(3));
});

// the cue sheet: an edited time shows its timecode, a click on a timecode shows the moment
function readCues() {
  const fields = [...document.querySelectorAll("#cues input")];
  return JSON.stringify(fields.map((field) => field.value.trim()).filter((text) => text !== ""));
}

document.addEventListener("input", (event) => {
  const row = event.target.closest?.(".cues tr");
  const time = Number(event.target.value);
  if (row) row.querySelector(".seek").textContent = timecode(time) || clockTime(time);
});

function showCue(button) {
  const { take } = button.closest(".cues").dataset;
  const video = videoOf(takes().find((figure) => figure.dataset.number === take));
  if (!video) return;
  active?.pause();
  active = video;
  video.currentTime = Number(button.closest("tr").querySelector("input").value);
}

document.addEventListener("click", (event) => {
  const seek = event.target.closest?.(".cues .seek");
  if (seek) showCue(seek);
  if (event.target.closest?.("button.help")) toggleHelp();
  const cell = event.target.closest?.("#strip .shots li[data-start]");
  const video = current();
  if (cell && video) {
    video.currentTime = Number(cell.dataset.start);
    solo = null;
    showSolo();
  }
});
