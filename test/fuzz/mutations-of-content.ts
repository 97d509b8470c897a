import { oid } from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import type { Random } from '../crash/simulator/random.ts';
import type { Element } from './elements.ts';
import type { Subject } from './mutations.ts';

/** Tags of every class and form, those above 30 included. */
export const interestingTags: readonly number[] = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0c, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17,
  0x18, 0x1a, 0x1b, 0x1c, 0x1e, 0x1f, 0x21, 0x23, 0x24, 0x2c, 0x30, 0x31, 0x3f, 0x41, 0x61, 0x80, 0x81, 0x82, 0x86,
  0x87, 0x88, 0xa0, 0xa1, 0xa3, 0xa4, 0xbf, 0xc0, 0xe0, 0xff,
];

/** One of the leaves with a tag among these, or any leaf where there is none. */
function leafOf({ all, random }: Subject, isWanted: (tag: number) => boolean): Element | undefined {
  const leaves = all.filter(({ body }) => body instanceof Uint8Array);
  const wanted = leaves.filter(({ tag }) => isWanted(tag));
  if (wanted.length > 0) return random.pick(wanted);
  return leaves.length > 0 ? random.pick(leaves) : undefined;
}

const octets = (...values: readonly number[]) => Uint8Array.from(values);

const integers = [
  octets(),
  octets(0),
  octets(1),
  octets(0xff),
  octets(0, 0),
  octets(0, 1),
  octets(0, 0x80),
  octets(0xff, 0x80),
  octets(0xff, 0x7f),
  octets(0x7f, 0xff, 0xff, 0xff),
  octets(0, 0xff, 0xff, 0xff, 0xff),
  octets(0x80, 0, 0, 0, 0, 0, 0, 0),
];

const identifiers = [
  octets(),
  octets(0x80, 0x01),
  octets(0x2a, 0x80, 0x01),
  octets(0x2a, 0x81),
  octets(0x2a),
  octets(0x00),
  octets(0x4f),
  octets(0x78),
  octets(0x88, 0x37, 0x03),
  octets(0x69, ...new Array(18).fill(0xff), 0x7f),
  octets(0x69, ...new Array(19).fill(0xff), 0x7f),
  octets(0x69, ...new Array(8).fill(0xff), 0x7f),
  octets(...new Array(128).fill(0x2a)),
  octets(...new Array(129).fill(0x2a)),
];
const known = Object.values(oids).map((dotted) => oid(dotted).slice(2));

const texts = [
  octets(),
  octets(0),
  octets(0x61, 0, 0x62),
  octets(0xc0, 0x80),
  octets(0xc3, 0xa9),
  octets(0xe9),
  octets(0xed, 0xa0, 0x80),
  octets(0xf4, 0x90, 0x80, 0x80),
  octets(0xf0, 0x9f, 0x98, 0x80),
  octets(0xef, 0xbb, 0xbf, 0x61),
  octets(0xe2, 0x80, 0xae, 0x61),
  octets(0xd8, 0x00, 0x00, 0x41),
  octets(0xd8, 0x3d, 0xde, 0x00),
  octets(0x00, 0x01, 0xf6, 0x00),
  octets(0x00, 0x11, 0x00, 0x00),
  octets(0x00, 0x61, 0x00),
  octets(0x2a, 0x26, 0x40, 0x5f),
  octets(0x7f),
  octets(0x0a, 0x0d),
];
const stringTags = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a, 0x1b, 0x1c, 0x1e, 0x15, 0x19];

function bits(body: Uint8Array, random: Random): Uint8Array {
  const unused = random.pick([1, 3, 7, 8, 255]);
  const inner = random.chance(0.5) ? body.slice(1) : random.bytes(random.between(0, 3));
  if (random.chance(0.5) && inner.length > 0 && unused < 8)
    inner[inner.length - 1] = inner[inner.length - 1]! & (0xff << unused);
  return octets(unused, ...inner);
}

/** Changes of what a leaf holds. */
export const content: readonly ((subject: Subject) => void)[] = [
  function integerRewritten(subject) {
    const target = leafOf(subject, (tag) => tag === 0x02);
    if (target !== undefined) target.body = subject.random.pick(integers);
  },
  function identifierRewritten(subject) {
    const { random } = subject;
    const target = leafOf(subject, (tag) => tag === 0x06);
    if (target !== undefined) target.body = random.pick(random.chance(0.6) ? known : identifiers);
  },
  function unusedBitsSaid(subject) {
    const target = leafOf(subject, (tag) => tag === 0x03);
    if (target?.body instanceof Uint8Array) target.body = bits(target.body, subject.random);
  },
  function textRewritten(subject) {
    const { random } = subject;
    const target = leafOf(subject, (tag) => stringTags.includes(tag));
    if (target === undefined) return;
    target.body = random.pick(texts);
    if (random.chance(0.5)) target.tag = random.pick(stringTags);
  },
  function stringOfAnotherType(subject) {
    const target = leafOf(subject, (tag) => stringTags.includes(tag));
    if (target !== undefined) target.tag = subject.random.pick(stringTags);
  },
  function nameRewritten(subject) {
    const target = leafOf(subject, (tag) => (tag & 0xe0) === 0x80);
    if (target !== undefined) target.body = subject.random.pick(texts);
  },
  function cut(subject) {
    const target = leafOf(subject, () => true);
    if (target?.body instanceof Uint8Array)
      target.body = target.body.slice(0, subject.random.between(0, target.body.length));
  },
  function lengthened(subject) {
    const { random } = subject;
    const target = leafOf(subject, () => true);
    if (target?.body instanceof Uint8Array) target.body = octets(...target.body, ...random.bytes(random.between(1, 4)));
  },
  function octetChanged(subject) {
    const { random } = subject;
    const target = leafOf(subject, () => true);
    if (!(target?.body instanceof Uint8Array) || target.body.length === 0) return;
    const body = target.body.slice();
    body[random.between(0, body.length - 1)] = random.between(0, 255);
    target.body = body;
  },
  function printableChanged(subject) {
    const { random } = subject;
    const target = leafOf(subject, (tag) => stringTags.includes(tag) || (tag & 0xe0) === 0x80);
    if (!(target?.body instanceof Uint8Array) || target.body.length === 0) return;
    const body = target.body.slice();
    body[random.between(0, body.length - 1)] = random.between(0x20, 0x7e);
    target.body = body;
  },
];
