/**
 * The script of a ceremony: YAML that says beforehand who is there, which acts follow each other, whose signatures count,
 * and what may differ between the rehearsal and the run. Its SHA-256 is what everybody agreed to.
 */
import type { YamlPath } from '../hierarchy/fault.ts';
import { printable } from '../hierarchy/printable.ts';
import { readYaml } from '../hierarchy/yaml-source.ts';
import { sha256Hex } from '../pki/hash.ts';
import { type ActName, actNames } from './record.ts';
import { type AddFault, faultCollector, type ScriptFault } from './script-fault.ts';
import { refuseSecrets } from './script-secrets.ts';
import { parseSshPublicKey, SshFormatError, type SshPublicKey } from './ssh-signature.ts';

/** Parts of a transcript that a script may let differ between rehearsal and run; all else has to be the same. */
export const differenceNames = [
  'software',
  'people',
  'witnesses',
  'module',
  'key',
  'requests',
  'certificates',
  'evidence',
] as const;
export type DifferenceName = (typeof differenceNames)[number];

export interface CeremonyAct {
  readonly act: ActName;
  /** Of `certify-subordinate`: the CA that is certified. */
  readonly authority?: string;
}

export interface CeremonyScript {
  readonly version: 1;
  readonly title: string;
  /** Path of the hierarchy file, relative to the script's folder. */
  readonly hierarchy: string;
  /** The CA whose key this ceremony is about. */
  readonly authority: string;
  readonly roles: readonly { readonly role: string; readonly person?: string }[];
  readonly witnesses: {
    readonly quorum: number;
    readonly keys: readonly { readonly name: string; readonly key: SshPublicKey }[];
  };
  readonly acts: readonly CeremonyAct[];
  readonly mayDiffer: readonly DifferenceName[];
  /** Of the text, byte for byte. */
  readonly sha256: string;
}

export type ScriptReading =
  | { readonly ok: true; readonly script: CeremonyScript }
  | { readonly ok: false; readonly faults: readonly ScriptFault[] };

const titleForm = /^[ -~]{1,120}$/;
const identifier = /^[a-z][a-z0-9-]{0,39}$/;
const witnessName = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const personForm = /^[^\p{C}\p{Zl}\p{Zp}]{1,100}$/u;
const rolesMax = 32;
const witnessesMax = 16;
const actsMax = 40;

type Plain = Readonly<Record<string, unknown>>;

/** YAML text → script, or every fault in the order of the text. Total: any text gives one or the other. */
export function parseScript(text: string): ScriptReading {
  const { source, faults: textFaults } = readYaml(text);
  if (source === undefined) return { ok: false, faults: textFaults };
  const { add, faults } = faultCollector(source);
  faults.push(...textFaults);
  const secrets = refuseSecrets(source.value, add);
  const reader = readerOf(add, secrets);
  const root = source.value;
  if (!isPlain(root)) {
    add('script-empty', [], 'a script is a mapping: version, title, hierarchy, authority, roles, witnesses, acts');
    return { ok: false, faults };
  }
  const keys = ['version', 'title', 'hierarchy', 'authority', 'roles', 'witnesses', 'acts', 'mayDiffer'];
  reader.keys(root, [], keys, keys.slice(0, -1));
  if (root.version !== undefined && root.version !== 1) add('value-not-allowed', ['version'], 'the version is 1');
  const script = {
    version: 1 as const,
    title: reader.text(root, [], 'title', titleForm, 'a line of at most 120 printable ASCII characters'),
    hierarchy: reader.text(root, [], 'hierarchy', /^[ -~]{1,200}$/, 'the path of a file'),
    authority: reader.text(root, [], 'authority', identifier, 'the id of a CA'),
    roles: readRoles(root.roles, reader),
    witnesses: readWitnesses(root.witnesses, reader),
    acts: readActs(root.acts, reader),
    mayDiffer: readMayDiffer(root.mayDiffer, reader),
    sha256: sha256Hex(Buffer.from(text, 'utf8')),
  };
  if (faults.length > 0) return { ok: false, faults: inOrder(faults) };
  return { ok: true, script };
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inOrder(faults: readonly ScriptFault[]): ScriptFault[] {
  return faults.toSorted((a, b) => a.line - b.line || a.column - b.column).slice(0, 200);
}

interface Reader {
  readonly add: AddFault;
  keys(value: Plain, at: YamlPath, known: readonly string[], required: readonly string[]): void;
  /** '' when it is at fault, which is reported. */
  text(holder: Plain, at: YamlPath, key: string, form: RegExp, expected: string): string;
  list(value: unknown, at: YamlPath, itemsMax: number): readonly Plain[];
}

function readerOf(add: AddFault, secrets: ReadonlySet<string>): Reader {
  return {
    add,
    keys(value, at, known, required) {
      for (const key of Object.keys(value)) {
        const path = [...at, key];
        if (known.includes(key) || secrets.has(path.join('/'))) continue;
        add('key-unknown', path, `'${printable(key, 40)}' is no key here; there are: ${known.join(', ')}`, true);
      }
      for (const key of required) if (value[key] === undefined) add('key-missing', at, `'${key}' is missing`);
    },
    text(holder, at, key, form, expected) {
      const value = holder[key];
      if (value === undefined || secrets.has([...at, key].join('/'))) return '';
      if (typeof value !== 'string') add('value-type', [...at, key], `not ${expected}`);
      else if (!form.test(value)) add('value-syntax', [...at, key], `not ${expected}`);
      else return value;
      return '';
    },
    list(value, at, itemsMax) {
      if (value === undefined) return [];
      if (!Array.isArray(value)) {
        add('value-type', at, 'not a list');
        return [];
      }
      if (value.length === 0 || value.length > itemsMax)
        add('value-out-of-range', at, `a list of ${value.length}: from 1 to ${itemsMax}`);
      return value.slice(0, itemsMax).map((item, index) => {
        if (isPlain(item)) return item;
        add('value-type', [...at, index], 'not a mapping of keys to values');
        return {};
      });
    },
  };
}

function readRoles(value: unknown, reader: Reader): CeremonyScript['roles'] {
  const seen = new Set<string>();
  return reader.list(value, ['roles'], rolesMax).map((item, index) => {
    const at = ['roles', index];
    reader.keys(item, at, ['role', 'person'], ['role']);
    const role = reader.text(item, at, 'role', identifier, 'a role: lower-case letters, digits and hyphens');
    if (role !== '' && seen.has(role)) reader.add('value-repeated', [...at, 'role'], `${role} stands here twice`);
    seen.add(role);
    if (item.person === undefined) return { role };
    return { role, person: reader.text(item, at, 'person', personForm, 'the name of a person') };
  });
}

function readWitnesses(value: unknown, reader: Reader): CeremonyScript['witnesses'] {
  const { add } = reader;
  const none = { quorum: 0, keys: [] };
  if (value === undefined) return none;
  if (!isPlain(value)) {
    add('value-type', ['witnesses'], 'not a mapping of keys to values: quorum, keys');
    return none;
  }
  reader.keys(value, ['witnesses'], ['quorum', 'keys'], ['quorum', 'keys']);
  const keys: { name: string; key: SshPublicKey }[] = [];
  for (const [index, item] of reader.list(value.keys, ['witnesses', 'keys'], witnessesMax).entries()) {
    const at = ['witnesses', 'keys', index];
    reader.keys(item, at, ['name', 'key'], ['name', 'key']);
    const name = reader.text(item, at, 'name', witnessName, 'a name without blanks, at most 64 characters');
    const line = reader.text(item, at, 'key', /^\S[^\r\n]{0,600}$/, 'a public key: ssh-ed25519 AAAA…');
    if (name === '' || line === '') continue;
    if (keys.some((other) => other.name === name)) add('value-repeated', [...at, 'name'], `${name} stands here twice`);
    const key = readKey(line, [...at, 'key'], add);
    if (key === undefined) continue;
    const same = keys.find((other) => other.key.fingerprint === key.fingerprint);
    if (same !== undefined)
      add('witness-key-repeated', [...at, 'key'], `this is the key of ${same.name}: one witness would count twice`);
    keys.push({ name, key });
  }
  return { quorum: readQuorum(value.quorum, keys.length, add), keys };
}

function readKey(line: string, at: YamlPath, add: AddFault): SshPublicKey | undefined {
  try {
    return parseSshPublicKey(line);
  } catch (error) {
    if (!(error instanceof SshFormatError)) throw error;
    add('witness-key-syntax', at, error.message);
    return undefined;
  }
}

function readQuorum(value: unknown, witnesses: number, add: AddFault): number {
  if (value === undefined) return 0;
  if (!Number.isSafeInteger(value)) add('value-type', ['witnesses', 'quorum'], 'not a whole number');
  else if ((value as number) < 1 || (value as number) > witnesses)
    add(
      'quorum-out-of-range',
      ['witnesses', 'quorum'],
      `a quorum of ${value} of ${witnesses} witnesses: from 1 to all`,
    );
  return Number(value);
}

function readActs(value: unknown, reader: Reader): readonly CeremonyAct[] {
  const acts = reader.list(value, ['acts'], actsMax).map((item, index): CeremonyAct => {
    const at = ['acts', index];
    const act = item.act as ActName;
    const certifies = act === 'certify-subordinate';
    reader.keys(item, at, certifies ? ['act', 'authority'] : ['act'], certifies ? ['act', 'authority'] : ['act']);
    if (item.act !== undefined && !actNames.includes(act))
      reader.add('value-not-allowed', [...at, 'act'], `none of the acts: ${actNames.join(', ')}`);
    return certifies ? { act, authority: reader.text(item, at, 'authority', identifier, 'the id of a CA') } : { act };
  });
  if (acts.length > 0 && acts.every(({ act }) => actNames.includes(act))) requireOrder(acts, reader.add);
  return acts;
}

/** Who and what first, then the key, then what it signs, then what the module says of it, then the end. */
const ranks: Readonly<Record<ActName, number>> = {
  'identify-participants': 0,
  'check-module': 1,
  'generate-key': 2,
  'present-key': 2,
  'self-sign': 3,
  'certify-subordinate': 4,
  'read-evidence': 5,
  close: 6,
};

function requireOrder(acts: readonly CeremonyAct[], add: AddFault): void {
  const fault = (index: number, message: string) => add('act-order', ['acts', index, 'act'], message);
  const seen = new Map<string, number>();
  for (const [index, { act, authority }] of acts.entries()) {
    const before = acts[index - 1];
    if (before !== undefined && ranks[before.act] > ranks[act]) fault(index, `${act} comes before ${before.act}`);
    const key = act === 'certify-subordinate' ? `${act} ${authority}` : String(ranks[act]);
    if (seen.has(key)) fault(index, `${act} stands after ${acts[seen.get(key)!]!.act} already`);
    seen.set(key, index);
  }
  const has = (act: ActName) => acts.some((one) => one.act === act);
  const last = acts.length - 1;
  for (const act of ['identify-participants', 'check-module', 'read-evidence', 'close'] as const) {
    if (!has(act)) fault(last, `${act} is missing`);
  }
  if (!has('generate-key') && !has('present-key')) fault(last, 'generate-key or present-key is missing');
  if (has('self-sign') && !has('generate-key')) fault(last, 'self-sign is for a key that was just generated');
  if (has('certify-subordinate') && !has('self-sign') && !has('present-key'))
    fault(last, 'certify-subordinate needs a key with a certificate: self-sign or present-key before it');
}

function readMayDiffer(value: unknown, reader: Reader): readonly DifferenceName[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    reader.add('value-type', ['mayDiffer'], 'not a list');
    return [];
  }
  return value.slice(0, 50).filter((name, index): name is DifferenceName => {
    const known = (differenceNames as readonly unknown[]).includes(name);
    if (!known) reader.add('value-not-allowed', ['mayDiffer', index], `none of: ${differenceNames.join(', ')}`);
    return known;
  });
}
