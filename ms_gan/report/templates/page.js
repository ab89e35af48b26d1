document.querySelectorAll("[data-player]").forEach(function (player) {
  var frames = JSON.parse(player.querySelector("[data-frames]").textContent);
  var slider = player.querySelector("[data-slider]"), play = player.querySelector("[data-play]");
  var image = player.querySelector("[data-frame]"), label = player.querySelector("[data-label]");
  var timer = null;
  if (!slider) return;
  function show(number) {
    image.src = frames[number].src;
    label.textContent = frames[number].label;
    slider.value = number;
    slider.setAttribute("aria-valuetext", frames[number].label);
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  }
  slider.addEventListener("input", function () {
    stop();
    show(Number(slider.value));
  });
  play.addEventListener("click", function () {
    if (timer) return stop();
    var next = Number(slider.value) === frames.length - 1 ? 0 : Number(slider.value);
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    show(next);
    timer = setInterval(function () {
      next += 1;
      show(next);
      if (next === frames.length - 1) stop();
    }, Math.max(80, Math.min(700, 12000 / frames.length)));
  });
});
function openTarget() {
  var target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", function () {
  document.querySelectorAll("details.run").forEach(function (run) { run.open = true; });
});
openTarget();
