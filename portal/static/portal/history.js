// The chart of a balance, and the focus after more movements were shown. The page works without this file.
(function () {
  "use strict";

  const HEIGHT = 240;

  /** A colour of the design, as it is now in light or dark. */
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function axis(more) {
    return { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, ...more };
  }

  // No amount is a number here. The server says where each point and each line is, from 0 to `top`, and gives the texts.
  function draw(place, chart, said) {
    const labels = new Map(chart.ticks.map((tick) => [tick.position, tick.label]));
    const widest = Math.max(...chart.ticks.map((tick) => tick.label.length));
    const options = {
      width: place.clientWidth,
      height: place.clientHeight || HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { y: { range: [0, chart.top] } },
      axes: [
        axis({ size: 34, values: [[86400, "{D} {MMM}"], [3600, "{HH}:{mm}"]] }),
        axis({ size: 14 + widest * 8, splits: () => [...labels.keys()], values: (_, splits) => splits.map((at) => labels.get(at)) }),
      ],
      series: [{}, { stroke: colour("--accent"), width: 2, fill: colour("--tint"), points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }],
      hooks: { setCursor: [(shown) => say(chart, shown.cursor.idx, said)] },
    };
    place.replaceChildren();
    return new uPlot(options, [chart.points.map((point) => point.at), chart.points.map((point) => point.position)], place);
  }

  function say(chart, index, said) {
    const point = chart.points[index ?? chart.points.length - 1];
    said.textContent = `${point.when}: ${point.balance} ${chart.currency}`;
  }

  async function show(place) {
    const said = document.querySelector("[data-chart-said]");
    const answer = await fetch(place.dataset.chart, { headers: { Accept: "application/json" } });
    if (!answer.ok) return; // the table has the same
    const chart = await answer.json();
    place.hidden = said.hidden = false;
    let plot = draw(place, chart, said);
    say(chart, null, said);
    new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: place.clientHeight })).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      plot.destroy();
      plot = draw(place, chart, said);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-chart]")) show(place).catch(() => {}); // the table has the same
  });

  // Whoever pressed "Show more" goes on reading at the first new movement.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "more") event.detail.target.previousElementSibling?.setAttribute("data-last-shown", "");
  });
  document.addEventListener("htmx:afterSettle", () => {
    const last = document.querySelector("[data-last-shown]");
    if (!last) return;
    last.removeAttribute("data-last-shown");
    last.nextElementSibling?.querySelector("a")?.focus();
  });
})();
