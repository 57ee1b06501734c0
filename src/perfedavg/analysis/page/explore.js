// Figures to explore: lines or points from the figure's own CSV, which the page holds for download.
{
  const rowsOf = (link) => {
    const bytes = Uint8Array.from(atob(link.href.split(",", 2)[1]), (c) => c.charCodeAt(0));
    const text = new TextDecoder().decode(bytes), rows = [[""]];
    let quoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i], row = rows[rows.length - 1];
      if (c === '"') { if (quoted && text[i + 1] === '"') row[row.length - 1] += text[++i]; else quoted = !quoted; }
      else if (c === "," && !quoted) row.push("");
      else if (c === "\n" && !quoted) rows.push([""]);
      else if (c !== "\r") row[row.length - 1] += c;
    }
    const head = rows.shift();
    return rows.filter((row) => row.length === head.length).map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]])));
  };
  const words = (row, fields) => Object.entries(fields).filter(([field]) => row[field]).map(([field, before]) => before + row[field].replace(/\.0$/, "")).join(", ");
  const grouped = (rows, key) => rows.reduce((groups, row) => groups.set(key(row), [...(groups.get(key(row)) || []), row]), new Map());
  // One line per series: means over seeds; or a point per row.
  const dataOf = (rows, chart) => chart.points
    ? rows.map((row) => ({ x: +row[chart.x], y: +row[chart.y], said: words(row, chart.points) }))
    : [...grouped(rows, (row) => +row[chart.x])].sort((a, b) => a[0] - b[0])
        .map(([x, at]) => ({ x, y: at.reduce((sum, row) => sum + +row[chart.y], 0) / at.length, said: `mean of ${at.length} run${at.length > 1 ? "s" : ""}` }));
  const draw = (details) => {
    const chart = JSON.parse(details.dataset.chart), link = details.closest("figure").querySelector('a[download$=".csv"]');
    const rows = rowsOf(link).filter((row) => row[chart.x] !== "" && row[chart.y] !== "");
    const { model, ...others } = chart.series, together = Object.keys(others).length ? others : chart.series;
    const colours = [...grouped(rows, (row) => words(row, together)).keys()];
    const datasets = [...grouped(rows, (row) => words(row, chart.series))].map(([label, of]) => {
      const color = chart.colors[colours.indexOf(words(of[0], together)) % chart.colors.length];
      const dashed = together !== chart.series && of[0].model === "initial";
      return { label, data: dataOf(of, chart), borderColor: color, backgroundColor: chart.points ? color + "80" : color, borderWidth: 1.5,
        borderDash: dashed ? [5, 3] : [], pointStyle: dashed ? "rect" : "circle", pointRadius: 3, pointHitRadius: 8, showLine: !chart.points };
    });
    const axis = (text, field) => {
      const whole = rows.every((row) => Number.isInteger(+row[field]));
      return { type: "linear", title: { display: true, text }, ticks: whole ? { precision: 0 } : {} };
    };
    const drawn = new Chart(details.querySelector("canvas"), {
      type: "scatter", data: { datasets },
      options: {
        animation: false, maintainAspectRatio: false, interaction: { mode: "nearest", intersect: true },
        scales: { x: axis(chart.x_label, chart.x), y: axis(chart.y_label, chart.y) },
        plugins: { legend: { display: false }, tooltip: { callbacks: { label: ({ dataset, raw }) =>
          [dataset.label, `${chart.x_label} ${+raw.x.toFixed(4)}, ${chart.y_label} ${raw.y.toFixed(4)}`, raw.said] } } },
      },
    });
    const list = details.querySelector("fieldset");
    datasets.forEach((set, i) => {
      const label = document.createElement("label"), box = document.createElement("input"), mark = document.createElement("span");
      Object.assign(box, { type: "checkbox", checked: true });
      mark.style.borderTop = `3px ${set.borderDash.length ? "dashed" : "solid"} ${set.borderColor}`;
      box.addEventListener("change", () => drawn.setDatasetVisibility(i, box.checked) || drawn.update());
      label.append(box, mark, set.label);
      list.append(label);
    });
    details.querySelector("button").addEventListener("click", () => {
      const boxes = [...list.querySelectorAll("input")], on = !boxes.some((box) => box.checked);
      for (const box of boxes) { box.checked = on; box.dispatchEvent(new Event("change")); }
    });
  };
  for (const details of document.querySelectorAll(".explore"))
    details.addEventListener("toggle", () => draw(details), { once: true });
}
