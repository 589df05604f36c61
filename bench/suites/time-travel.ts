/**
 * The state of a store at an offset that is past, asked of its data directory: right at a checkpoint, and as far behind one as an
 * offset can be. A real server writes the store and is killed.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BUCKET, startGenerator, startHeadrace, withCleanup, type BenchContext } from '../context.js';
import { HEADRACE_ENTRY, type HeadraceProcess } from '../headrace-process.js';
import { measureInTurn, median, medianOf, type Measurement, type Side } from '../measurement.js';
import { measureWork } from '../own-usage.js';
import { information, type Row } from '../report.js';

const CONCURRENCY = 64;
const BODY_BYTES = 512;
const run = promisify(execFile);

export function benchTimeTravel(context: BenchContext): Promise<Row[]> {
  return withCleanup(async (cleanup) => {
    const objects = context.scale.dirtyObjects;
    const scenario = `State of ${objects} objects at an offset`;
    context.progress(scenario);
    const generator = await startGenerator(cleanup);
    const server = await startHeadrace(context, cleanup, 'time-travel', 'held');
    await generator.ask({
      port: server.s3Port,
      method: 'PUT',
      targets: { kind: 'numbered', prefix: `${BUCKET}/past/`, first: 0 },
      bodyBytes: BODY_BYTES,
      concurrency: CONCURRENCY,
      operationsMax: objects,
      verifyEvery: 0,
    });
    const { checkpointOffset, durableOffset } = await headOf(server);
    await server.kill();
    const directory = server.options.dataDirectory ?? join(context.directory, 'data');
    const replay = (offset: number): string[] => [
      ...['log', 'replay', '--data-dir', directory],
      ...['--until', String(offset)],
    ];
    const furthest = checkpointOffset === 0 ? durableOffset : checkpointOffset - 1;
    const sides: Side[] = [
      commandSide('floor: headrace --version', ['--version']),
      commandSide(`log replay at checkpoint ${checkpointOffset}`, replay(checkpointOffset)),
      commandSide(`log replay at ${furthest}, furthest from one`, replay(furthest)),
    ];
    const measured = await measureInTurn(sides, context.scale.rounds);
    const [floor = []] = measured;
    return sides.map(({ name }, at) => {
      const rounds = measured[at] ?? [];
      return {
        scenario,
        side: name,
        measurement: medianOf(rounds),
        checks: at === 0 ? [] : [information('more than the start of a process', beyond(rounds, floor))],
      };
    });
  });
}

function commandSide(name: string, args: readonly string[]): Side {
  return { name, run: () => measureWork(1, () => run(process.execPath, [HEADRACE_ENTRY, ...args])) };
}

function beyond(rounds: readonly Measurement[], floor: readonly Measurement[]): string {
  const cpuMs = ({ cpuUsPerOperation }: Measurement): number => cpuUsPerOperation / 1000;
  const more = rounds.map((own, at) => cpuMs(own) - cpuMs(floor[at] ?? own));
  return `${Math.max(0, median(more)).toFixed(0)} ms of CPU`;
}

async function headOf(
  server: HeadraceProcess,
): Promise<{ readonly checkpointOffset: number; readonly durableOffset: number }> {
  const { status, text } = await server.admin('GET', '/api/v1/log/head');
  if (status !== 200) throw new Error(`GET /api/v1/log/head: ${status} ${text}`);
  const { heads } = JSON.parse(text) as {
    heads: readonly { partition: number; checkpointOffset: number; durableOffset: number }[];
  };
  const head = heads.find(({ partition }) => partition !== 0);
  if (head === undefined) throw new Error(`there is no data partition: ${text}`);
  return head;
}
