import type { Random } from '../crash/simulator/random.ts';
import { branch, cloneElement, type Element, type LengthForm, leaf } from './elements.ts';
import type { Material } from './material.ts';
import { content, interestingTags } from './mutations-of-content.ts';

/** What a mutation of a tree may look at. `all` is every element of the tree, `lists` every list of siblings. */
export interface Subject {
  readonly root: Element;
  readonly all: readonly Element[];
  readonly lists: readonly Element[][];
  readonly random: Random;
  readonly material: Material;
}

type Mutation = (subject: Subject) => void;

export function subjectOf(root: Element, random: Random, material: Material): Subject {
  const all: Element[] = [];
  const lists: Element[][] = [];
  const visit = (element: Element): void => {
    all.push(element);
    if (element.body instanceof Uint8Array) return;
    lists.push(element.body);
    for (const child of element.body) visit(child);
  };
  visit(root);
  return { root, all, lists, random, material };
}

/** Somewhere in a list of siblings that is not empty; undefined when there is none. */
function place({ lists, random }: Subject): { readonly list: Element[]; readonly at: number } | undefined {
  for (let attempt = 0; attempt < 4; attempt++) {
    const list = random.pick(lists);
    if (list.length > 0) return { list, at: random.between(0, list.length - 1) };
  }
  return undefined;
}

const structure: readonly Mutation[] = [
  function takenOut(subject) {
    const found = place(subject);
    found?.list.splice(found.at, 1);
  },
  function doubled(subject) {
    const found = place(subject);
    if (found !== undefined) found.list.splice(found.at, 0, cloneElement(found.list[found.at]!));
  },
  function movedWithin({ lists, random }) {
    const list = random.pick(lists);
    if (list.length < 2) return;
    const [moved] = list.splice(random.between(0, list.length - 1), 1);
    list.splice(random.between(0, list.length), 0, moved!);
  },
  function reversed({ lists, random }) {
    random.pick(lists).reverse();
  },
  function graftedFromElsewhere(subject) {
    const { lists, material, random } = subject;
    const list = random.pick(lists);
    list.splice(random.between(0, list.length), 0, cloneElement(random.pick(material.donors)));
  },
  function replacedByOneOfItsTag(subject) {
    const found = place(subject);
    if (found === undefined) return;
    const { material, random } = subject;
    const { tag } = found.list[found.at]!;
    for (let attempt = 0; attempt < 24; attempt++) {
      const donor = random.pick(material.donors);
      if (donor.tag !== tag) continue;
      found.list[found.at] = cloneElement(donor);
      return;
    }
  },
  function splicedWithASample({ material, random, root }) {
    const other = random.pick(material.donors.filter(({ body, tag }) => tag === 0x30 && body.length === 3));
    if (root.body instanceof Uint8Array || other.body instanceof Uint8Array) return;
    const at = random.between(0, 2);
    if (root.body[at] !== undefined && other.body[at] !== undefined) root.body[at] = cloneElement(other.body[at]);
  },
  function wrapped(subject) {
    const found = place(subject);
    if (found === undefined) return;
    const { random } = subject;
    const layers = random.chance(0.1) ? random.between(24, 40) : 1;
    const tag = random.pick([0x30, 0x31, 0xa0, 0xa1, 0x04]);
    for (let layer = 0; layer < layers; layer++) found.list[found.at] = branch(tag, [found.list[found.at]!]);
  },
  function unwrapped(subject) {
    const found = place(subject);
    if (found === undefined) return;
    const { body } = found.list[found.at]!;
    if (!(body instanceof Uint8Array)) found.list.splice(found.at, 1, ...body);
  },
];

const encoding: readonly Mutation[] = [
  function lengthWritten({ all, random }) {
    random.pick(all).length = lengthForm(random);
  },
  function tagged({ all, random }) {
    const target = random.pick(all);
    target.tag = random.chance(0.5) ? random.pick(interestingTags) : target.tag ^ (1 << random.between(0, 7));
  },
];

function lengthForm(random: Random): LengthForm {
  switch (random.between(0, 5)) {
    case 0:
      return { kind: 'indefinite', ended: random.chance(0.7) };
    case 1:
    case 2:
      return { kind: 'padded', octets: random.between(1, 5) };
    case 3:
      return { kind: 'off', by: random.pick([-8, -2, -1, 1, 2, 8, 127, 65_536]) };
    default:
      return { kind: 'octets', octets: random.pick(lyingLengths) };
  }
}

const lyingLengths = [
  [0x84, 0xff, 0xff, 0xff, 0xff],
  [0x84, 0x7f, 0xff, 0xff, 0xff],
  [0x88, 0, 0, 0, 0, 0, 0, 0, 1],
  [0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xff],
  [0xfe, 1],
  [0x82, 0xff],
  [0],
].map((octets) => Uint8Array.from(octets));

/** Bounds of the parser are met only on purpose. */
const huge: readonly Mutation[] = [
  function manyCopies(subject) {
    const found = place(subject);
    if (found === undefined) return;
    const { random } = subject;
    const many = random.pick([3, 33, 65, 66, 300]);
    const one = found.list[found.at]!;
    if (one.body.length * many > 20_000) return;
    found.list.splice(found.at, 0, ...Array.from({ length: many }, () => cloneElement(one)));
  },
  function manyThatDiffer(subject) {
    const { random } = subject;
    const { list, make } = random.pick(lists(subject));
    if (list === undefined) return;
    const many = random.pick([8, 32, 33, 64, 65, 70]);
    for (let number = 0; number < many; number++) list.push(make(number));
  },
  function longContent({ all, random }) {
    const target = random.pick(all);
    if (target.body instanceof Uint8Array) target.body = random.bytes(random.pick([127, 128, 255, 256, 5_000, 66_000]));
  },
];

interface Growing {
  readonly list: Element[] | undefined;
  readonly make: (number: number) => Element;
}

const numbered = (number: number) => leaf(0x06, Uint8Array.of(0x2a, 0x83 + (number >> 7), number & 0x7f));

function lists({ all, root }: Subject): readonly Growing[] {
  const info = root.body instanceof Uint8Array ? undefined : root.body[0]?.body;
  const bodyAt = (index: number) => {
    const body = info === undefined || info instanceof Uint8Array ? undefined : info[index]?.body;
    return body instanceof Uint8Array ? undefined : body;
  };
  const extensions = all.find(({ body, tag }) => tag === 0x30 && !(body instanceof Uint8Array) && isExtension(body[0]));
  const text = leaf(0x0c, Uint8Array.of(0x61));
  return [
    { list: bodyAt(1), make: (n) => branch(0x31, [branch(0x30, [numbered(n), text])]) },
    { list: bodyAt(3), make: (n) => branch(0x30, [numbered(n), branch(0x31, [text])]) },
    {
      list: extensions?.body as Element[] | undefined,
      make: (n) => branch(0x30, [numbered(n), leaf(0x04, Uint8Array.of(5, 0))]),
    },
  ];
}

function isExtension(element: Element | undefined): boolean {
  return (
    element !== undefined &&
    !(element.body instanceof Uint8Array) &&
    element.body[0]?.tag === 0x06 &&
    element.body.at(-1)?.tag === 0x04
  );
}

/** Parts that are sound alone, where they belong: the faults of meaning. */
const meaning: readonly Mutation[] = [
  function anExtensionMore(subject) {
    const { material, random } = subject;
    lists(subject)[2]!.list?.push(cloneElement(random.pick(material.extensions)));
  },
  function anAttributeMore(subject) {
    const { material, random } = subject;
    lists(subject)[1]!.list?.push(cloneElement(random.pick(material.attributes)));
  },
  function aNameMore({ all, material, random }) {
    const names = all.find(({ body, tag }) => tag === 0x30 && !(body instanceof Uint8Array) && isName(body[0]));
    (names?.body as Element[] | undefined)?.push(cloneElement(random.pick(material.generalNames)));
  },
  function aNameAttributeMore({ all, material, random }) {
    const sets = all.filter(({ body, tag }) => tag === 0x31 && !(body instanceof Uint8Array));
    if (sets.length > 0) (random.pick(sets).body as Element[]).push(cloneElement(random.pick(material.nameAttributes)));
  },
  function criticalSaid({ all, random }) {
    const extensions = all.filter((one) => isExtension(one));
    if (extensions.length === 0) return;
    (random.pick(extensions).body as Element[]).splice(
      1,
      0,
      leaf(0x01, Uint8Array.of(random.pick([0xff, 0xff, 0x00, 0x01]))),
    );
  },
];

function isName(element: Element | undefined): boolean {
  return element !== undefined && (element.tag & 0xc0) === 0x80;
}

const families: readonly (readonly [weight: number, family: readonly Mutation[]])[] = [
  [6, structure],
  [3, encoding],
  [6, content],
  [4, meaning],
  [1, huge],
];
const weights = families.flatMap(([weight, family]) => Array.from({ length: weight }, () => family));

/** Changes the tree in one way; answers its name. */
export function mutateTree(subject: Subject): string {
  const { random } = subject;
  const mutation = random.pick(random.pick(weights));
  mutation(subject);
  return mutation.name;
}

/** Names of all mutations of trees. */
export const treeMutations: readonly string[] = families.flatMap(([, family]) => family.map(({ name }) => name));
