/**
 * Every setting there is. Parsing, `conf list`, `conf get`, the flags of the command line and `docs/settings.md` all
 * come from this table, which joins those of the groups, so that a setting is described in one place.
 *
 * The keys are those of the product whose settings files are read unchanged (with `alluxio.` in front), and for the
 * rest in the same manner. The environment variable of `a.b.c` is `HEADRACE_A_B_C`.
 */
import { CACHE_SETTINGS, type CacheValues } from './cache-settings.js';
import { LOG_SETTINGS, type LogValues } from './log-settings.js';
import { PLACE_SETTINGS, type PlaceValues } from './place-settings.js';
import { UNDER_STORE_SETTINGS, type UnderStoreValues } from './under-store-settings.js';
import type { SettingsOf } from './setting.js';

/** The plain values: durations in milliseconds, sizes in bytes. */
export interface SettingValues extends PlaceValues, UnderStoreValues, CacheValues, LogValues {}

export type SettingName = keyof SettingValues;

/** In the order of the documentation; a derived default refers only to settings above it. */
export const SETTINGS: SettingsOf<SettingValues> = {
  ...PLACE_SETTINGS,
  ...UNDER_STORE_SETTINGS,
  ...CACHE_SETTINGS,
  ...LOG_SETTINGS,
};

/** The groups under which the documentation shows the settings. */
export const SETTING_GROUPS: readonly { readonly title: string; readonly names: readonly string[] }[] = [
  { title: 'Places', names: Object.keys(PLACE_SETTINGS) },
  { title: 'Under-store', names: Object.keys(UNDER_STORE_SETTINGS) },
  { title: 'Cache', names: Object.keys(CACHE_SETTINGS) },
  { title: 'Log and index', names: Object.keys(LOG_SETTINGS) },
];

export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS).filter(isSettingName);

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** `s3.port` → `HEADRACE_S3_PORT`. */
export function environmentName(key: string): string {
  return `HEADRACE_${key.toUpperCase().replaceAll('.', '_')}`;
}

export const ALIAS_PREFIX = 'alluxio.';

/** The native key of a spelling: itself, or without `alluxio.` in front. */
export function nativeKey(spelling: string): string {
  return spelling.startsWith(ALIAS_PREFIX) ? spelling.slice(ALIAS_PREFIX.length) : spelling;
}
