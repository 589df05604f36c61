/**
 * The three spellings of time in S3: HTTP dates, ISO 8601 in XML, and the compact one of signatures.
 *
 * Pure arithmetic on milliseconds since the Unix epoch, in UTC; the clock itself is a port. S3 keeps times to the second: XML
 * shows `.000Z`, and a condition compares whole seconds. Days are counted with the proleptic Gregorian calendar whose years
 * begin in March, so that the leap day is the last one (the usual method of date algorithms).
 */
import { SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS } from '../../core/units.js';

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS_PER_ERA = 146_097;
const DAYS_TO_EPOCH = 719_468;

interface Civil {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
}

function civilOf(daysSinceEpoch: number): Civil {
  const days = daysSinceEpoch + DAYS_TO_EPOCH;
  const era = Math.floor(days / DAYS_PER_ERA);
  const dayOfEra = days - era * DAYS_PER_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

function daysOf({ year, month, day }: Civil): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_PER_ERA + dayOfEra - DAYS_TO_EPOCH;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function timeOfDay(ms: number, separator: string): string {
  const rest = ms - Math.floor(ms / DAY_MS) * DAY_MS;
  const hour = two(Math.floor(rest / HOUR_MS));
  const minute = two(Math.floor(rest / MINUTE_MS) % 60);
  return `${hour}${separator}${minute}${separator}${two(Math.floor(rest / SECOND_MS) % 60)}`;
}

function year(civil: Civil): string {
  return String(civil.year).padStart(4, '0');
}

let httpDateSecond = Number.NaN;
let httpDate = '';

/** `Wed, 21 Oct 2015 07:28:00 GMT` (RFC 9110, section 5.6.7). Objects written together share the last answer. */
export function formatHttpDate(ms: number): string {
  const second = Math.floor(ms / SECOND_MS);
  if (second === httpDateSecond) return httpDate;
  const days = Math.floor(ms / DAY_MS);
  const civil = civilOf(days);
  const weekday = WEEKDAYS[(((days + 4) % 7) + 7) % 7] ?? '';
  const month = MONTHS[civil.month - 1] ?? '';
  httpDateSecond = second;
  httpDate = `${weekday}, ${two(civil.day)} ${month} ${year(civil)} ${timeOfDay(ms, ':')} GMT`;
  return httpDate;
}

/** `2015-10-21T07:28:00.000Z`, to the second as S3's XML has it. */
export function formatXmlDate(ms: number): string {
  const civil = civilOf(Math.floor(ms / DAY_MS));
  return `${year(civil)}-${two(civil.month)}-${two(civil.day)}T${timeOfDay(ms, ':')}.000Z`;
}

/** `20151021T072800Z`, as signatures have it. */
export function formatCompactDate(ms: number): string {
  const civil = civilOf(Math.floor(ms / DAY_MS));
  return `${year(civil)}${two(civil.month)}${two(civil.day)}T${timeOfDay(ms, '')}Z`;
}

function timestamp(civil: Civil, hour: number, minute: number, second: number): number | undefined {
  const { month, day } = civil;
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined;
  const days = daysOf(civil);
  const checked = civilOf(days);
  if (checked.day !== day || checked.month !== month) return undefined;
  return days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
}

/** From a spelling of the month and digits, the way all three old formats need it. */
function fromWords(
  day: string | undefined,
  month: string | undefined,
  yearNumber: number,
  time: string | undefined,
): number | undefined {
  const [hour = 0, minute = 0, second = 0] = (time ?? '').split(':').map(Number);
  return timestamp(
    { year: yearNumber, month: MONTHS.indexOf(month ?? '') + 1, day: Number(day) },
    hour,
    minute,
    second,
  );
}

const IMF_DATE =
  /^[A-Z][a-z]{2}, (\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}:\d{2}:\d{2}) (?:GMT|UTC|[+-]0000)$/;
const RFC850_DATE = /^[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}:\d{2}:\d{2}) GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}:\d{2}:\d{2}) (\d{4})$/;
const ISO_DATE = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?Z$/;
const COMPACT_DATE = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

/** An HTTP date in any of its three formats, or ISO 8601, which S3 takes as well; undefined when it is none. */
export function parseDate(text: string): number | undefined {
  const imf = IMF_DATE.exec(text);
  if (imf !== null) return fromWords(imf[1], imf[2], Number(imf[3]), imf[4]);
  const rfc850 = RFC850_DATE.exec(text);
  if (rfc850 !== null) {
    const shortYear = Number(rfc850[3]);
    return fromWords(rfc850[1], rfc850[2], shortYear < 70 ? 2000 + shortYear : 1900 + shortYear, rfc850[4]);
  }
  const asctime = ASCTIME_DATE.exec(text);
  if (asctime !== null) return fromWords(asctime[2], asctime[1], Number(asctime[4]), asctime[3]);
  return fromDigits(ISO_DATE.exec(text));
}

let compactDate = '';
let compactDateMs: number | undefined;

/** `20151021T072800Z` to milliseconds; undefined when it is not one. Requests of the same second share the last answer. */
export function parseCompactDate(text: string): number | undefined {
  if (text !== compactDate) {
    compactDateMs = fromDigits(COMPACT_DATE.exec(text));
    compactDate = text;
  }
  return compactDateMs;
}

function fromDigits(match: RegExpExecArray | null): number | undefined {
  if (match === null) return undefined;
  const [yearNumber = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return timestamp({ year: yearNumber, month, day }, hour, minute, second);
}
