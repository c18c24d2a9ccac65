// RFC 4180, read strictly.

/** Rows of a CSV file as objects by the names in its first line. */
export function parse(text) {
  const rows = [[]];
  let cell = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') (cell += '"'), (at += 1);
      else quoted = false;
    } else if (letter === '"' && cell === '') quoted = true;
    else if (letter === ',') rows.at(-1).push(cell), (cell = '');
    else if (letter === '\r' && text[at + 1] === '\n') rows.at(-1).push(cell), rows.push([]), (cell = ''), (at += 1);
    else cell += letter;
  }
  const [head, ...lines] = rows.filter((row) => row.length > 0);
  return lines.map((line) => Object.fromEntries(head.map((name, place) => [name, line[place]])));
}
