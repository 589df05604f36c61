/** Reading an answer of JSON values, one per line. */

/** Longest line: an event with its largest document fits several times. */
const LINE_CHARACTERS_MAX = 4 * 1024 * 1024;

/** The values of the lines, as they arrive. Leaving the loop closes the connection. */
export async function* readLines(response: Response): AsyncGenerator<unknown, void, undefined> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARACTERS_MAX)
      throw new RangeError(`a line is longer than ${LINE_CHARACTERS_MAX} characters`);
    for (const line of lines) if (line !== '') yield JSON.parse(line);
  }
}
