/** Directories that no under-store may be: those of the store itself. */
import fs from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { openDataDirectory } from '../../../../src/adapters/data-directory.js';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { checkNewMount, openObjectStore } from '../../../../src/adapters/ufs/open.js';
import { HeadraceError } from '../../../../src/core/errors.js';
import { SILENT_LOGGER } from '../../../../src/core/logger.js';

interface Place {
  readonly directory: string;
  /** What is refused about a URI, as a store for all buckets and as a mount; undefined when it is taken. */
  readonly refusals: (uri: string) => Promise<(string | undefined)[]>;
}

/** A data directory in a directory, beside which there are others. */
async function place(t: Test): Promise<Place> {
  const directory = path.join(t.testdir({ place: { other: {}, 'data-2': {}, file: 'text' } }), 'place');
  const dataDirectory = path.join(directory, 'data');
  await (await openDataDirectory(dataDirectory, { formatVersion: 1 })).release();
  for (const name of ['log', 'segments', 'index']) await fs.mkdir(path.join(dataDirectory, name));
  const parts = {
    clock: new SystemClock(),
    random: new SystemRandom(),
    logger: SILENT_LOGGER,
    dataDirectory,
  };
  const refusals = (uri: string): Promise<(string | undefined)[]> =>
    Promise.all(
      [
        openObjectStore(uri, {}, parts).then((store) => store.close()),
        checkNewMount({ ufs: uri, options: {} }, [], parts),
      ].map((opening) =>
        opening.then(
          () => undefined,
          (error: unknown) => {
            if (!(error instanceof HeadraceError) || error.code !== 'INVALID_SETTING') throw error;
            return error.message;
          },
        ),
      ),
    );
  return { directory, refusals };
}

void t.test(
  'own places: the data directory, what holds it and what is in it are no under-stores',
  async (t) => {
    const { directory, refusals } = await place(t);
    const data = path.join(directory, 'data');
    await fs.symlink(path.join(data, 'segments'), path.join(directory, 'link'));
    for (const [uri, why] of [
      [data, /it is the data directory: name a directory beside that, or .*data\/ufs$/],
      [`${data}/`, /it is the data directory/],
      [path.relative('.', data), /it is the data directory/],
      [`file://${data}`, /it is the data directory/],
      [directory, /it holds the data directory .*\/data: /],
      [path.join(data, 'log'), /it belongs to the data directory .*\/data: /],
      [path.join(data, 'segments/deeper/still'), /it belongs to the data directory/],
      [path.join(data, 'index'), /it belongs to the data directory/],
      [path.join(data, 'secrets.key'), /it belongs to the data directory/],
      [path.join(data, 'headrace.json'), /it belongs to the data directory/],
      [path.join(data, 'admin.token'), /it belongs to the data directory/],
      [path.join(directory, 'link'), /it belongs to the data directory/],
      [path.join(directory, 'link', 'new'), /it belongs to the data directory/],
      [path.join(directory, 'file'), /it is a file: name a directory/],
    ] as const) {
      const found = await refusals(uri);
      t.equal(found.length, 2);
      for (const message of found) {
        t.match(message, why);
        t.ok(message?.startsWith(`"${uri}" cannot be an under-store`), 'the value is named');
      }
    }
  },
);

void t.test(
  'own places: beside the data directory, or a name in it that is not ours, is an under-store',
  async (t) => {
    const { directory, refusals } = await place(t);
    for (const name of ['other', 'data-2', 'not-there/yet', 'data/ufs', 'data/ufs/log', 'data/logs'])
      t.same(await refusals(path.join(directory, name)), [undefined, undefined], name);
  },
);
