import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** What a layer may import, besides itself. `pki ← {lints, hierarchy, custody, inventory} ← issuance ← adapters ← functions`. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'shared/pki': [],
  'shared/lints': ['shared/pki'],
  'shared/hierarchy': ['shared/pki', 'docs'],
  'shared/custody': ['shared/pki'],
  'shared/inventory': ['shared/pki'],
  'shared/issuance': ['shared/pki', 'shared/lints', 'shared/hierarchy', 'shared/custody', 'shared/inventory'],
  'shared/ceremony': ['shared/pki', 'shared/hierarchy', 'shared/custody', 'shared/issuance'],
  'shared/adapters': [
    'shared/pki',
    'shared/ceremony',
    'shared/lints',
    'shared/hierarchy',
    'shared/custody',
    'shared/inventory',
    'shared/issuance',
  ],
  functions: [
    'shared/pki',
    'shared/ceremony',
    'shared/lints',
    'shared/hierarchy',
    'shared/custody',
    'shared/inventory',
    'shared/issuance',
    'shared/adapters',
  ],
};
const pure = [
  'shared/pki',
  'shared/lints',
  'shared/hierarchy',
  'shared/custody',
  'shared/inventory',
  'shared/issuance',
  'shared/ceremony',
];

/** Packages that a pure layer may use: they compute, and do nothing else. */
const purePackages = new Set([
  'node:assert',
  'node:buffer',
  'node:crypto',
  'node:url',
  'yaml',
  'ajv',
  'ajv/dist/2020.js',
]);

const impurities: readonly (readonly [name: string, form: RegExp])[] = [
  ['the environment', /\bprocess\s*\.\s*env\b/],
  ['the clock', /\bDate\s*\.\s*now\b|\bnew Date\(\)|\bperformance\s*\.\s*now\b/],
  ['randomness', /\bMath\s*\.\s*random\b|\brandomBytes\b|\brandomUUID\b|\brandomInt\b|\bgenerateKeyPair/],
  ['an SDK', /@aws-sdk|pkcs11js/],
];

interface Source {
  readonly file: string;
  readonly layer: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function sources(): readonly Source[] {
  return Object.keys(mayImport).flatMap((layer) =>
    readdirSync(join(root, layer), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => {
        const file = join(layer, name);
        const text = readFileSync(join(root, file), 'utf8');
        const imports = [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*'([^']+)'/gm)].map((match) => match[1]!);
        return { file, layer, text, imports };
      }),
  );
}

function layerOf(path: string): string {
  return Object.keys(mayImport).find((layer) => path === layer || path.startsWith(`${layer}/`)) ?? path.split('/')[0]!;
}

/** Comments may speak of what the code must not do. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:])\/\/.*$/gm, '$1');
}

describe('the dependency rule', () => {
  const all = sources();

  it('finds sources in every layer', () => {
    for (const layer of Object.keys(mayImport))
      expect(
        all.some((source) => source.layer === layer),
        layer,
      ).toBe(true);
  });

  it('lets a layer import only what is left of it', () => {
    const broken: string[] = [];
    for (const { file, layer, imports } of all) {
      for (const specifier of imports.filter((one) => one.startsWith('.'))) {
        const target = layerOf(relative(root, join(root, dirname(file), specifier)));
        if (target !== layer && !mayImport[layer]!.includes(target)) broken.push(`${file} imports ${specifier}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('lets a pure layer use only packages that compute', () => {
    const broken = all
      .filter(({ layer }) => pure.includes(layer))
      .flatMap(({ file, imports }) =>
        imports.filter((one) => !one.startsWith('.') && !purePackages.has(one)).map((one) => `${file} imports ${one}`),
      );
    expect(broken).toEqual([]);
  });

  it.each(impurities)('keeps %s out of the pure layers', (_name, form) => {
    const broken = all
      .filter(({ layer, text }) => pure.includes(layer) && form.test(withoutComments(text)))
      .map(({ file }) => file);
    expect(broken).toEqual([]);
  });

  it('keeps one SDK in one folder of adapters', () => {
    const owners: Readonly<Record<string, string>> = {
      '@aws-sdk/client-acm-pca': 'shared/adapters/acm-pca/',
      '@aws-sdk/client-cloudhsm-v2': 'shared/adapters/cloudhsm/',
      '@aws-sdk/client-dynamodb': 'shared/adapters/dynamodb/',
      pkcs11js: 'shared/adapters/pkcs11/',
      'node:sqlite': 'shared/adapters/sqlite/',
    };
    const broken = all.flatMap(({ file, imports }) =>
      imports
        .filter((one) => owners[one] !== undefined && !file.startsWith(owners[one]))
        .map((one) => `${file} imports ${one}`),
    );
    expect(broken).toEqual([]);
  });

  it('keeps a handler to forty lines', () => {
    const long = all
      .filter(({ file, text }) => /^functions\/[^/]+\/handler\.ts$/.test(file) && text.split('\n').length > 41)
      .map(({ file }) => file);
    expect(long).toEqual([]);
  });
});
