/** `docs/settings.md`, made from the table of settings: `headrace conf list --markdown > docs/settings.md`. */
import { environmentName, SETTING_GROUPS, SETTING_NAMES, SETTINGS } from './table.js';

const INTRODUCTION = `# Settings

<!-- Made by \`headrace conf list --markdown\` from the tables in src/settings. Change it there. -->

A flag beats the environment, the environment beats the file, the file beats the default. \`headrace conf list\` shows
every value with its source, \`headrace conf get KEY\` one value.

- **Flags**: \`--set KEY=VALUE\` for any key, as often as needed; some keys have a flag of their own.
- **Environment**: \`a.b.c\` is \`HEADRACE_A_B_C\`. An empty variable counts as not given.
- **File**: \`--config FILE\`, else \`HEADRACE_CONFIG\`, else \`./headrace.yaml\` when it is there. Keys may be nested or dotted:
  \`s3: { port: 9000 }\` and \`s3.port: 9000\` are the same. A key that is also the start of others (\`ufs\`) has to be dotted.
- **A file you have already**: when its name ends with \`.properties\` it is read as \`alluxio-site.properties\`. Keys in it that
  start with \`alluxio.\` and mean nothing here are ignored, and listed in one warning at the start.
  References such as \`\${alluxio.conf.dir}\` are not resolved.
- **Aliases**: \`alluxio.KEY\` is accepted wherever \`KEY\` is (not in the environment).

Durations have a unit: \`500ms\`, \`1s\`, \`10min\`, \`1h\`, \`7d\`. Sizes: \`64KiB\`, \`10GiB\`; \`GB\` means the same as \`GiB\`, and a bare
number is bytes. An unknown key, a bad unit or an impossible value stops the start with one line that names the key, the value,
its source and what is allowed.
`;

/** The whole page, formatted as prettier formats it. */
export function settingsDocument(): string {
  const sections = SETTING_GROUPS.map(({ title, names }) => {
    const settings = SETTING_NAMES.filter((name) => names.includes(name)).map((name) => SETTINGS[name]);
    const rows = settings.map(({ key, defaultText, description, flag }) => [
      flag === undefined ? `\`${key}\`` : `\`${key}\`<br>\`${flag}\``,
      `\`${defaultText}\``,
      description,
    ]);
    const allowed = settings.map(
      (setting) => `- \`${setting.key}\` (\`${environmentName(setting.key)}\`): ${setting.allowed}`,
    );
    return `## ${title}\n\n${table(['Key', 'Default', 'Meaning'], rows)}\n\nAllowed values:\n\n${allowed.join('\n')}\n`;
  });
  return [INTRODUCTION, ...sections].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
