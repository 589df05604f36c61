import fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import t from 'tap';
import { childText, parseXml } from '../../../src/http/s3/xml-reader.js';
import { element, encodeUrl, escapeXml, xmlDocument } from '../../../src/http/s3/xml-writer.js';
import { throwsS3 } from '../../support/throws-s3.js';

const text = fc.string({ unit: 'binary' });

void t.test('xml: any text comes back exactly, neither trimmed nor taken for a number', async (t) => {
  const tricky = fc.constantFrom(
    ' ',
    '  a  ',
    '007',
    '1e3',
    'true',
    '\r\n',
    '\t',
    ']]>',
    '&amp;',
    '<a/>',
    '',
  );
  fc.assert(
    fc.property(fc.oneof(text, tricky), (key) => {
      const root = parseXml(xmlDocument('Delete', `<Object>${element('Key', key)}</Object>`));
      t.equal(root.children[0]?.children[0]?.text, key);
    }),
  );
});

void t.test('xml: what is written is what another parser reads', async (t) => {
  const parser = new XMLParser({ parseTagValue: false, trimValues: false, htmlEntities: true });
  const printable = fc.string().filter((value) => value !== '');
  fc.assert(
    fc.property(printable, (key) => {
      const parsed = parser.parse(`<A>${element('Key', `x${key}`)}</A>`) as { A: { Key: string } };
      t.equal(parsed.A.Key, `x${key}`);
    }),
  );
});

void t.test('xml: declaration, comments, CDATA, prefixes and attributes are understood', async (t) => {
  const root = parseXml(
    `\u{feff}<?xml version="1.0" encoding='UTF-8'?>\n<!-- one --><s3:Delete xmlns:s3="http://a/" b = 'c>d'>
      <Key>a<!-- - -->b<![CDATA[&amp;<x>]]>c&#65;&#x1F600;&quot;</Key><Quiet /><?php ?>
    </s3:Delete  ><!-- two -->\n`,
  );
  t.equal(root.name, 'Delete');
  t.equal(childText(root, 'Key'), 'ab&amp;<x>cA😀"');
  t.equal(childText(root, 'Quiet'), '');
  t.equal(childText(root, 'Other'), undefined);
});

void t.test(
  'xml: the end of a line is a line feed, a reference to a carriage return is not one',
  async (t) => {
    t.equal(parseXml('<a>x\r\ny\rz&#13;</a>').text, 'x\ny\nz\r');
  },
);

void t.test('xml: what is not well-formed is refused', async (t) => {
  for (const source of [
    '',
    'text',
    '<a>',
    '<a></b>',
    '<a><b></a></b>',
    '<a/><b/>',
    '<a/>text',
    '<a>&unknown;</a>',
    '<a>&#0xz;</a>',
    '<a>&#xD800;</a>',
    '<a>&#x110000;</a>',
    '<a>a & b</a>',
    '<a b></a>',
    '<a b=c></a>',
    '<a b="c></a>',
    '<1/>',
    '<a><!-- </a>',
    '<a><![CDATA[ </a>',
    '< a/>',
    '</a>',
  ])
    throwsS3(t, () => parseXml(source), 'MalformedXML', source);
});

void t.test('xml: document types are refused, so that nothing expands', async (t) => {
  const bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>';
  throwsS3(t, () => parseXml(bomb), 'MalformedXML', /document types/);
  throwsS3(t, () => parseXml('<a><!ENTITY b "c"></a>'), 'MalformedXML');
});

void t.test('xml: depth and number of elements are bounded', async (t) => {
  const nested = (depth: number): string => '<a>'.repeat(depth) + '</a>'.repeat(depth);
  t.equal(parseXml(nested(10)).children.length, 1);
  throwsS3(t, () => parseXml(nested(11)), 'MalformedXML', /deeper than 10/);
  t.throws(() => parseXml(`<a>${'<b/>'.repeat(70_000)}</a>`), { message: /more than 60001 elements/ });
});

void t.test('xml: arbitrary input is either read or refused', async (t) => {
  const soup = fc.array(
    fc.constantFrom(
      '<',
      '>',
      '</',
      '/>',
      'a',
      '&',
      ';',
      '"',
      '=',
      ' ',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<?',
      '?>',
      '#',
      'x1',
    ),
  );
  fc.assert(
    fc.property(soup, (pieces) => {
      try {
        parseXml(pieces.join(''));
      } catch (error) {
        t.match(error, { s3Code: 'MalformedXML' });
      }
    }),
    { numRuns: 500 },
  );
  t.pass('nothing else was thrown');
});

void t.test('xml: url encoding leaves slashes and encodes everything else that could confuse', async (t) => {
  t.equal(encodeUrl('a/b c+d&ü\u0001'), 'a/b%20c%2Bd%26%C3%BC%01');
  fc.assert(fc.property(text, (key) => t.equal(decodeURIComponent(encodeUrl(key)), key)));
});

void t.test('xml: plain text is not copied', async (t) => {
  t.equal(escapeXml('plain/key-1'), 'plain/key-1');
  t.equal(escapeXml('<&>"\u0000'), '&lt;&amp;&gt;&quot;&#x0;');
});
