// The participant's page of a study: plays videos, shows the next step, and repeats every request until the server
// acknowledges it. The server enforces the rules and stores the votes.

const $ = (id) => document.getElementById(id);
const SIDES = ["left", "right"];
const LETTERS = { left: "A", right: "B" };

let study;
let token = null;
let standing = null;
let pair = null;

class RequestRejected extends Error {
  constructor(status, reason, message) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

// Requests without an answer are repeated; the server accepts every request more than once.
async function send(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
    let response = null;
    try {
      response = await fetch(path, { cache: "no-store", ...options });
    } catch {
      // no connection
    }
    if (response && response.status < 500) {
      notify("");
      const answer = await response.json().catch(() => ({}));
      if (!response.ok) throw new RequestRejected(response.status, answer.reason, answer.message ?? "");
      return answer;
    }
    notify("The server cannot be reached. Trying again; please leave this page open.");
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function notify(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function show(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  $("footer").hidden = !token || ["withdrawn", "problem"].includes(id);
  $(id).querySelector("h2").focus();
  window.scrollTo(0, 0);
}

function showProblem(text) {
  $("problem-text").textContent = text;
  $("progress").hidden = true;
  show("problem");
}

function option(type, name, value, text) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  label.className = "option";
  Object.assign(input, { type, name, value });
  label.append(input, ` ${text}`);
  return label;
}

// after a rejected request, show the step that the server expects
async function recover(error) {
  if (!(error instanceof RequestRejected)) throw error;
  if (error.status === 404) return showProblem(error.message);
  await render(await send(`/api/participants/${token}`));
  notify(error.message);
}

function act(work) {
  return async (event) => {
    event.preventDefault();
    try {
      await work(event);
    } catch (error) {
      await recover(error);
    }
  };
}

// ---- steps

async function render(next) {
  standing = next;
  $("progress").hidden = !next.total;
  $("progress-bar").max = next.total || 1;
  $("progress-bar").value = next.answered;
  $("progress-text").textContent = `${next.answered} of ${next.total} answered`;
  pair?.stop();
  if (next.stage === "sound") return renderSound();
  if (next.stage === "trial") return renderTrial();
  if (next.stage === "closed") $("closed-text").textContent = "The study has ended. Your answers so far have been saved.";
  show(next.stage);
}

// ---- consent

function showConsent() {
  for (const text of study.consent) {
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    $("consent-text").append(paragraph);
  }
  $("contact").textContent = study.contact && `Questions? ${study.contact}`;
  const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  $("agree").checked = false;
  $("agree").addEventListener("change", () => { $("begin").disabled = !$("agree").checked; });
  $("begin").addEventListener("click", async () => {
    $("begin").disabled = true;
    try {
      token = (await send("/api/participants", { agrees: true, nonce })).token;
      history.replaceState(null, "", `/p/${token}`);
      showLink();
      await render(await send(`/api/participants/${token}`));
    } catch (error) {
      if (!(error instanceof RequestRejected)) throw error;
      showProblem(error.message);
    }
  });
  show("consent");
}

function showLink() {
  $("link").value = `${location.origin}/p/${token}`;
}

// ---- sound check

const beeps = new Audio();

function renderSound() {
  $("beeps-form").reset();
  $("beeps-form").querySelector("button").disabled = true;
  beeps.pause();
  beeps.src = `/api/participants/${token}/beeps.wav?${Date.now()}`;
  show("sound");
}

function prepareSound() {
  for (let count = 1; count <= 6; count++) $("beeps-options").append(option("radio", "beeps", count, count));
  $("play-beeps").addEventListener("click", () => {
    beeps.currentTime = 0;
    beeps.play().catch(() => notify("This browser cannot play the sound. Please try another browser."));
  });
  $("beeps-form").addEventListener("change", () => { $("beeps-form").querySelector("button").disabled = false; });
  $("beeps-form").addEventListener("submit", act(async () => {
    const count = Number(new FormData($("beeps-form")).get("beeps"));
    const { is_right: isRight, ...next } = await send(`/api/participants/${token}/beeps`, { beeps: count });
    await render(next);
    if (!isRight) notify("That was not the right number. The number of beeps has changed; please play them again.");
  }));
}

// ---- a pair of videos

class VideoPair {
  constructor(trial, played) {
    this.trial = trial;
    this.played = new Set(played);
    this.furthest = { left: 0, right: 0 };
    this.abort = new AbortController();
    this.figures = Object.fromEntries(SIDES.map((side) => [side, document.querySelector(`[data-side=${side}]`)]));
    this.videos = Object.fromEntries(SIDES.map((side) => [side, this.figures[side].querySelector("video")]));
    for (const side of SIDES) this.prepare(side);
    this.update();
  }

  prepare(side) {
    const video = this.videos[side];
    const on = (target, name, work) => target.addEventListener(name, work, { signal: this.abort.signal });
    video.src = `/videos/${this.trial}/${side}`;
    on(this.figures[side].querySelector("button"), "click", () => this.toggle(side));
    on(video, "play", () => this.update());
    on(video, "pause", () => this.update());
    on(video, "timeupdate", () => {
      if (!video.seeking) this.furthest[side] = Math.max(this.furthest[side], video.currentTime);
    });
    // media keys can skip; a video counts only if it was played to the end
    on(video, "seeking", () => {
      if (video.currentTime > this.furthest[side] + 0.25) video.currentTime = this.furthest[side];
    });
    on(video, "ratechange", () => { if (video.playbackRate !== 1) video.playbackRate = 1; });
    on(video, "ended", () => this.end(side));
    on(video, "error", () => {
      notify(`Video ${LETTERS[side]} cannot be played. Reload this page; if that does not help, try another browser.`);
    });
  }

  toggle(side) {
    const video = this.videos[side];
    const other = this.videos[side === "left" ? "right" : "left"];
    other.pause();
    video.muted = false;
    video.volume = 1;
    if (video.paused) {
      video.play().catch(() => {});
    } else {
      video.pause();
    }
  }

  async end(side) {
    this.update();
    try {
      const next = await send(`/api/participants/${token}/played`, { trial: this.trial, side });
      this.played = new Set(next.trial === this.trial ? next.played : SIDES);
      this.update();
    } catch (error) {
      await recover(error);
    }
  }

  update() {
    for (const side of SIDES) {
      const isPlaying = !this.videos[side].paused && !this.videos[side].ended;
      const letter = LETTERS[side];
      const isPlayed = this.played.has(side);
      this.figures[side].classList.toggle("playing", isPlaying);
      this.figures[side].querySelector("button").textContent =
        isPlaying ? `❚❚ Pause ${letter}` : isPlayed ? `↻ Play ${letter} again` : `▶ Play ${letter}`;
      const watched = this.figures[side].querySelector(".watched");
      watched.textContent = isPlayed ? "✓ watched" : "";
      watched.classList.toggle("yes", isPlayed);
    }
    const missing = SIDES.filter((side) => !this.played.has(side)).map((side) => LETTERS[side]);
    $("choice").disabled = missing.length > 0;
    $("hint").textContent = missing.length
      ? `Watch ${missing.join(" and ")} to the end to answer.`
      : "You can answer now, or watch the videos again.";
  }

  stop() {
    this.abort.abort();
    for (const video of Object.values(this.videos)) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
  }
}

function renderTrial() {
  $("trial").querySelector("h2").textContent = `Pair ${standing.answered + 1} of ${standing.total}`;
  $("vote-form").reset();
  $("vote-form").querySelector("button").disabled = true;
  pair = new VideoPair(standing.trial, standing.played);
  show("trial");
}

function prepareTrial() {
  const form = $("vote-form");
  const button = form.querySelector("button");
  $("question").textContent = study.question;
  for (const reason of study.reasons) $("reasons").append(option("checkbox", "reason", reason, reason));
  $("reasons-part").hidden = study.reasons.length === 0;
  $("comment-part").hidden = !study.asks_for_comment;
  form.addEventListener("change", () => { button.disabled = !new FormData(form).get("choice"); });
  form.addEventListener("submit", act(async () => {
    const answers = new FormData(form);
    button.disabled = true;
    await render(await send(`/api/participants/${token}/votes`, {
      trial: pair.trial,
      choice: answers.get("choice"),
      reasons: answers.getAll("reason"),
      comment: study.asks_for_comment ? $("comment").value : "",
    }));
  }));
}

function prepareFooter() {
  $("copy").addEventListener("click", async () => {
    $("link").select();
    try {
      await navigator.clipboard.writeText($("link").value);
      $("copy").textContent = "Copied";
    } catch {
      // not allowed; the link is selected, so that the keyboard can copy it
    }
  });
  $("withdraw").addEventListener("click", act(async () => render(await send(`/api/participants/${token}/withdraw`, {}))));
}

async function main() {
  $("app").hidden = false;
  token = location.pathname.match(/^\/p\/([\w-]+)$/)?.[1] ?? null;
  study = await send("/api/study");
  document.title = $("title").textContent = study.title;
  prepareSound();
  prepareTrial();
  prepareFooter();
  if (token) {
    showLink();
    try {
      await render(await send(`/api/participants/${token}`));
    } catch (error) {
      await recover(error);
    }
  } else if (!study.is_open || study.is_full) {
    $("closed-text").textContent = study.is_open
      ? "The study has enough participants. Thank you for your interest."
      : "The study has ended. Thank you for your interest.";
    show("closed");
  } else {
    showConsent();
  }
}

await main();
