// The line over a take's waveform and spectrogram follows its video; a click there seeks to that time.

function follow(video) {
  const take = video.closest(".take");
  if (!take) return;
  const { start, end } = take.dataset;
  const share = (video.currentTime - start) / (end - start);
  take.querySelector(".now").style.left = `${100 * Math.min(1, Math.max(0, share))}%`;
}

function followWhilePlaying(video) {
  follow(video);
  if (!video.paused && video.isConnected) requestAnimationFrame(() => followWhilePlaying(video));
}

// media events do not bubble, but they can be caught on their way down
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("video")) if (other !== event.target) other.pause();
  followWhilePlaying(event.target);
}, true);
for (const name of ["seeked", "timeupdate"]) document.addEventListener(name, (event) => follow(event.target), true);

document.addEventListener("click", (event) => {
  const sound = event.target.closest?.(".sound");
  if (!sound) return;
  const take = sound.closest(".take");
  const box = sound.getBoundingClientRect();
  const { start, end } = take.dataset;
  take.querySelector("video").currentTime = +start + (end - start) * (event.clientX - box.left) / box.width;
});
