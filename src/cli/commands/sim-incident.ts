/** `headrace sim run --from`: reads an export for the simulator, and tells what state it leads to. */
import { CliFailure } from '../context.js';
import { formatBytes, formatTime, printable, type Printer } from '../printer.js';
import type { PreparedIncident, ScenarioSource } from '../simulator.js';
import type { SimSession } from './sim-session.js';

export async function prepareIncident(
  { context, simulator, report }: SimSession,
  file: string,
  source: ScenarioSource,
  /** No scenario was named. */
  isQuiet: boolean,
): Promise<PreparedIncident> {
  const { readBytes } = context;
  if (readBytes === undefined) throw new CliFailure('INTERNAL', 'no files can be read here');
  let prepared: PreparedIncident;
  try {
    prepared = await simulator.prepareIncident({ ...source, isQuiet }, () => readBytes(file));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new CliFailure('NO_SUCH_FILE', `--from ${file}: there is no such file`);
    throw error;
  }
  if (!report.printer.json) await print(report.printer, prepared.incident);
  return prepared;
}

async function print(printer: Printer, incident: PreparedIncident['incident']): Promise<void> {
  const { atMs, offsets, complete, objects, pending, quarantined, pinnedBytes, scale } = incident;
  const { openWrites, openUploads, mounts, conflicts, ufsUploads, staleUploads, leftOut } = incident;
  const where = offsets
    .map(({ partition, offset }) => `offset ${offset} of partition ${partition}`)
    .join(', ');
  const counts = [
    `${objects} objects`,
    `${pending} waiting for their upload (${quarantined} quarantined${conflicts > 0 ? `, ${conflicts} in conflict` : ''})`,
    `${formatBytes(pinnedBytes)} pinned`,
    ...counted(openUploads, 'open upload', 'open uploads'),
    ...counted(openWrites, 'open write', 'open writes'),
    ...counted(ufsUploads, 'upload in parts under way at the UFS', 'uploads in parts under way at the UFS'),
    ...(staleUploads > 0 ? [`${staleUploads} to be aborted there`] : []),
    ...counted(mounts, 'mount', 'mounts'),
  ];
  await printer.text(`continues at ${where} (${formatTime(atMs)} UTC): ${counts.join(', ')}`);
  if (!complete)
    await printer.text('the export does not tell the whole state: what it leaves out is not there');
  for (const sentence of leftOut) await printer.text(printable(sentence));
  if (scale > 1) await printer.text(`one simulated byte stands for ${scale}`);
}

function counted(count: number, one: string, many: string): string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
}
