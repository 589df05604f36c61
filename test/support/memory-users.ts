/** Users over a control stream in memory, with secrets that are only spelled backwards. */
import { SystemRandom } from '../../src/adapters/system-random.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import type { Clock } from '../../src/core/ports.js';
import type { ControlPartition } from '../../src/engine/control-partition.js';
import { Users } from '../../src/engine/users.js';
import type { ControlEvent } from '../../log/events.js';
import { emptyControlState, foldControl } from '../../projections/control.js';

export interface MemoryUsers {
  readonly users: Users;
  readonly control: Pick<ControlPartition, 'state' | 'submit' | 'listen'>;
  readonly events: readonly ControlEvent[];
}

export function createMemoryUsers({ clock }: { readonly clock: Clock }): MemoryUsers {
  const state = emptyControlState();
  const events: ControlEvent[] = [];
  const listeners: ((event: ControlEvent) => void)[] = [];
  const control: MemoryUsers['control'] = {
    state,
    listen: (listener) => void listeners.push(listener),
    submit: async (decide) => {
      const event = decide(state, clock.wallTimeMs());
      if (event === undefined) return undefined;
      events.push(event);
      foldControl(state, event, events.length - 1);
      for (const listener of listeners) listener(event);
      return events.length - 1;
    },
  };
  const backwards = (text: string): string => Buffer.from(text, 'latin1').reverse().toString('latin1');
  const secrets = {
    sealer: async () => (secret: string, owner: string) => backwards(`${owner}:${secret}`),
    open: (sealed: string, owner: string) => {
      const text = backwards(sealed);
      return text.startsWith(`${owner}:`) ? text.slice(owner.length + 1) : undefined;
    },
  };
  const users = new Users({ control, secrets, random: new SystemRandom(), logger: SILENT_LOGGER });
  return { users, control, events };
}
