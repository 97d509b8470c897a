import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import schema from '../../docs/hierarchy.schema.json' with { type: 'json' };
import {
  authorityOfProfile,
  childrenOf,
  findAuthority,
  findProfile,
  formatHierarchyFault,
  parseHierarchy,
  pathToRoot,
  rootOf,
} from '../../shared/hierarchy/hierarchy.ts';
import { hierarchyRules } from '../../shared/hierarchy/parse.ts';
import { hierarchyBytesMax } from '../../shared/hierarchy/yaml-source.ts';
import { publishedPrices } from '../../shared/inventory/prices.ts';
import { certificatePrices } from '../../shared/issuance/certificate-prices.ts';
import { faultsOf, hierarchyOf, sampleHierarchyText, sampleWith } from '../support/hierarchies.ts';

describe('the sample hierarchy', () => {
  const hierarchy = hierarchyOf();

  it('is read without a fault and without advice', () => {
    expect(parseHierarchy(sampleHierarchyText)).toMatchObject({ ok: true, advice: [] });
  });

  it('has parents before children', () => {
    expect(hierarchy.authorities.map((authority) => authority.id)).toEqual([
      'root',
      'subordinate',
      'devices',
      'workloads',
    ]);
  });

  it('answers who issues what and who signs whom', () => {
    expect(authorityOfProfile(hierarchy, 'svid')?.id).toBe('workloads');
    expect(authorityOfProfile(hierarchy, 'gateway')).toBeUndefined();
    expect(childrenOf(hierarchy, 'subordinate').map((child) => child.id)).toEqual(['devices', 'workloads']);
    expect(pathToRoot(hierarchy, 'devices').map((member) => member.id)).toEqual(['devices', 'subordinate', 'root']);
    expect(rootOf(hierarchy).id).toBe('root');
    expect(findAuthority(hierarchy, 'workloads')?.pkcs11).toEqual({
      tokenLabel: 'sealwright-issuance',
      keyLabel: 'workloads-g1',
    });
    expect(findProfile(hierarchy, 'constructor')).toBeUndefined();
  });

  it('asks for at least one DNS name where DNS is the only kind', () => {
    expect(findProfile(hierarchy, 'service')?.names.dns).toEqual({ countMin: 1, countMax: 100, wildcard: false });
  });

  it('is read from a file with Windows line ends and a byte order mark', () => {
    expect(hierarchyOf(`\ufeff${sampleHierarchyText.replaceAll('\n', '\r\n')}`)).toEqual(hierarchy);
  });

  it('puts parents first whatever the order of the file', () => {
    const [head = '', root = '', ...rest] = sampleHierarchyText.split(/^(?= {2}- id: )/m);
    const [tail = '', profiles = ''] = (rest.pop() ?? '').split(/^(?=profiles:)/m);
    const shuffled = [head, tail, ...rest.toReversed(), root, profiles].join('');
    expect(hierarchyOf(shuffled).authorities.map((a) => a.id)).toEqual(['root', 'subordinate', 'workloads', 'devices']);
    expect(hierarchyOf(shuffled).policyVersion).toBe(hierarchy.policyVersion);
  });
});

describe('the policy version', () => {
  const version = (text: string) => hierarchyOf(text).policyVersion;

  it('is 16 hex digits that comments, spacing, order of keys and the stage do not change', () => {
    expect(version(sampleHierarchyText)).toMatch(/^[0-9a-f]{16}$/);
    const same = [
      `# one more comment\n${sampleHierarchyText}`,
      sampleWith(['stage: dev ', 'stage: prod ']),
      sampleWith(['    validity: 90d\n    subject: empty\n', '    subject: empty\n    validity:   90d\n']),
      sampleWith([
        'pkcs11: { tokenLabel: sealwright-issuance, keyLabel: workloads-g1 }',
        'pkcs11: { keyLabel: workloads-g1, tokenLabel: sealwright-issuance }',
      ]),
    ];
    expect(same.map(version)).toEqual(same.map(() => version(sampleHierarchyText)));
  });

  it.each([
    ['a validity', 'validity: 90d', 'validity: 89d'],
    ['a list of dropped extensions', 'drop: [tlsFeature]', 'drop: []'],
    ['a name constraint', 'dns: [fleet.example], uri', 'dns: [fleet.example, other.example], uri'],
    ['the issuer of a profile', 'profiles: [device]', 'profiles: [device, service]\n    # service moved'],
  ])('changes with %s', (_, from, to) => {
    const edits: [string, string][] = [[from, to]];
    if (to.includes('# service moved')) {
      edits.push(['profiles: [service, svid]', 'profiles: [svid]'], ['RSA-3072, Ed25519]', 'RSA-3072]']);
    }
    expect(version(sampleWith(...edits))).not.toBe(version(sampleHierarchyText));
  });
});

describe('the text of a hierarchy', () => {
  it('is refused over 256 KiB, counted in bytes (too-large)', () => {
    const filler = '# é\n'.repeat(Math.ceil((hierarchyBytesMax - Buffer.byteLength(sampleHierarchyText)) / 5));
    expect(faultsOf(sampleHierarchyText + filler).map((fault) => fault.code)).toEqual(['too-large']);
    expect(faultsOf(sampleHierarchyText + filler.slice(0, -4)).map((fault) => fault.code)).toEqual([]);
  });

  it.each([
    ['flow sequences', '['.repeat(100_000)],
    ['flow mappings', '{a: '.repeat(50_000)],
    ['closed flow sequences', `x: ${'['.repeat(33)}${']'.repeat(33)}`],
    ['block sequences on one line', `${'- '.repeat(100_000)}x`],
  ])('is refused when it nests too deep: %s (yaml-too-deep)', (_, text) => {
    expect(faultsOf(text).map((fault) => fault.code)).toEqual(['yaml-too-deep']);
  });

  it('is refused with every alias of a bomb, none of them expanded (yaml-alias)', () => {
    const bomb = ['a: &a [x, x]', 'b: &b [*a, *a]', 'c: &c [*b, *b]'].join('\n');
    expect(faultsOf(bomb).map((fault) => fault.code)).toEqual(Array.from({ length: 7 }, () => 'yaml-alias'));
  });

  it('is refused when it holds two documents (yaml-syntax)', () => {
    expect(faultsOf(`${sampleHierarchyText}\n---\nversion: 1\n`).map((fault) => fault.code)).toContain('yaml-syntax');
  });

  it.each(['', '\n# only a comment\n', 'null', '42', 'a text', '[]', 'true'])(
    'is refused when it is no mapping: %j',
    (text) => {
      const faults = faultsOf(text);
      expect(faults.map((fault) => fault.code)).toEqual(['value-type']);
      expect(faults[0]).toMatchObject({ line: expect.any(Number), path: '' });
    },
  );

  it('reports a duplicate key and what is wrong elsewhere at once (yaml-duplicate-key)', () => {
    const text = sampleWith(['version: 1\n', 'version: 1\nversion: 1\n'], ['validity: 90d', 'validity: 90 days']);
    expect(faultsOf(text).map((fault) => fault.code)).toEqual(['yaml-duplicate-key', 'duration-syntax']);
  });

  it.each(['__proto__', 'constructor', 'toString'])('takes a profile by the name %s for a name', (name) => {
    const codes = faultsOf(sampleWith(['  device:\n', `  ${name}:\n`])).map((fault) => fault.code);
    const own = /^[a-z]+$/.test(name)
      ? ['profile-undefined', 'profile-unused']
      : ['profile-undefined', 'identifier-syntax'];
    expect(codes).toEqual(own);
  });

  it('reports at most 500 faults', () => {
    const list = Array.from({ length: 20_000 }, () => '  - {}').join('\n');
    expect(faultsOf(`version: 1\nauthorities:\n${list}\n`)).toHaveLength(500);
  });

  it('is told when it has more authorities than are read (value-out-of-range)', () => {
    const many = Array.from({ length: 65 }, (_, i) => `  - { id: a${i} }`).join('\n');
    const faults = faultsOf(`version: 1\nauthorities:\n${many}\n`);
    expect(faults).toContainEqual(
      expect.objectContaining({ path: 'authorities', code: 'value-out-of-range', line: 2 }),
    );
  });

  it('shows nothing of a value that is not printable ASCII', () => {
    const faults = faultsOf(sampleWith(['validity: 90d', 'validity: "\\e[31m\\u202e90 Tage\\n\\""']));
    expect(faults[0]?.message).toBe("'\\x1b[31m\\u{202e}90 Tage\\x0a\"' is not a duration: write 3y, 90d or 1h");
  });
});

describe('the shape of a hierarchy', () => {
  it('is told with the path, the value and what to write instead', () => {
    const [fault] = faultsOf(sampleWith(['    validity: 10y', '    validity: 3 years']));
    expect(fault).toMatchObject({ line: 24, column: 15, path: 'authorities[1].validity', code: 'duration-syntax' });
    expect(fault && formatHierarchyFault(fault, 'hierarchy.yaml')).toBe(
      "hierarchy.yaml:24:15: authorities[1].validity: '3 years' is not a duration: write 3y, 90d or 1h [duration-syntax]",
    );
  });

  it.each([
    ['0y', 'duration-syntax'],
    ['1w', 'duration-syntax'],
    ['-1d', 'duration-syntax'],
    ['1.5y', 'duration-syntax'],
    ['90', 'duration-syntax'],
    ['999999d', 'duration-syntax'],
    ['{ years: 1 }', 'duration-syntax'],
  ])('refuses %s as a duration', (value, code) => {
    expect(faultsOf(sampleWith(['validity: 90d', `validity: ${value}`])).map((fault) => fault.code)).toEqual([code]);
  });

  it('does not call a parent unknown because its own entry has a fault', () => {
    const text = sampleWith(['  - id: subordinate\n    tier: subordinate', '  - id: subordinate\n    tier: middle']);
    expect(faultsOf(text).map((fault) => fault.code)).toEqual(['value-not-allowed']);
  });

  it('does not call a profile undefined because its own entry has a fault', () => {
    const text = sampleWith(['  svid:\n    validity: 1h', '  svid:\n    validity: soon']);
    expect(faultsOf(text).map((fault) => fault.code)).toEqual(['duration-syntax']);
  });

  it('describes every property, so that editors can', () => {
    const undescribed: string[] = [];
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const [key, child] of Object.entries(node)) {
        if (key !== 'properties') walk(child, `${path}/${key}`);
        else {
          for (const [name, property] of Object.entries(child as Record<string, { description?: string }>)) {
            if (property.description === undefined) undescribed.push(`${path}/${name}`);
            walk(property, `${path}/${name}`);
          }
        }
      }
    };
    walk(schema, '');
    expect(undescribed).toEqual([]);
  });

  it('is the one named in the first line of hierarchy.yaml', () => {
    expect(sampleHierarchyText.split('\n')[0]).toBe('# yaml-language-server: $schema=./docs/hierarchy.schema.json');
  });

  it('is read in a bundle too, where the schema is no file any more', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sealwright-bundle-'));
    try {
      const outfile = join(folder, 'parse.mjs');
      const entry = fileURLToPath(new URL('../../shared/hierarchy/hierarchy.ts', import.meta.url));
      const banner = {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      };
      buildSync({
        entryPoints: [entry],
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile,
        banner,
        logLevel: 'silent',
      });
      const script = join(folder, 'run.mjs');
      const bundled = JSON.stringify(pathToFileURL(outfile).href);
      writeFileSync(
        script,
        `import { parseHierarchy } from ${bundled}; console.log(parseHierarchy('version: 2').faults.length);`,
      );
      expect(execFileSync(process.execPath, [script], { encoding: 'utf8' }).trim()).toBe(
        String(faultsOf('version: 2').length),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the rules of a hierarchy', () => {
  it('each have one code of their own and a reference', () => {
    const codes = hierarchyRules.map((rule) => rule.code);
    expect(new Set(codes).size).toBe(codes.length);
    expect(hierarchyRules.every((rule) => rule.reference.length > 5)).toBe(true);
  });

  it.each([
    ['1y', []],
    ['366d', []],
    ['367d', ['leaf-validity-band']],
    ['8784h', []],
    ['1h', []],
    ['2y', ['leaf-validity-band']],
  ])('read a leaf validity of %s as %j (leaf-validity-band)', (validity, codes) => {
    expect(faultsOf(sampleWith(['validity: 365d', `validity: ${validity}`])).map((fault) => fault.code)).toEqual(codes);
  });

  it.each([
    ['9y', ['validity-band', 'validity-nesting']],
    ['10y', []],
    ['3649d', ['validity-band', 'validity-nesting']],
    ['7305d', []],
    ['7306d', ['validity-band']],
  ])('read a root validity of %s as %j (validity-band)', (validity, codes) => {
    expect(faultsOf(sampleWith(['validity: 20y', `validity: ${validity}`])).map((fault) => fault.code)).toEqual(codes);
  });

  it.each([
    ['http://crl.fleet.example/', []],
    ['http://crl.fleet.example:8080/lists', []],
    ['http://user@crl.fleet.example', ['crl-base-url']],
    ['http://crl.fleet.example?x=1', ['crl-base-url']],
    ['"http://crl.fleet.example#x"', ['crl-base-url']],
    ['crl.fleet.example', ['crl-base-url']],
    ['ldap://crl.fleet.example', ['crl-base-url']],
    ['"http://crl fleet.example"', ['crl-base-url']],
  ])('read the CRL address %s as %j (crl-base-url)', (url, codes) => {
    const text = sampleWith(['crlBaseUrl: http://crl.fleet.example', `crlBaseUrl: ${url}`]);
    expect(faultsOf(text).map((fault) => fault.code)).toEqual(codes);
    if (codes.length === 0) expect(hierarchyOf(text).crlBaseUrl).not.toMatch(/\/$/);
  });

  it('find a child within a name constraint its parent excludes (name-constraints-widen)', () => {
    const text = sampleWith(
      [
        'permitted: { dns: [fleet.example], uri: [fleet.example] } }',
        'permitted: { dns: [fleet.example] }, excluded: { dns: [lab.fleet.example], ip: [10.0.0.0/8] } }',
      ],
      [
        '    profiles: [device]\n',
        '    profiles: [device]\n    nameConstraints: { permitted: { dns: [a.lab.fleet.example], ip: [10.1.0.0/16, 192.0.2.0/24] } }\n',
      ],
    );
    expect(faultsOf(text).map((fault) => `${fault.code} ${fault.path}`)).toEqual([
      'name-constraints-widen authorities[2].nameConstraints.permitted.dns[0]',
      'name-constraints-widen authorities[2].nameConstraints.permitted.ip[0]',
    ]);
  });

  it('judge name constraints against the nearest ancestor that has any (name-constraints-widen)', () => {
    const text = sampleWith(
      ['    validity: 20y\n', '    validity: 20y\n    nameConstraints: { permitted: { ip: [10.0.0.0/8] } }\n'],
      [
        '    profiles: [device]\n',
        '    profiles: [device]\n    nameConstraints: { permitted: { ip: [10.0.0.0/7] } }\n',
      ],
    );
    expect(faultsOf(text).map((fault) => fault.code)).toEqual(['name-constraints-widen']);
  });

  it('hold against a cycle of any length, an authority that signs itself included (hierarchy-cycle)', () => {
    const own = sampleWith(['    parent: root\n', '    parent: subordinate\n']);
    expect(faultsOf(own).map((fault) => fault.code)).toEqual(['hierarchy-cycle']);
  });
});

describe('advice', () => {
  it.each([
    [
      'name-constraints-on-root',
      [['    validity: 20y\n', '    validity: 20y\n    nameConstraints: { permitted: { dns: [example] } }\n']],
    ],
    [
      'hash-weaker-than-key',
      [
        [
          'signingAlgorithm: SHA384WITHECDSA\n    validity: 10y',
          'signingAlgorithm: SHA256WITHECDSA\n    validity: 10y',
        ],
      ],
    ],
    ['cmvp-revoked-accepted', [['cmvpAccepted: [active] }', 'cmvpAccepted: [active, revoked] }']]],
    ['short-leaves-priced-each', [['validity: 365d', 'validity: 12h']]],
    [
      'extended-key-usage-on-root',
      [['    validity: 20y\n', '    validity: 20y\n    extendedKeyUsage: [serverAuth, clientAuth]\n']],
    ],
    ['revocation-unpublished', [['stage: dev ', 'stage: prod ']]],
    ['validity-filled', [['    validity: 20y\n', '    validity: 10y\n']]],
    [
      'issuance-window-short',
      [
        [
          'validity: 3y\n    pathLen: 0\n    profiles: [device]',
          'validity: 1y\n    pathLen: 0\n    profiles: [device]',
        ],
        ['validity: 365d', 'validity: 300d'],
      ],
    ],
    [
      'cmvp-historical-refused',
      [
        [
          'pathLen: 1\n    nameConstraints: { permitted: { dns: [fleet.example], uri: [fleet.example] } }\n    custody: { model: managed-ca, securityLevelMin: 3, cmvpAccepted: [active, historical] }',
          'pathLen: 1\n    nameConstraints: { permitted: { dns: [fleet.example], uri: [fleet.example] } }\n    custody: { model: managed-ca, securityLevelMin: 3, cmvpAccepted: [active] }',
        ],
      ],
    ],
  ] as const)('is given beside a hierarchy that is read: %s', (code, edits) => {
    const reading = parseHierarchy(sampleWith(...edits));
    expect(reading.ok && reading.advice.map((advice) => advice.code)).toEqual([code]);
  });

  it('says of every CA whose names nothing constrains that it can name anybody (path-without-name-constraints)', () => {
    const reading = parseHierarchy(
      sampleWith(['    nameConstraints: { permitted: { dns: [fleet.example], uri: [fleet.example] } }\n', '']),
    );
    expect(reading.ok && reading.advice.map((advice) => `${advice.line} ${advice.code}`)).toEqual([
      '27 path-without-name-constraints',
      '40 path-without-name-constraints',
    ]);
  });

  it('counts the certificates that short leaves cost', () => {
    const reading = parseHierarchy(sampleWith(['validity: 365d', 'validity: 1h']));
    expect(reading.ok && reading.advice[0]?.message).toContain('730,000 certificates a month for 1,000 names');
    expect(reading.ok && reading.advice[0]?.message).not.toContain('USD');
  });

  it('names the bill of short leaves and the date of its prices, by the mode of the CA (short-leaves-priced-each)', () => {
    const prices = certificatePrices(publishedPrices);
    const billOf = (text: string) => {
      const reading = parseHierarchy(text, prices);
      return (reading.ok && reading.advice[0]?.message.match(/USD [\d,]+ a month, prices of [\d-]+/)?.[0]) || undefined;
    };
    const hourly = sampleWith(['validity: 365d', 'validity: 1h']);
    // 1,000 at 0.75, 9,000 at 0.35, 720,000 at 0.001; in short-lived mode 730,000 at 0.058.
    expect(billOf(hourly)).toBe(`USD 4,620 a month, prices of ${prices.asOf}`);
    const shortLived = hourly.replace('mode: GENERAL_PURPOSE', 'mode: SHORT_LIVED_CERTIFICATE');
    expect(billOf(shortLived)).toBe(`USD 42,340 a month, prices of ${prices.asOf}`);
  });
});
