/** Values that are each allowed and yet cannot stand together. */
import { formatDuration } from '../core/quantities.js';
import { SETTINGS, type SettingName, type SettingValues } from './table.js';

/** One line that names both keys and values; undefined when all is well. */
export function findContradiction(values: SettingValues): string | undefined {
  const { persistRetryInitialMs, persistRetryMaxMs } = values;
  if (persistRetryInitialMs > persistRetryMaxMs)
    return (
      `${SETTINGS.persistRetryInitialMs.key} = ${formatDuration(persistRetryInitialMs)} is longer than ` +
      `${SETTINGS.persistRetryMaxMs.key} = ${formatDuration(persistRetryMaxMs)}: it must be at most that`
    );
  return (
    onlyOne(values, 's3TlsCertificateFile', 's3TlsKeyFile') ??
    onlyOne(values, 'ufsS3AccessKeyId', 'ufsS3SecretAccessKey') ??
    samePort(values)
  );
}

function onlyOne(values: SettingValues, a: SettingName, b: SettingName): string | undefined {
  if ((values[a] === undefined) === (values[b] === undefined)) return undefined;
  const [given, missing] = values[a] === undefined ? [b, a] : [a, b];
  return `${SETTINGS[given].key} is given without ${SETTINGS[missing].key}: give both or none`;
}

/** Port 0 takes a free one, so it never collides. */
function samePort(values: SettingValues): string | undefined {
  const listeners: [key: string, port: number][] = [[SETTINGS.adminPort.key, values.adminPort]];
  if (values.s3Enabled) listeners.push([SETTINGS.s3Port.key, values.s3Port]);
  if (values.s3Enabled && values.s3TlsCertificateFile !== undefined)
    listeners.push([SETTINGS.s3TlsPort.key, values.s3TlsPort]);
  for (const [index, [key, port]] of listeners.entries())
    for (const [otherKey, otherPort] of listeners.slice(index + 1))
      if (port === otherPort && port !== 0)
        return `${key} and ${otherKey} are both ${port}: give each its own port`;
  return undefined;
}
