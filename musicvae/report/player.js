// Plays songs and moves a playhead over their piano rolls. Sound is embedded audio or oscillators.
"use strict";
(() => {
  const MARGIN = 16; // above a roll, for bar numbers
  const CHORD_ROW = 14;
  const players = [];
  let current = null;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const formatTime = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

  // -- clocks: a recording, or oscillators ---------------------------------------------------------
  class Recording {
    constructor(audio) { this.audio = audio; audio.controls = false; }
    get time() { return this.audio.currentTime; }
    set time(s) { this.audio.currentTime = s; }
    get playing() { return !this.audio.paused && !this.audio.ended; }
    play() { return this.audio.play(); }
    pause() { this.audio.pause(); }
  }
  class Synth {
    constructor(song) {
      this.length = song.seconds;
      this.notes = song.parts.flatMap((part) => part.notes.map((n) => ({
        at: n[0] / 1000, duration: n[1] / 1000, pitch: n[2], gain: n[3] / 127, drum: part.drum,
        cutoff: part.drum ? song.noise_cutoff_hz[n[4]] : 0,
      }))).sort((a, b) => a.at - b.at);
      this.position = 0;
      this.playing = false;
    }
    get time() {
      if (!this.playing) return this.position;
      const now = this.position + this.context.currentTime - this.startedAt;
      if (now >= this.length + 0.3) { this.pause(); this.position = this.length; }
      return Math.min(now, this.length);
    }
    set time(s) {
      const playing = this.playing;
      if (playing) this.pause();
      this.position = s;
      if (playing) this.play();
    }
    play() {
      if (this.position >= this.length - 0.05) this.position = 0;
      this.context = new AudioContext();
      this.output = this.context.createDynamicsCompressor();
      this.output.connect(this.context.destination);
      this.startedAt = this.context.currentTime + 0.08;
      this.next = this.notes.findIndex((n) => n.at >= this.position - 0.001);
      if (this.next < 0) this.next = this.notes.length;
      this.playing = true;
      this.timer = setInterval(() => this.schedule(), 60);
      this.schedule();
      return this.context.resume();
    }
    pause() {
      if (!this.playing) return;
      clearInterval(this.timer);
      this.position = Math.max(0, this.position + this.context.currentTime - this.startedAt);
      this.playing = false;
      this.context.close();
    }
    schedule() {
      const until = this.position + this.context.currentTime - this.startedAt + 0.4;
      while (this.next < this.notes.length && this.notes[this.next].at < until) {
        const note = this.notes[this.next++];
        this.playNote(note, Math.max(this.startedAt + note.at - this.position, this.context.currentTime));
      }
    }
    playNote(note, at) {
      const gain = this.context.createGain();
      const peak = 0.22 * note.gain ** 1.5;
      const end = at + (note.drum ? 0.16 : Math.max(note.duration, 0.06));
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(peak, at + 0.008);
      gain.gain.setTargetAtTime(note.drum ? 0 : peak * 0.6, at + 0.01, note.drum ? 0.04 : 0.25);
      gain.gain.setTargetAtTime(0, end, 0.05);
      gain.connect(this.output);
      const source = note.cutoff ? this.noise() : this.context.createOscillator();
      if (source.frequency) {
        source.type = "triangle";
        source.frequency.setValueAtTime(note.drum ? 110 : 440 * 2 ** ((note.pitch - 69) / 12), at);
        if (note.drum) source.frequency.exponentialRampToValueAtTime(40, at + 0.12);
        source.connect(gain);
      } else {
        const filter = this.context.createBiquadFilter();
        filter.type = "highpass";
        filter.frequency.value = note.cutoff;
        source.connect(filter).connect(gain);
      }
      source.start(at);
      source.stop(end + 0.3);
    }
    noise() {
      const { context } = this;
      if (this.noiseBuffer?.sampleRate !== context.sampleRate) {
        this.noiseBuffer = context.createBuffer(1, context.sampleRate / 2, context.sampleRate);
        const data = this.noiseBuffer.getChannelData(0);
        data.forEach((_, i) => { data[i] = 2 * Math.random() - 1; });
      }
      const source = context.createBufferSource();
      source.buffer = this.noiseBuffer;
      return source;
    }
  }
  // -- piano rolls -------------------------------------------------------------------------------------
  function draw(canvas, song, width, height, small) {
    const ratio = Math.min(window.devicePixelRatio || 1, 16000 / width);
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const chords = small ? [] : song.chords;
    const top = small ? 0 : MARGIN + (chords.length ? CHORD_ROW : 0);
    const lane = song.lanes.length ? (small ? 3 : 11) : 0;
    const pitched = height - top - lane * song.lanes.length;
    const step = pitched / Math.max(song.high - song.low + 1, 1);
    const x = (s) => (s / song.seconds) * width;
    const y = (pitch) => top + (song.high - pitch) * step;
    const box = (fill, ...at) => { pen.fillStyle = fill; pen.fillRect(...at); };
    if (!small) {
      for (let pitch = song.low; pitch <= song.high; pitch++) {
        if ([1, 3, 6, 8, 10].includes(pitch % 12)) box(color("--key"), 0, y(pitch), width, step);
      }
      pen.font = "9px system-ui, sans-serif";
      for (let pitch = 12 * Math.ceil(song.low / 12); pitch <= song.high; pitch += 12) {
        box(color("--octave"), 0, y(pitch) + step - 0.5, width, 1);
        pen.fillStyle = color("--gray");
        pen.fillText(`C${pitch / 12 - 1}`, 3, y(pitch) + step - 3);
      }
    }
    pen.font = "11px system-ui, sans-serif";
    let free = -1;
    for (const [at, number] of song.bars) {
      box(color(small ? "--octave" : "--bar"), x(at), top, small ? 0.5 : 1, height - top);
      if (!small && number > 0 && x(at) >= free) {
        pen.fillStyle = color("--gray");
        pen.fillText(number, x(at) + 2, 11);
        free = x(at) + 28;
      }
    }
    pen.font = "12px system-ui, sans-serif";
    free = -1;
    for (const [at, symbol] of chords) {
      if (x(at) < free) continue;
      pen.fillStyle = color("--foreground");
      pen.fillText(symbol, x(at) + 2, MARGIN + CHORD_ROW - 4);
      free = x(at) + pen.measureText(symbol).width + 6;
    }
    for (const part of song.parts) {
      const fill = color(part.drum ? "--foreground" : `--p${part.color % 6}`);
      for (const [onset, duration, pitch, velocity, row] of part.notes) {
        pen.globalAlpha = 0.35 + 0.65 * Math.min(velocity / 104, 1);
        const left = x(onset / 1000);
        const noteWidth = Math.max(x((onset + duration) / 1000) - left - 0.7, 1.2);
        if (part.drum) box(fill, left, height - (row + 1) * lane + 0.5, small ? 1.5 : 3, lane - 1.5);
        else box(fill, left, y(pitch) + 0.07 * step, noteWidth, Math.max(0.86 * step, 1.6));
        if (!part.drum && !small) { pen.globalAlpha = 1; box(color("--foreground"), left, y(pitch), 1, step); }
      }
    }
    pen.globalAlpha = 1;
  }
  // -- player of one song -----------------------------------------------------------------------------
  class Player {
    constructor(article) {
      const find = (what) => article.querySelector(what);
      this.article = article;
      this.song = JSON.parse(find("script").textContent);
      const audio = find("audio");
      this.clock = audio ? new Recording(audio) : new Synth(this.song);
      [this.button, this.seek, this.clockText] = [find(".play"), find(".seek"), find(".clock")];
      [this.roll, this.canvas, this.playhead] = [find(".roll"), find(".roll canvas"), find(".playhead")];
      this.button.addEventListener("click", () => this.toggle());
      this.seek.addEventListener("input", () => this.go(Number(this.seek.value)));
      this.canvas.addEventListener("click", (event) =>
        this.go((event.offsetX / this.canvas.clientWidth) * this.song.seconds));
      find(".controls").hidden = false;
    }
    redraw() {
      const { song } = this;
      if (!this.roll.clientWidth) return;
      const minWidth = Math.min(Math.max(song.bars.length, 1) * 26, 15000);
      const span = song.high - song.low + 1;
      const height = MARGIN + (song.chords.length ? CHORD_ROW : 0) + (span > 0 ? Math.min(Math.max(span * 5, 70), 240) : 0);
      draw(this.canvas, song, Math.max(this.roll.clientWidth, minWidth), height + 11 * song.lanes.length);
      this.show();
    }
    toggle() { if (this.clock.playing) { this.clock.pause(); this.show(); } else this.play(); }
    play() {
      for (const other of players) if (other !== this && other.clock.playing) { other.clock.pause(); other.show(); }
      current = this;
      Promise.resolve(this.clock.play()).catch(() => this.show());
      const follow = () => { this.show(true); if (this.clock.playing) requestAnimationFrame(follow); };
      requestAnimationFrame(follow);
    }
    go(s) {
      current = this;
      this.clock.time = Math.min(Math.max(s, 0), this.song.seconds);
      this.show();
    }
    show(follow) {
      const time = Math.min(this.clock.time, this.song.seconds);
      const at = (time / this.song.seconds) * this.canvas.clientWidth;
      this.playhead.style.transform = `translateX(${at}px)`;
      this.playhead.style.height = `${this.canvas.clientHeight}px`;
      this.seek.value = time;
      this.clockText.textContent = `${formatTime(time)} / ${formatTime(Math.round(this.song.seconds))}`;
      const playing = this.clock.playing;
      this.button.textContent = playing ? "❚❚" : "▶";
      this.button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${this.song.title}`);
      const { roll } = this;
      if (follow && (at < roll.scrollLeft || at > roll.scrollLeft + roll.clientWidth * 0.9)) {
        roll.scrollLeft = at - roll.clientWidth * 0.1;
      }
    }
  }
  // -- interpolation: one song is shown, chosen by small rolls and a slider -------------------------------
  function interpolation(section) {
    const inside = players.filter((p) => section.contains(p.article));
    const buttons = [...section.querySelectorAll(".steps button")];
    const slider = section.querySelector(".step-slider");
    let shown = 0;
    const choose = (nth) => {
      const from = inside[shown], to = inside[nth], playing = from.clock.playing, share = from.clock.time / from.song.seconds;
      if (playing) from.clock.pause();
      shown = nth;
      inside.forEach((p, i) => { p.article.hidden = i !== nth; });
      buttons.forEach((b, i) => b.setAttribute("aria-pressed", i === nth));
      if (slider) slider.value = nth;
      slider?.setAttribute("aria-valuetext", to.song.title);
      to.redraw();
      if (from !== to) to.go(share * to.song.seconds);
      if (playing) to.play();
    };
    buttons.forEach((b, nth) => b.addEventListener("click", () => choose(nth)));
    slider?.addEventListener("input", () => choose(Number(slider.value)));
    section.querySelector(".chooser").hidden = false;
    choose(0);
    return () => buttons.forEach((b, i) =>
      draw(b.querySelector("canvas"), inside[i].song, Math.max(b.clientWidth - 8, 20), 44, true));
  }

  for (const article of document.querySelectorAll("article.song")) players.push(new Player(article));
  const interpolations = [...document.querySelectorAll("section.interpolation")].map(interpolation);
  current = players.find((p) => !p.article.hidden) ?? null;
  const redrawAll = () => { players.forEach((p) => p.redraw()); interpolations.forEach((redraw) => redraw()); };
  redrawAll();
  new ResizeObserver(redrawAll).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest?.("button, a, summary, input:not([type=range])");
    if (event.code !== "Space" || busy || !current) return;
    event.preventDefault();
    current.toggle();
  });
})();
