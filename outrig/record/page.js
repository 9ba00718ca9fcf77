"use strict";
// Plays the film of a session (record/film.py). Text goes in as text and colours as properties, so
// nothing that a session said can become a part of this page.
(() => {
  const film = JSON.parse(document.getElementById("film").textContent);
  const PALETTE = [
    "#3b4048", "#e06c75", "#98c379", "#d19a66", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
    "#6b7280", "#ff8a92", "#b5e890", "#ffd68a", "#8ac6ff", "#e29cf5", "#7fe0ea", "#ffffff",
  ];
  const GROUND = "#101216", INK = "#d6d9dd", LONGEST_PAUSE = 1000, SMALLEST = 5;
  const screen = document.getElementById("screen");
  const button = document.getElementById("play");
  const slider = document.getElementById("seek");
  const clock = document.getElementById("clock");
  const speed = document.getElementById("speed");
  const skip = document.getElementById("skip");
  const here = document.getElementById("here");
  let now = 0, next = 0, rows = [], cursor = null, size = [film.rows, film.columns];
  let stale = new Set(), playing = false, before = 0, fitted = null;

  const colour = (name) => (name.startsWith("#") ? name : name ? PALETTE[Number(name)] : "");

  function span(text, number) {
    const [fg, bg, flags] = film.styles[number];
    const made = document.createElement("span");
    made.textContent = text;
    let ink = colour(fg), ground = colour(bg);
    if (flags & 16) [ink, ground] = [ground || GROUND, ink || INK];
    if (ink) made.style.color = ink;
    if (ground) made.style.backgroundColor = ground;
    ["bold", "italic", "under", "struck"].forEach((name, bit) => {
      if (flags & (1 << bit)) made.classList.add(name);
    });
    return made;
  }

  function take([, changed, at, resized]) {
    if (resized) {
      size = resized;
      rows = [];
      for (let y = 0; y < size[0]; y++) stale.add(y);
    }
    for (const [y, runs] of changed) {
      rows[y] = runs;
      stale.add(y);
    }
    cursor = at;
  }

  // All columns of a wide terminal are seen at once, as long as they can be read.
  function fit() {
    screen.style.fontSize = "";
    const style = getComputedStyle(screen.parentElement);
    const room = screen.parentElement.clientWidth
      - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const width = () => screen.getBoundingClientRect().width;
    let pixels = parseFloat(getComputedStyle(screen).fontSize) * Math.min(1, room / width());
    while (width() > room) {
      screen.style.fontSize = `${Math.max(SMALLEST, pixels)}px`;
      if (pixels <= SMALLEST) return;
      pixels -= 0.125; // glyphs do not shrink as evenly as numbers
    }
  }

  function paint() {
    while (screen.children.length > size[0]) screen.lastChild.remove();
    while (screen.children.length < size[0]) screen.append(document.createElement("div"));
    if (fitted !== size) {
      screen.style.minWidth = `${size[1]}ch`;
      fit();
      fitted = size;
    }
    for (const y of stale) {
      if (y >= size[0]) continue;
      const runs = rows[y] || [], spans = [];
      for (let i = 0; i < runs.length; i += 2) spans.push(span(runs[i], runs[i + 1]));
      screen.children[y].replaceChildren(...spans);
    }
    stale.clear();
    for (const old of screen.querySelectorAll(".cursor")) old.remove();
    if (cursor && screen.children[cursor[1]]) {
      const block = document.createElement("span");
      block.className = "cursor";
      block.textContent = " ";
      block.style.left = `${cursor[0]}ch`;
      screen.children[cursor[1]].append(block);
    }
    slider.value = now;
    clock.textContent = `${time(now)} / ${time(film.end)}`;
    if (here) here.setAttribute("x", film.end ? (now / film.end) * 1000 - 1 : 0);
  }

  function time(ms) {
    const s = Math.floor(ms / 1000), pad = (n) => String(n).padStart(2, "0");
    return `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  }

  function show(ms) {
    ms = Math.max(0, Math.min(ms, film.end));
    if (ms < now) {
      next = 0;
      take([0, [], [0, 0], [film.rows, film.columns]]);
    }
    now = ms;
    while (next < film.frames.length && film.frames[next][0] <= now) take(film.frames[next++]);
    paint();
  }

  function tick(stamp) {
    if (!playing) return;
    let to = now + (stamp - before) * Number(speed.value);
    before = stamp;
    const due = next < film.frames.length ? film.frames[next][0] : film.end;
    if (skip.checked && due - to > LONGEST_PAUSE) to = due - LONGEST_PAUSE;
    show(to);
    if (now >= film.end) return play(false);
    requestAnimationFrame(tick);
  }

  function play(on) {
    if (on && now >= film.end) show(0);
    playing = on;
    button.textContent = on ? "Pause" : "Play";
    before = performance.now();
    if (on) requestAnimationFrame(tick);
  }

  slider.max = film.end;
  addEventListener("resize", fit);
  button.addEventListener("click", () => play(!playing));
  slider.addEventListener("input", () => show(Number(slider.value)));
  document.getElementById("timeline").addEventListener("click", (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    show(((event.clientX - box.left) / box.width) * film.end);
  });
  document.addEventListener("keydown", (event) => {
    if (/^(INPUT|SELECT|BUTTON)$/.test(event.target.tagName)) return;
    if (event.key === " ") play(!playing);
    else if (event.key === "ArrowRight") show(now + 5000);
    else if (event.key === "ArrowLeft") show(now - 5000);
    else return;
    event.preventDefault();
  });
  document.getElementById("player").hidden = false;
  take([0, [], [0, 0], [film.rows, film.columns]]);
  // page.html#t=12.5 begins there; else the end is shown, which is what most came to see
  const asked = /^#t=([0-9.]+)$/.exec(location.hash);
  show(asked ? Number(asked[1]) * 1000 : film.end);
})();
