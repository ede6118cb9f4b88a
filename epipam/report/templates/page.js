// Tables of class "sortable" can be put in another order by their headers. The page says all without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const given = [...table.tBodies[0].rows];
  table.querySelectorAll("thead th").forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const turn = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
      // Rows without a number stay last; a column of names has the order it was given in.
      const keyed = given.map((row, place) => ({ row, place, number: row.cells[column].querySelector("data")?.value }));
      const names = keyed.every((one) => one.number === undefined);
      keyed.sort((a, b) => {
        if (names) return turn * (a.place - b.place);
        if (a.number === undefined || b.number === undefined) return (a.number === undefined) - (b.number === undefined);
        return turn * (a.number - b.number) || a.place - b.place;
      });
      table.tBodies[0].append(...keyed.map((one) => one.row));
    });
  });
}
